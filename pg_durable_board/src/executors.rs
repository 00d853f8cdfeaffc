//! Executors: who they are, what they hold, and how they are told to stop.
//!
//! A slot is free, reserved for a process that is to come (it starts, with no pid), or has its process. No target of a
//! database is held by two. A note for the holder, and its having been given up, are about the lease in hand and end with
//! it.

use bytemuck::Zeroable;

use crate::ids::{DatabaseId, InstanceNumber, ProcNumber, Tenant};
use crate::process::Process;
use crate::target::{Pusher, Target, Work};
use crate::wake::Wake;

/// The most executors that `pg_durable.max_executors` allows.
pub const EXECUTORS_MAX: usize = 128;
/// How long an instance runs before its row says so, unless a checkpoint does.
pub(crate) const PENDING_US: i64 = 100_000;
/// How long an executor runs before it has to make room; starting one takes a tenth of it.
const TURN_US: i64 = 250_000;
/// In place of a node: none has been begun under this lease.
const NO_NODE: u32 = u32::MAX;

/// What an executor slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Zeroable)]
#[repr(u32)]
pub(crate) enum ExecutorState {
    Free = 0,
    Starting = 1,
    Idle = 2,
    Busy = 3,
}

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Executors {
    slots: [Executor; EXECUTORS_MAX],
}

#[derive(Zeroable)]
#[repr(C)]
pub(crate) struct Executor {
    pub state: ExecutorState,
    pub tenant: Tenant,
    pub process: Process,
    born_at: i64,
    pub steps: u64,
    /// What it holds the lease of. Without a lease: what it held last, and may have at hand still.
    target: Target,
    has_lease: bool,
    node: u32,
    /// Since when it runs an instance whose row says pending; 0 otherwise.
    pending_since: i64,
    /// Somebody wanted what this executor holds: look again after letting go.
    look_again: bool,
    /// What it runs has been cancelled or has lost a race.
    abandoned: bool,
    /// A race of the instance that it keeps at hand was decided by others.
    is_stale: bool,
    /// It is to leave as soon as it can.
    retire: bool,
    /// It was woken for work, and has not asked for any since.
    notified: bool,
}

/// How many executors a tenant has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crew {
    pub all: usize,
    /// Those that will ask for work soon.
    pub ready: usize,
}

/// What an executor that ends leaves behind.
pub(crate) struct Left {
    pub tenant: Tenant,
    /// It has not come to connecting.
    pub was_starting: bool,
    pub lease: Option<Target>,
}

impl Executor {
    pub fn lease(&self) -> Option<Target> {
        self.has_lease.then_some(self.target)
    }

    /// The node that it carries out, or carried out last under the lease it has.
    pub fn node(&self) -> Option<u32> {
        (self.has_lease && self.node != NO_NODE).then_some(self.node)
    }

    fn holds(&self, database: DatabaseId, instance: InstanceNumber) -> bool {
        self.has_lease && self.is_of(database, instance)
    }

    fn is_of(&self, database: DatabaseId, instance: InstanceNumber) -> bool {
        self.tenant.database == database && self.target.instance == instance
    }

    fn is_there(&self) -> bool {
        self.state != ExecutorState::Free
    }
}

impl Executors {
    /// A process has come for `slot`: as whom. `None` where nobody, or nobody any more, is expected there.
    pub fn enter(&mut self, slot: usize, pid: i32, place: ProcNumber, now: i64) -> Option<Tenant> {
        if !self.is_starting(slot) {
            return None;
        }
        let executor = &mut self.slots[slot];
        executor.process = Process { pid, place, since: now };
        Some(executor.tenant)
    }

    /// The slot was reserved, but its process has not come.
    pub fn is_starting(&self, slot: usize) -> bool {
        let executor = &self.slots[slot];
        executor.state == ExecutorState::Starting && !executor.process.is_there()
    }

    /// Whether the executor in `slot` is to leave as soon as it can.
    pub fn retires(&self, slot: usize) -> bool {
        self.slots[slot].retire
    }

    /// Whether what the executor in `slot` runs has been cancelled or lost a race.
    pub fn is_abandoned(&self, slot: usize) -> bool {
        self.slots[slot].abandoned
    }

    /// Marks what runs of this instance as abandoned, in branches chosen by `concerns`, and gives the processes
    /// to be interrupted.
    pub fn abandon(
        &mut self,
        database: DatabaseId,
        instance: InstanceNumber,
        except: Option<usize>,
        concerns: impl Fn(u32) -> bool,
    ) -> Vec<i32> {
        let mut pids = Vec::new();
        for (slot, executor) in self.slots.iter_mut().enumerate() {
            if Some(slot) == except || !executor.is_of(database, instance) {
                continue;
            }
            // It may have queued branches itself that it would carry out by what it remembers.
            executor.is_stale = true;
            if executor.has_lease && concerns(executor.target.branch) {
                executor.abandoned = true;
                pids.push(executor.process.pid);
            }
        }
        pids
    }

    /// [`abandon`](Self::abandon) for all that runs in a database.
    pub fn abandon_all(&mut self, database: DatabaseId) -> Vec<i32> {
        let is_concerned =
            |executor: &&mut Executor| executor.has_lease && executor.tenant.database == database;
        let concerned = self.slots.iter_mut().filter(is_concerned);
        concerned
            .map(|executor| {
                executor.abandoned = true;
                executor.process.pid
            })
            .collect()
    }

    /// Instances that have run for long while their rows still call them pending, and when to ask again.
    pub fn take_pending(&mut self, database: DatabaseId, now: i64) -> (Vec<InstanceNumber>, Option<i64>) {
        let mut taken = Vec::new();
        let mut ask_again: Option<i64> = None;
        for executor in &mut self.slots {
            if !executor.has_lease || executor.pending_since == 0 || executor.tenant.database != database {
                continue;
            }
            let due_at = executor.pending_since + PENDING_US;
            if due_at <= now {
                executor.pending_since = 0;
                taken.push(executor.target.instance);
            } else {
                ask_again = Some(ask_again.map_or(due_at, |known| known.min(due_at)));
            }
        }
        (taken, ask_again)
    }

    /// The nodes of an instance that are being carried out.
    pub fn nodes_in_hand(&self, database: DatabaseId, instance: InstanceNumber) -> Vec<u32> {
        let holders = self.slots.iter().filter(|executor| executor.holds(database, instance));
        holders.filter_map(Executor::node).collect()
    }

    pub(crate) fn tenant(&self, slot: usize) -> Tenant {
        self.slots[slot].tenant
    }

    /// Those that are there or are to come.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Executor> {
        self.slots.iter().filter(|executor| executor.is_there())
    }

    pub(crate) fn crew(&self, tenant: Tenant) -> Crew {
        let mut crew = Crew::default();
        for executor in self.iter().filter(|executor| executor.tenant == tenant && !executor.retire) {
            crew.all += 1;
            crew.ready += usize::from(executor.state != ExecutorState::Busy);
        }
        crew
    }

    /// Whether one more may be started for a tenant that has so many. A quarter of the executors, and one at least,
    /// is kept for those that have none.
    pub(crate) fn has_room(&self, of_this_tenant: usize, limit: usize) -> bool {
        let in_use = self.iter().count();
        if of_this_tenant == 0 {
            return in_use < limit;
        }
        let reserve = (limit / 4).max(1);
        in_use < limit.saturating_sub(reserve)
    }

    /// Has an executor of others leave: an idle one, or, for a tenant that has none, one that is between two steps
    /// soonest. It is not asked twice, and has had its turn.
    pub(crate) fn make_room(&mut self, tenant: Tenant, has_none: bool, now: i64) -> Wake {
        let may_leave = |executor: &&mut Executor| match executor.state {
            ExecutorState::Free | ExecutorState::Starting => false,
            ExecutorState::Idle => true,
            ExecutorState::Busy => has_none && executor.born_at + TURN_US <= now,
        };
        let others = self.slots.iter_mut().filter(|executor| !executor.retire && executor.tenant != tenant);
        let victim = others
            .filter(may_leave)
            .max_by_key(|executor| (executor.state == ExecutorState::Idle, executor.process.since));
        victim.map_or_else(Wake::nobody, |executor| {
            executor.retire = true;
            executor.process.wake()
        })
    }

    /// Takes a slot for a process that is about to be started.
    pub(crate) fn reserve(&mut self, tenant: Tenant, now: i64) -> Option<usize> {
        let slot = self.slots.iter().position(|executor| !executor.is_there())?;
        self.slots[slot] = Executor {
            state: ExecutorState::Starting,
            tenant,
            process: Process { since: now, ..Process::zeroed() },
            born_at: now,
            ..Executor::zeroed()
        };
        Some(slot)
    }

    /// Frees the slots of this database whose processes have not come.
    pub(crate) fn free_reserved(&mut self, database: DatabaseId) {
        for slot in 0..EXECUTORS_MAX {
            if self.is_starting(slot) && self.slots[slot].tenant.database == database {
                self.slots[slot] = Executor::zeroed();
            }
        }
    }

    /// All executors of this database are to leave.
    pub(crate) fn retire_all(&mut self, database: DatabaseId) -> Wake {
        let mut wake = Wake::nobody();
        for executor in &mut self.slots {
            if executor.is_there() && executor.tenant.database == database {
                executor.retire = true;
                wake = wake.and(executor.process.wake());
            }
        }
        wake
    }

    /// The executor in `slot` has connected: as whom.
    pub(crate) fn note_connected(&mut self, slot: usize) -> Tenant {
        let executor = &mut self.slots[slot];
        executor.state = ExecutorState::Idle;
        executor.tenant
    }

    /// Has an idle executor ask for work; `None` where all that are idle will do so anyway.
    pub(crate) fn rouse(&mut self, tenant: Tenant) -> Option<Wake> {
        let executor = self.slots.iter_mut().find(|executor| {
            executor.state == ExecutorState::Idle
                && !executor.notified
                && !executor.retire
                && executor.tenant == tenant
        })?;
        executor.notified = true;
        Some(executor.process.wake())
    }

    pub(crate) fn has_idle(&self, tenant: Tenant) -> bool {
        let mut all = self.slots.iter();
        all.any(|executor| executor.state == ExecutorState::Idle && executor.tenant == tenant)
    }

    /// The executor in `slot` begins this node; false where what it runs has been given up.
    pub(crate) fn begin_node(&mut self, slot: usize, node: u32, is_pending: bool, now: i64) -> bool {
        let executor = &mut self.slots[slot];
        if executor.abandoned {
            return false;
        }
        executor.node = node;
        executor.process.since = now;
        executor.steps += 1;
        executor.pending_since = if is_pending { now } else { 0 };
        true
    }

    /// Gives the executor in `slot` the lease of what it has taken from its queue.
    pub(crate) fn lease(&mut self, slot: usize, target: Target, pusher: Option<Pusher>, now: i64) -> Work {
        let executor = &mut self.slots[slot];
        let is_stale = executor.is_stale && executor.target.instance == target.instance;
        executor.state = ExecutorState::Busy;
        executor.process.since = now;
        executor.notified = false;
        executor.is_stale = false;
        executor.target = target;
        executor.has_lease = true;
        // What it carried out before was another target's.
        executor.node = NO_NODE;
        let is_own = pusher.filter(|pusher| pusher.slot == slot && !is_stale);
        Work { target, load: is_own.map(|pusher| pusher.load) }
    }

    /// Gives the executor in `slot` another lease for the one it has. The latter's target, if somebody asked for it
    /// meanwhile, and since when the executor did what it did.
    pub(crate) fn exchange(&mut self, slot: usize, target: Target) -> Option<(Target, i64)> {
        let executor = &mut self.slots[slot];
        let wanted = executor.lease().filter(|_| executor.look_again);
        executor.target = target;
        executor.has_lease = true;
        executor.look_again = false;
        wanted.map(|target| (target, executor.process.since))
    }

    /// Takes the lease back; its target, if somebody asked for it meanwhile.
    pub(crate) fn let_go(&mut self, slot: usize) -> Option<Target> {
        let executor = &mut self.slots[slot];
        let wanted = executor.lease().filter(|_| executor.look_again);
        executor.has_lease = false;
        executor.look_again = false;
        executor.abandoned = false;
        wanted
    }

    pub(crate) fn has_lease_of(&self, slot: usize, target: Target) -> bool {
        self.slots[slot].lease() == Some(target)
    }

    pub(crate) fn is_held(&self, database: DatabaseId, target: Target) -> bool {
        self.holder(database, target).is_some()
    }

    /// Has the holder of a target look again when it lets go; false where nobody holds it.
    pub(crate) fn leave_note(&mut self, database: DatabaseId, target: Target) -> bool {
        let holder = self.holder(database, target);
        if let Some(slot) = holder {
            self.slots[slot].look_again = true;
        }
        holder.is_some()
    }

    /// Whether a branch of this instance that `is_wanted` is held.
    pub(crate) fn has_branch(
        &self,
        database: DatabaseId,
        instance: InstanceNumber,
        is_wanted: impl Fn(u32) -> bool,
    ) -> bool {
        let mut all = self.slots.iter();
        all.any(|executor| executor.holds(database, instance) && is_wanted(executor.target.branch))
    }

    /// There is nothing to do for the executor in `slot`.
    pub(crate) fn stay_idle(&mut self, slot: usize, now: i64) {
        let executor = &mut self.slots[slot];
        executor.notified = false;
        if executor.state != ExecutorState::Idle {
            executor.state = ExecutorState::Idle;
            executor.process.since = now;
        }
    }

    /// The executor in `slot` ends, or will not come; `None` where there is none.
    pub(crate) fn leave(&mut self, slot: usize) -> Option<Left> {
        let executor = std::mem::replace(&mut self.slots[slot], Executor::zeroed());
        executor.is_there().then(|| Left {
            tenant: executor.tenant,
            was_starting: executor.state == ExecutorState::Starting,
            lease: executor.lease(),
        })
    }

    fn holder(&self, database: DatabaseId, target: Target) -> Option<usize> {
        let holds =
            |executor: &Executor| executor.tenant.database == database && executor.lease() == Some(target);
        self.slots.iter().position(holds)
    }
}
