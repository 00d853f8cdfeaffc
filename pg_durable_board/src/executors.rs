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
    /// How many cancels have begun to commit and are not over.
    cancels: u32,
    unused: u32,
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
    /// It commits something of the instance whose lease it has.
    committing: bool,
    /// What it carries out may have been cancelled in a transaction that was prepared: nobody tells.
    untold: bool,
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

    /// The executor in `slot` is about to commit; false where what it runs has been given up. It is not interrupted until
    /// [`end_commit`](Self::end_commit), because that would end its wait for a standby.
    pub(crate) fn begin_commit(&mut self, slot: usize) -> bool {
        let executor = &mut self.slots[slot];
        executor.committing = !executor.abandoned;
        executor.committing
    }

    /// The executor in `slot` has committed, or not; whether what it runs has been given up meanwhile.
    pub fn end_commit(&mut self, slot: usize) -> bool {
        let executor = &mut self.slots[slot];
        executor.committing = false;
        executor.abandoned
    }

    /// A cancel begins to commit: until [`end_cancel`](Self::end_cancel) whoever commits looks at the instance's row.
    pub fn begin_cancel(&mut self) {
        self.cancels += 1;
    }

    /// A cancel that had begun to commit is over, and whom it concerns has been told.
    pub fn end_cancel(&mut self) {
        self.cancels = self.cancels.saturating_sub(1);
    }

    /// A transaction of this database was prepared: those that carry out something have to look themselves.
    pub(crate) fn expect_prepared(&mut self, database: DatabaseId) {
        for executor in self.slots.iter_mut().filter(|executor| executor.tenant.database == database) {
            executor.untold = true;
        }
    }

    /// [`expect_prepared`](Self::expect_prepared) for one of them.
    pub(crate) fn set_untold(&mut self, slot: usize, untold: bool) {
        self.slots[slot].untold = untold;
    }

    pub(crate) fn is_untold(&self, slot: usize) -> bool {
        self.slots[slot].untold
    }

    /// Whether a cancel is being committed.
    pub(crate) fn has_cancels(&self) -> bool {
        self.cancels > 0
    }

    /// The pids of those that are committing something of this instance.
    pub fn committing(&self, database: DatabaseId, instance: InstanceNumber) -> Vec<i32> {
        let holders = self.slots.iter().filter(|executor| executor.holds(database, instance));
        holders.filter(|executor| executor.committing).map(|executor| executor.process.pid).collect()
    }

    /// Marks what runs of this instance as abandoned, in branches chosen by `concerns`, and gives the processes
    /// to be interrupted. Who is committing is not: it looks at the mark when it has committed.
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
                if !executor.committing {
                    pids.push(executor.process.pid);
                }
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
            .filter_map(|executor| {
                executor.abandoned = true;
                (!executor.committing).then_some(executor.process.pid)
            })
            .collect()
    }

    /// How many carry something out.
    pub fn busy(&self) -> usize {
        self.iter().filter(|executor| executor.has_lease).count()
    }

    /// How many carry something out in this database.
    pub fn busy_in(&self, database: DatabaseId) -> usize {
        self.iter().filter(|executor| executor.has_lease && executor.tenant.database == database).count()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::RoleId;
    use crate::random::Random;

    fn tenant(database: u32, role: u32) -> Tenant {
        Tenant { database: DatabaseId(database), role: RoleId(role) }
    }

    fn target(instance: u64, branch: u32) -> Target {
        Target { instance, branch }
    }

    fn woken(wake: Wake) -> Vec<ProcNumber> {
        wake.into_iter().collect()
    }

    /// An executor in `slot` that has connected; its pid is 1000 + the slot, its place 100 + the slot.
    fn connect(executors: &mut Executors, slot: usize, now: i64) {
        executors.enter(slot, 1000 + slot as i32, 100 + slot as i32, now).unwrap();
        executors.note_connected(slot);
    }

    fn executor(executors: &mut Executors, tenant: Tenant, now: i64) -> usize {
        let slot = executors.reserve(tenant, now).unwrap();
        connect(executors, slot, now);
        slot
    }

    /// What an executor is, told naively.
    #[derive(Debug, Clone)]
    struct Naive {
        tenant: Tenant,
        has_come: bool,
        /// What it carries out or carried out last, and whether it still does.
        target: Option<(Target, bool)>,
        node: Option<u32>,
        is_wanted: bool,
        is_abandoned: bool,
        is_stale: bool,
        retires: bool,
    }

    impl Naive {
        fn lease(&self) -> Option<Target> {
            self.target.filter(|(_, holds)| *holds).map(|(target, _)| target)
        }
    }

    /// Executors, and what a naive table of them says.
    struct Model {
        executors: Box<Executors>,
        naive: BTreeMap<usize, Naive>,
    }

    impl Model {
        fn holder(&self, database: DatabaseId, target: Target) -> Option<usize> {
            let mut all = self.naive.iter();
            all.find(|(_, one)| one.tenant.database == database && one.lease() == Some(target))
                .map(|(&slot, _)| slot)
        }

        fn check(&self, says: &str) {
            let mut leases = Vec::new();
            for (&slot, one) in &self.naive {
                let executor = &self.executors.slots[slot];
                assert_eq!(executor.tenant, one.tenant, "{says}");
                assert_eq!(executor.lease(), one.lease(), "{says}");
                assert_eq!(executor.node(), one.node.filter(|_| one.lease().is_some()), "{says}");
                let told = (executor.look_again, executor.abandoned, executor.retire);
                assert_eq!(told, (one.is_wanted, one.is_abandoned, one.retires), "{says}");
                assert_eq!(self.executors.is_starting(slot), !one.has_come, "{says}");
                leases.extend(one.lease().map(|target| (one.tenant.database, target)));
            }
            assert_eq!(self.executors.iter().count(), self.naive.len(), "{says}");
            let held = leases.len();
            leases.sort();
            leases.dedup();
            assert_eq!(leases.len(), held, "{says}: a target is held twice");
        }

        /// Does something to `slot`, which may be free.
        fn act(&mut self, random: &mut Random, says: &str) {
            let Model { executors, naive } = self;
            let slot = random.below(20);
            let (instance, branch) = (1 + random.below(3) as u64, random.below(4) as u32);
            let (of, target) = (tenant(1 + random.below(2) as u32, 1), target(instance, branch));
            let known = naive.get(&slot).cloned();
            match (random.below(10), known) {
                (0 | 1, _) if naive.len() < 20 => {
                    let slot = executors.reserve(of, 5).unwrap();
                    let new = Naive {
                        tenant: of,
                        has_come: false,
                        target: None,
                        node: None,
                        is_wanted: false,
                        is_abandoned: false,
                        is_stale: false,
                        retires: false,
                    };
                    assert!(naive.insert(slot, new).is_none(), "{says}: the slot was not free");
                }
                (2, Some(one)) if !one.has_come => {
                    connect(executors, slot, 5);
                    naive.get_mut(&slot).unwrap().has_come = true;
                }
                (2 | 3, _) => {
                    let except = random.one_in(2).then_some(slot);
                    self.abandon(of.database, instance, except, says);
                }
                (4 | 5, Some(one)) if one.has_come => {
                    let holder = self.holder(one.tenant.database, target);
                    self.lease(random, slot, holder, target, says);
                }
                (6, Some(one)) if one.lease().is_some() => {
                    let began = executors.begin_node(slot, branch, false, 5);
                    assert_eq!(began, !one.is_abandoned, "{says}");
                    if began {
                        naive.get_mut(&slot).unwrap().node = Some(branch);
                    }
                }
                (7, Some(one)) if one.has_come => {
                    let wanted = one.lease().filter(|_| one.is_wanted);
                    assert_eq!(executors.let_go(slot), wanted, "{says}");
                    let one = naive.get_mut(&slot).unwrap();
                    one.target = one.target.map(|(target, _)| (target, false));
                    (one.is_wanted, one.is_abandoned) = (false, false);
                }
                (8, one) if random.one_in(3) => {
                    let left = executors.leave(slot);
                    assert_eq!(
                        left.as_ref().and_then(|left| left.lease),
                        one.as_ref().and_then(Naive::lease)
                    );
                    let was_starting = one.as_ref().map(|one| !one.has_come);
                    assert_eq!(left.map(|left| left.was_starting), was_starting, "{says}");
                    naive.remove(&slot);
                }
                (9, _) if random.one_in(20) => {
                    drop(executors.retire_all(of.database));
                    let concerned = naive.values_mut().filter(|one| one.tenant.database == of.database);
                    concerned.for_each(|one| one.retires = true);
                    executors.free_reserved(of.database);
                    naive.retain(|_, one| one.has_come || one.tenant.database != of.database);
                }
                _ => {
                    let has_branch = executors.has_branch(of.database, instance, |branch| branch < 2);
                    let held = naive.values().filter(|one| one.tenant.database == of.database);
                    let mut held = held.filter_map(Naive::lease);
                    let expected = held.any(|held| held.instance == instance && held.branch < 2);
                    assert_eq!(has_branch, expected, "{says}");
                }
            }
        }

        fn abandon(
            &mut self,
            database: DatabaseId,
            instance: InstanceNumber,
            except: Option<usize>,
            says: &str,
        ) {
            let pids = self.executors.abandon(database, instance, except, |branch| branch < 2);
            let mut expected = Vec::new();
            for (&slot, one) in &mut self.naive {
                let Some((target, holds)) = one.target else { continue };
                let is_of = one.tenant.database == database && target.instance == instance;
                if Some(slot) == except || !is_of {
                    continue;
                }
                one.is_stale = true;
                if holds && target.branch < 2 {
                    one.is_abandoned = true;
                    expected.push(1000 + slot as i32);
                }
            }
            assert_eq!(pids, expected, "{says}");
        }

        /// Leases or exchanges for `target`, as the board does it.
        fn lease(
            &mut self,
            random: &mut Random,
            slot: usize,
            holder: Option<usize>,
            target: Target,
            says: &str,
        ) {
            let Model { executors, naive } = self;
            let database = naive[&slot].tenant.database;
            assert_eq!(executors.is_held(database, target), holder.is_some(), "{says}");
            assert_eq!(executors.leave_note(database, target), holder.is_some(), "{says}");
            if let Some(holder) = holder {
                naive.get_mut(&holder).unwrap().is_wanted = true;
                return;
            }
            let one = naive.get_mut(&slot).unwrap();
            match one.lease() {
                Some(before) => {
                    let wanted = executors.exchange(slot, target).map(|(target, _)| target);
                    assert_eq!(wanted, one.is_wanted.then_some(before), "{says}");
                }
                None => {
                    let pusher = Pusher { slot: random.below(20), load: random.next() as u32 };
                    let work = executors.lease(slot, target, Some(pusher), 5);
                    let was_at_hand = one.target.is_some_and(|(last, _)| last.instance == target.instance);
                    let is_good = pusher.slot == slot && !(one.is_stale && was_at_hand);
                    assert_eq!(work, Work { target, load: is_good.then_some(pusher.load) }, "{says}");
                    (one.is_stale, one.node) = (false, None);
                }
            }
            (one.target, one.is_wanted) = (Some((target, true)), false);
        }
    }

    #[test]
    fn leases_are_what_a_naive_table_says() {
        const SEED: u64 = 5;
        let mut random = Random::new(SEED);
        let mut model = Model { executors: bytemuck::zeroed_box(), naive: BTreeMap::new() };
        for n in 0..100_000 {
            let says = format!("seed {SEED}, operation {n}");
            model.act(&mut random, &says);
            model.check(&says);
        }
    }

    #[test]
    fn each_idle_executor_is_roused_once() {
        let mut executors: Box<Executors> = bytemuck::zeroed_box();
        let of = tenant(1, 1);
        let slots: Vec<_> = (0..3).map(|_| executor(&mut executors, of, 0)).collect();
        executor(&mut executors, tenant(1, 2), 0);
        executor(&mut executors, tenant(2, 1), 0);
        executors.lease(slots[0], target(1, 1), None, 0);
        let rouse = |executors: &mut Executors| executors.rouse(of).map(woken);
        assert_eq!(rouse(&mut executors), Some(vec![101]));
        assert_eq!(rouse(&mut executors), Some(vec![102]));
        assert_eq!(rouse(&mut executors), None);
        executors.stay_idle(slots[1], 0);
        assert_eq!(rouse(&mut executors), Some(vec![101]), "it has asked for work in vain");
    }

    #[test]
    fn room_is_kept_for_those_who_have_none() {
        let check = |in_use: usize, of_this_tenant, limit, expected| {
            let mut executors: Box<Executors> = bytemuck::zeroed_box();
            for _ in 0..in_use {
                executors.reserve(tenant(1, 1), 0).unwrap();
            }
            let has_room = executors.has_room(of_this_tenant, limit);
            assert_eq!(has_room, expected, "{in_use} of {limit}, {of_this_tenant} of the tenant's");
        };
        check(0, 0, 1, true);
        check(1, 0, 1, false);
        check(1, 1, 2, false);
        check(1, 0, 2, true);
        check(5, 1, 8, true);
        check(6, 1, 8, false);
        check(7, 0, 8, true);
        check(8, 0, 8, false);
    }

    #[test]
    fn the_idle_make_room_before_the_busy_who_had_their_turn() {
        let mut executors: Box<Executors> = bytemuck::zeroed_box();
        let (busy, idle) = (tenant(1, 1), tenant(1, 2));
        let slot = executor(&mut executors, busy, 0);
        executors.lease(slot, target(1, 1), None, 0);
        executor(&mut executors, idle, 0);
        let other = tenant(2, 1);
        let mut make_room = |of, has_none, now| woken(executors.make_room(of, has_none, now));
        assert_eq!(make_room(idle, true, TURN_US - 1), [], "its turn is not over");
        assert_eq!(make_room(other, false, TURN_US), [101]);
        assert_eq!(make_room(other, false, TURN_US), [], "a busy one leaves for those who have none only");
        assert_eq!(make_room(other, true, TURN_US), [100]);
        assert_eq!(make_room(other, true, TURN_US), [], "nobody is asked twice");
        assert!(executors.retires(0) && executors.retires(1));
        assert_eq!(executors.crew(busy), Crew::default(), "who leaves does not count");
    }

    #[test]
    fn who_commits_is_not_interrupted_and_hears_of_it_afterwards() {
        let mut executors: Box<Executors> = bytemuck::zeroed_box();
        let of = tenant(1, 1);
        let slot = executor(&mut executors, of, 0);
        executors.lease(slot, target(7, 1), None, 0);
        assert!(executors.begin_commit(slot));
        assert_eq!(executors.committing(of.database, 7), [executors.slots[slot].process.pid]);
        assert_eq!(executors.committing(of.database, 8), []);
        assert_eq!(executors.abandon(of.database, 7, None, |_| true), []);
        assert_eq!(executors.abandon_all(of.database), []);
        assert!(executors.end_commit(slot), "it was given up meanwhile");
        assert_eq!(executors.committing(of.database, 7), []);
        assert!(!executors.begin_commit(slot), "what was given up is not committed");
        assert_eq!(executors.committing(of.database, 7), []);
        assert_eq!(executors.abandon(of.database, 7, None, |_| true).len(), 1);
        executors.let_go(slot);
        executors.lease(slot, target(7, 1), None, 0);
        assert!(executors.begin_commit(slot), "the mark was about the lease");
        assert!(!executors.end_commit(slot));
        executors.begin_cancel();
        executors.begin_cancel();
        executors.end_cancel();
        assert!(executors.has_cancels());
        executors.end_cancel();
        assert!(!executors.has_cancels());
    }

    #[test]
    fn instances_that_are_pending_for_long_are_told_once() {
        let mut executors: Box<Executors> = bytemuck::zeroed_box();
        let of = tenant(1, 1);
        for (instance, since) in [(1, 0), (2, 10), (3, 20)] {
            let slot = executor(&mut executors, of, 0);
            executors.lease(slot, target(instance, 1), None, 0);
            assert!(executors.begin_node(slot, 1, true, 1 + since));
        }
        let mut take = |now| executors.take_pending(of.database, now);
        assert_eq!(take(PENDING_US), (vec![], Some(1 + PENDING_US)));
        assert_eq!(take(11 + PENDING_US), (vec![1, 2], Some(21 + PENDING_US)));
        assert_eq!(take(11 + PENDING_US), (vec![], Some(21 + PENDING_US)));
        assert!(executors.begin_node(2, 2, false, 15), "a checkpoint has said so");
        assert_eq!(executors.take_pending(of.database, i64::MAX), (vec![], None));
    }

    #[test]
    fn one_executor_too_many_finds_no_slot() {
        let mut executors: Box<Executors> = bytemuck::zeroed_box();
        for slot in 0..EXECUTORS_MAX {
            assert_eq!(executors.reserve(tenant(1, 1), 0), Some(slot));
        }
        assert_eq!(executors.reserve(tenant(1, 1), 0), None);
        assert!(executors.leave(7).is_some());
        assert_eq!(executors.reserve(tenant(1, 1), 0), Some(7));
    }
}
