//! The board: what all processes of the engine share. Ready work, leases, timers on their way to a scheduler,
//! who waits for which instance.
//!
//! It lives in shared memory as plain data, all zeroes at the start, and every method runs under its lock without
//! waiting or raising. Nothing on it is needed for correctness: it dies with the server and is rebuilt from the
//! tables; the checkpoint's own condition decides whether a step counts.
//!
//! Each part keeps its own promises. Here is what concerns several, and this is the promise: what was pushed is in a queue,
//! or is held by somebody who will look again; and of those who sleep beside it one is woken, or the scheduler is.

use bytemuck::Zeroable;

use crate::databases::{Databases, Hold, Timer};
use crate::executors::{Executors, PENDING_US};
use crate::hindrances::Hindrances;
use crate::ids::{DatabaseId, InstanceNumber, ProcNumber, Tenant};
use crate::items::{Item, Items};
use crate::launcher::Launcher;
use crate::launches::Launches;
use crate::queues::{PATIENCE_US, Queues, Wants};
use crate::suspects::{InFlight, Suspects};
use crate::target::{Pusher, Taken, Target};
use crate::waiters::Waiters;
use crate::wake::Wake;
use crate::workers::{self, WorkerInfo};

/// How long until it is looked again whether somebody has made room.
const ROOM_US: i64 = 50_000;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Board {
    /// The launcher.
    pub launcher: Launcher,
    /// Starts in transactions of their own.
    pub launches: Launches,
    /// Databases and their schedulers.
    pub databases: Databases,
    /// Ready work.
    pub queues: Queues,
    /// Executors and their leases.
    pub executors: Executors,
    /// Whose work waits for something to pass.
    pub hindrances: Hindrances,
    /// Who waits for instances.
    pub waiters: Waiters,
    /// Steps whose executors died.
    pub suspects: Suspects,
    items: Items,
}

/// An executor that the scheduler should start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The slot that is reserved for it.
    pub slot: usize,
    /// As whom it is to be born.
    pub tenant: Tenant,
}

/// Whether an executor may commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayCommit {
    /// Nobody has given up what it does.
    Yes,
    /// The same, unless the instance's row says otherwise.
    IfUnfinished,
    /// What it does has been given up.
    No,
}

/// What a scheduler does about the work that waits.
#[derive(Debug, Default)]
pub struct Openings {
    /// Executors to start now.
    pub start: Vec<Opening>,
    /// When to ask again.
    pub ask_again: Option<i64>,
}

impl Openings {
    fn later(&mut self, at: i64) {
        self.ask_again = Some(self.ask_again.map_or(at, |known| known.min(at)));
    }
}

// Databases and their schedulers.
impl Board {
    /// The extension was created in this database.
    pub fn create_database(&mut self, database: DatabaseId) -> Wake {
        let is_wanted = self.databases.want_new(database);
        if is_wanted { self.launcher.process.wake() } else { Wake::nobody() }
    }

    /// A scheduler is wanted in this database.
    pub fn want_database(&mut self, database: DatabaseId) -> Wake {
        let is_wanted = self.databases.want(database);
        if is_wanted { self.launcher.process.wake() } else { Wake::nobody() }
    }

    /// Somebody has work in this database, or asks for its scheduler.
    pub fn announce(&mut self, database: DatabaseId) -> Wake {
        if self.databases.is_served(database) && !self.databases.is_released(database) {
            return Wake::nobody();
        }
        self.want_database(database)
    }

    /// The scheduler and the executors of this database leave it until somebody has work there.
    pub fn release_database(&mut self, database: DatabaseId) -> Wake {
        self.databases.release(database).and(self.executors.retire_all(database))
    }

    /// A session wants this database alone: the scheduler and the executors leave it until
    /// [`come_back`](Self::come_back).
    pub fn leave_alone(&mut self, database: DatabaseId) -> Wake {
        self.databases.leave_alone(database).and(self.executors.retire_all(database))
    }

    /// A session that wanted this database alone does not any more.
    pub fn come_back(&mut self, database: DatabaseId) -> Wake {
        self.databases.come_back(database);
        self.launcher.process.wake()
    }

    /// Nothing is carried out in this database for now, whatever is ready; or it is again.
    pub fn hold(&mut self, database: DatabaseId, hold: Hold) -> Wake {
        let is_new = self.databases.hold(database, hold);
        let is_held = hold != Hold::Free;
        if is_new && is_held { self.executors.retire_all(database) } else { Wake::nobody() }
    }

    /// The database is no longer served.
    pub fn forget_database(&mut self, database: DatabaseId) -> Wake {
        self.databases.forget(&mut self.items, database);
        self.queues.forget_database(&mut self.items, database);
        self.executors.retire_all(database).and(self.launcher.process.wake())
    }

    /// Settles whether the database is served by what its catalogs said at a time when there had been so many
    /// `changes`. `None` when there have been more since, so that one has to look again.
    pub fn decide_served(
        &mut self,
        database: DatabaseId,
        changes: u32,
        has_extension: bool,
    ) -> (Option<bool>, Wake) {
        if self.databases.changes(database) != changes {
            return (None, Wake::nobody());
        }
        if !has_extension {
            return (Some(false), self.forget_database(database));
        }
        self.databases.keep(database);
        (Some(true), Wake::nobody())
    }

    /// This process is to be the scheduler of this database; false where one runs already.
    pub fn enter_scheduler(&mut self, database: DatabaseId, pid: i32, place: ProcNumber, now: i64) -> bool {
        let has_entered = self.databases.enter_scheduler(database, pid, place, now);
        if has_entered {
            // One that ended between reserving a slot and starting its process has left nobody to free it.
            self.executors.free_reserved(database);
        }
        has_entered
    }

    /// The scheduler with this pid leaves, if it is the one that serves the database.
    pub fn leave_scheduler(&mut self, database: DatabaseId, pid: i32) -> Wake {
        self.databases.leave_scheduler(database, pid);
        self.launcher.process.wake()
    }

    /// Hands a timer to the scheduler.
    pub fn set_timer(&mut self, tenant: Tenant, target: Target, at: i64) -> Wake {
        let timer = Timer { at, target, role: tenant.role };
        self.databases.set_timer(&mut self.items, tenant.database, timer)
    }

    /// The timers that were set since the last call.
    pub fn take_timers(&mut self, database: DatabaseId) -> Vec<Timer> {
        self.databases.take_timers(&mut self.items, database)
    }

    /// A step has ended its own process.
    pub fn suspect(&mut self, step: InFlight) -> Wake {
        self.suspects.add(step);
        self.databases.wake_scheduler(step.database)
    }
}

// Ready work.
impl Board {
    /// Puts a target into the queue of its tenant. Where the board is full the scheduler looks at the tables later.
    pub fn push(&mut self, tenant: Tenant, target: Target, pusher: Option<Pusher>, now: i64) -> Wake {
        let database = tenant.database;
        // Nobody would ever take it. A database whose scheduler is yet to come is scanned by it.
        if !self.databases.is_served(database) {
            return Wake::nobody();
        }
        let item = Item { target, role: tenant.role, ready_at: now, pusher };
        if self.queues.push(&mut self.items, tenant, &item).is_err() {
            return self.databases.request_rescan(database);
        }
        self.executors.rouse(tenant).unwrap_or_else(|| {
            // It waits that long before it starts one more executor in any case.
            self.databases.wake_scheduler_by(database, now + PATIENCE_US)
        })
    }

    /// [`push`](Self::push) for a session that has started or signalled something: where no scheduler is, one is
    /// wanted, which finds it in the tables.
    pub fn push_new(&mut self, tenant: Tenant, target: Target, now: i64) -> Wake {
        let wake = self.push(tenant, target, None, now);
        wake.and(self.announce(tenant.database))
    }

    /// Takes work for the executor in `slot`, of `prefer` first, and gives it the lease; what it held it lets go of.
    pub fn take(&mut self, slot: usize, prefer: Option<InstanceNumber>, now: i64) -> (Taken, Wake) {
        let wake = self.let_go(slot, now);
        if self.executors.retires(slot) {
            return (Taken::Retire, wake);
        }
        let Some(item) = self.next_for(self.executors.tenant(slot), prefer) else {
            self.executors.stay_idle(slot, now);
            return (Taken::Nothing, wake);
        };
        if self.databases.sweeps(self.executors.tenant(slot).database) {
            self.executors.set_untold(slot, true);
        }
        (Taken::Work(self.executors.lease(slot, item.target, item.pusher, now)), wake)
    }

    /// Exchanges the lease of the executor in `slot` for another branch of the same instance; false where that is held.
    pub fn exchange_lease(&mut self, slot: usize, target: Target) -> (bool, Wake) {
        if self.executors.has_lease_of(slot, target) {
            return (true, Wake::nobody());
        }
        let tenant = self.executors.tenant(slot);
        if self.executors.leave_note(tenant.database, target) {
            return (false, Wake::nobody());
        }
        let wanted = self.executors.exchange(slot, target);
        let again = wanted.map(|(target, since)| self.push(tenant, target, None, since));
        (true, again.unwrap_or_default())
    }

    /// The executor in `slot` has completed a branch of a JOIN or RACE inside `outer`: it lets go, and `outer` is ready
    /// unless others carry out, or are about to carry out, a sibling, who will come to the same point later.
    pub fn finish_branch(
        &mut self,
        slot: usize,
        outer: Target,
        is_sibling: impl Fn(u32) -> bool,
        now: i64,
    ) -> Wake {
        let wake = self.let_go(slot, now);
        let tenant = self.executors.tenant(slot);
        if self.executors.has_branch(tenant.database, outer.instance, &is_sibling)
            || self.queues.has_branch(&self.items, tenant, outer.instance, &is_sibling)
            // Who spawned the branches may still be on the way to let go of `outer`.
            || self.executors.leave_note(tenant.database, outer)
        {
            return wake;
        }
        wake.and(self.push(tenant, outer, None, now))
    }

    /// Forgets ready work of a role that cannot run.
    pub fn clear_queue(&mut self, tenant: Tenant) {
        self.queues.clear(&mut self.items, tenant);
    }

    /// Whether other work of the executor's role waits and nobody is free for it.
    pub fn others_wait(&self, slot: usize) -> bool {
        let tenant = self.executors.tenant(slot);
        self.queues.has_work(tenant) && !self.executors.has_idle(tenant)
    }

    /// Gives the lease back; if somebody asked for it meanwhile, the target is ready again.
    fn let_go(&mut self, slot: usize, now: i64) -> Wake {
        let tenant = self.executors.tenant(slot);
        let wanted = self.executors.let_go(slot);
        wanted.map_or_else(Wake::nobody, |target| self.push(tenant, target, None, now))
    }

    /// Takes what nobody holds from a queue. Who holds what comes before it is told to look again.
    fn next_for(&mut self, tenant: Tenant, prefer: Option<InstanceNumber>) -> Option<Item> {
        let database = tenant.database;
        let is_free = |target| !self.executors.is_held(database, target);
        if let Some(instance) = prefer
            && let Some(item) = self.queues.take_of_instance(&mut self.items, tenant, instance, is_free)
        {
            return Some(item);
        }
        loop {
            let item = self.queues.take_first(&mut self.items, tenant)?;
            if !self.executors.leave_note(database, item.target) {
                return Some(item);
            }
        }
    }
}

// Executors.
impl Board {
    /// Which executors to start now, and when to ask again. Others may have to leave for them.
    pub fn open_executors(&mut self, database: DatabaseId, limit: usize, now: i64) -> (Openings, Wake) {
        let mut openings = Openings::default();
        let mut wake = Wake::nobody();
        for tenant in self.queues.waiting(database) {
            let crew = self.executors.crew(tenant);
            match self.queues.wants(&self.items, tenant, crew, now) {
                Wants::Nothing => {}
                Wants::Later(at) => openings.later(at),
                Wants::Executor if !self.executors.has_room(crew.all, limit) => {
                    wake = wake.and(self.executors.make_room(tenant, crew.all == 0, now));
                    openings.later(now + ROOM_US);
                }
                Wants::Executor => {
                    let Some(slot) = self.executors.reserve(tenant, now) else { continue };
                    openings.start.push(Opening { slot, tenant });
                    if self.queues.note_served(tenant, now) {
                        openings.later(now + PATIENCE_US);
                    }
                }
            }
        }
        (openings, wake)
    }

    /// The executor in `slot` has connected.
    pub fn ready_executor(&mut self, slot: usize) {
        let tenant = self.executors.note_connected(slot);
        self.queues.note_connected(tenant);
    }

    /// The executor in `slot` begins this node; false where what it runs has been cancelled or has lost a race. With
    /// `is_pending`, the instance's row does not say yet that it runs: should the node take long, the scheduler says so.
    pub fn begin_node(&mut self, slot: usize, node: u32, is_pending: bool, now: i64) -> (bool, Wake) {
        if !self.executors.begin_node(slot, node, is_pending, now) {
            return (false, Wake::nobody());
        }
        if !is_pending {
            return (true, Wake::nobody());
        }
        let database = self.executors.tenant(slot).database;
        (true, self.databases.wake_scheduler_by(database, now + PENDING_US))
    }

    /// The executor in `slot` is about to commit, and is not interrupted until [`Executors::end_commit`].
    pub fn begin_commit(&mut self, slot: usize) -> MayCommit {
        if !self.executors.begin_commit(slot) {
            return MayCommit::No;
        }
        if self.executors.has_cancels() || self.is_untold(slot) {
            MayCommit::IfUnfinished
        } else {
            MayCommit::Yes
        }
    }

    /// Whether the instance that the executor in `slot` carries out may be cancelled without that anybody tells: in a
    /// transaction that was prepared.
    pub fn is_untold(&self, slot: usize) -> bool {
        self.executors.is_untold(slot) || self.databases.sweeps(self.executors.tenant(slot).database)
    }

    /// The executor in `slot` is about to look at its instance's row. That says all only when no transaction is prepared.
    pub fn note_look(&mut self, slot: usize) {
        let may_be_more = self.databases.sweeps(self.executors.tenant(slot).database);
        self.executors.set_untold(slot, may_be_more);
    }

    /// A transaction of this database was prepared, or may have been: nobody tells when it commits.
    pub fn expect_prepared(&mut self, database: DatabaseId) -> Wake {
        self.executors.expect_prepared(database);
        self.databases.expect_prepared(database)
    }

    /// The executor in `slot` ends; what it held is ready again.
    pub fn leave_executor(&mut self, slot: usize, now: i64) -> Wake {
        let Some(left) = self.executors.leave(slot) else { return Wake::nobody() };
        let tenant = left.tenant;
        if left.was_starting {
            self.queues.note_failure(tenant, now);
        }
        match left.lease {
            Some(target) => {
                let wake = self.push(tenant, target, None, now);
                // It may have ended the instance and not come to saying so: whoever waits looks at the row.
                wake.and(self.waiters.note_ended(tenant.database, target.instance))
            }
            // Work may have been queued on the strength of this executor being there: another one that sleeps takes it, or
            // one is started.
            None => {
                let has_work = self.queues.has_work(tenant);
                let roused = has_work.then(|| self.executors.rouse(tenant)).flatten();
                roused.unwrap_or_default().and(self.databases.wake_scheduler(tenant.database))
            }
        }
    }

    /// Every process of the engine.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        workers::list(&self.launcher, &self.databases, &self.executors, &self.queues)
    }
}
