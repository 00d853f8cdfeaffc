//! The board: what all processes of the engine share. Ready work, leases, timers on their way to a scheduler,
//! who waits for which instance.
//!
//! It lives in shared memory as plain data, all zeroes at the start, and every method runs under its lock without
//! waiting or raising. Nothing on it is needed for correctness: it dies with the server and is rebuilt from the
//! tables; the checkpoint's own condition decides whether a step counts.
//!
//! Each part keeps its own promises. Here is what concerns several, and this is the promise: what was pushed is in a queue,
//! or is held by somebody who will look again; and of those who sleep beside it one is woken, or the scheduler is. What finds no
//! place is left in the tables, and the board knows whose it is: the scheduler brings it when there is room.

use bytemuck::Zeroable;

use crate::databases::{DATABASES_MAX, Databases, Hold, Timer};
use crate::executors::{EXECUTORS_MAX, Executors, PENDING_US};
use crate::hindrances::{self, Hindrance, Hindrances};
use crate::ids::{DatabaseId, InstanceNumber, ProcNumber, Tenant};
use crate::items::{Item, Items, ROOM};
use crate::launcher::Launcher;
use crate::launches::Launches;
use crate::queues::{Opened, PATIENCE_US, Put, QUEUES_MAX, Queues, Wants};
use crate::suspects::{InFlight, Suspects};
use crate::target::{Pusher, Taken, Target};
use crate::waiters::{Awaited, WAITERS_MAX, Waiters};
use crate::wake::Wake;
use crate::walls::{Wall, WallInfo, Walls};
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
    /// Where somebody came up against the size of something.
    pub walls: Walls,
    items: Items,
    /// Of timers, in a pool of their own: no number of them takes room from ready work.
    timers: Items,
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
    pub fn create_database(&mut self, database: DatabaseId, now: i64) -> Wake {
        let is_wanted = self.databases.want_new(database);
        self.have_served(is_wanted, now)
    }

    /// A scheduler is wanted in this database.
    pub fn want_database(&mut self, database: DatabaseId, now: i64) -> Wake {
        let is_wanted = self.databases.want(database);
        self.have_served(is_wanted, now)
    }

    /// Has the launcher come, or look again later where there was no place.
    fn have_served(&mut self, is_wanted: bool, now: i64) -> Wake {
        if is_wanted {
            return self.launcher.process.wake();
        }
        self.meet(Wall::Databases, now).and(self.launcher.note_refused())
    }

    /// Somebody has work in this database, or asks for its scheduler.
    pub fn announce(&mut self, database: DatabaseId, now: i64) -> Wake {
        if self.databases.is_served(database) && !self.databases.is_released(database) {
            return Wake::nobody();
        }
        self.want_database(database, now)
    }

    /// The launcher would have a scheduler look into a database; false where it has to wait for a place.
    pub fn look_into(&mut self, database: DatabaseId, now: i64) -> (bool, Wake) {
        if !self.databases.has_room_for(database) {
            return (false, self.meet(Wall::Databases, now));
        }
        (true, self.announce(database, now))
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
        if hold.is_of_a_copy() {
            // All of it is found in the tables when they are at home.
            self.queues.forget_database(&mut self.items, database);
        }
        if is_new && is_held { self.executors.retire_all(database) } else { Wake::nobody() }
    }

    /// The database is no longer served.
    pub fn forget_database(&mut self, database: DatabaseId) -> Wake {
        self.databases.forget(&mut self.timers, database);
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

    /// Hands a timer to the scheduler. Where too many are on their way it is found in the tables later.
    pub fn set_timer(&mut self, tenant: Tenant, target: Target, at: i64, now: i64) -> Wake {
        let timer = Timer { at, target, role: tenant.role };
        let (wake, left) = self.databases.set_timer(&mut self.timers, tenant.database, timer);
        match left {
            None => wake,
            Some(whose) => wake.and(self.meet(Wall::Timers, now)).and(self.leave_in_tables(whose, now)),
        }
    }

    /// The timers that were set since the last call.
    pub fn take_timers(&mut self, database: DatabaseId) -> Vec<Timer> {
        self.databases.take_timers(&mut self.timers, database)
    }

    /// A step has ended its own process.
    pub fn suspect(&mut self, step: InFlight, now: i64) -> Wake {
        let wake = self.databases.wake_scheduler(step.database);
        if self.suspects.add(step) { wake } else { wake.and(self.meet(Wall::Suspects, now)) }
    }
}

// Ready work.
impl Board {
    /// Puts a target into the queue of its tenant. On a full board somebody who has more than a share of it makes room, or the
    /// target is found in the tables later.
    pub fn push(&mut self, tenant: Tenant, target: Target, pusher: Option<Pusher>, now: i64) -> Wake {
        let database = tenant.database;
        // Nobody would ever take it. A database whose scheduler is yet to come is scanned by it, and so is one that comes home.
        if !self.databases.takes_work(database) {
            return Wake::nobody();
        }
        let item = Item { target, role: tenant.role, ready_at: now, pusher };
        let met = match self.queues.push(&mut self.items, tenant, &item, now) {
            Put::There => Wake::nobody(),
            Put::Instead => self.meet(Wall::Items, now),
            Put::Left => return self.meet(Wall::Items, now),
            Put::NoQueue => return self.orphan(tenant, now),
        };
        let roused = self.executors.rouse(tenant).unwrap_or_else(|| {
            // It waits that long before it starts one more executor in any case.
            self.databases.wake_scheduler_by(database, now + PATIENCE_US)
        });
        roused.and(met)
    }

    /// [`push`](Self::push) for a session that has started or signalled something: where no scheduler is, one is
    /// wanted, which finds it in the tables.
    pub fn push_new(&mut self, tenant: Tenant, target: Target, now: i64) -> Wake {
        let wake = self.push(tenant, target, None, now);
        wake.and(self.announce(tenant.database, now))
    }

    /// Takes work for the executor in `slot`, of `prefer` first, and gives it the lease; what it held it lets go of.
    pub fn take(&mut self, slot: usize, prefer: Option<InstanceNumber>, now: i64) -> (Taken, Wake) {
        let wake = self.let_go(slot, now);
        if self.executors.retires(slot) {
            return (Taken::Retire, wake);
        }
        let tenant = self.executors.tenant(slot);
        let next = self.next_for(tenant, prefer);
        let wake = wake.and(self.tell_room(tenant));
        let Some(item) = next else {
            self.executors.stay_idle(slot, now);
            return (Taken::Nothing, wake);
        };
        if self.databases.sweeps(tenant.database) {
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

    /// The scheduler of a tenant that has waited for a queue since `since` is about to look at the tables for it. Gets it a
    /// queue, if one can be had, and says which of its instances are on the board as a whole.
    pub fn begin_look(
        &mut self,
        tenant: Tenant,
        since: i64,
        now: i64,
    ) -> (Option<Vec<InstanceNumber>>, Wake) {
        let wake = match self.queues.open(&mut self.items, tenant, since, now) {
            Opened::There => Wake::nobody(),
            Opened::Instead(last) => self.orphan(last, now),
            Opened::NotYet => return (None, self.meet(Wall::Queues, now)),
        };
        (Some(self.queues.begin_look(&self.items, tenant)), wake)
    }

    /// Work of a tenant is left in the tables: its scheduler is told, now or when there is room.
    fn leave_in_tables(&mut self, tenant: Tenant, now: i64) -> Wake {
        match self.queues.note_left(tenant, now) {
            Some(true) => self.databases.wake_scheduler(tenant.database),
            Some(false) => Wake::nobody(),
            None => self.orphan(tenant, now),
        }
    }

    /// The same for a tenant that has no queue.
    fn orphan(&mut self, tenant: Tenant, now: i64) -> Wake {
        let met = self.meet(Wall::Queues, now);
        let is_new = self.databases.note_orphan(tenant);
        if is_new { met.and(self.databases.wake_scheduler(tenant.database)) } else { met }
    }

    /// Tells the scheduler if there is room for what a tenant has in the tables.
    fn tell_room(&mut self, tenant: Tenant) -> Wake {
        let is_news = self.queues.tell_room(tenant);
        if is_news { self.databases.wake_scheduler(tenant.database) } else { Wake::nobody() }
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
}

// What is known of it all.
impl Board {
    /// Work of this tenant was hindered: says when to try again, later each time.
    pub fn note_hindrance(&mut self, tenant: Tenant, hindrance: Hindrance, now: i64) -> (i64, Wake) {
        let (until, is_noted) = self.hindrances.note(tenant, hindrance, now);
        (until, if is_noted { Wake::nobody() } else { self.meet(Wall::Hindrances, now) })
    }

    /// A session waits for instances. `None` where so many do that it has to look by itself.
    pub fn wait(
        &mut self,
        database: DatabaseId,
        place: ProcNumber,
        awaited: Awaited,
        now: i64,
    ) -> (Option<usize>, Wake) {
        let waiter = self.waiters.add(database, place, awaited);
        let wake = if waiter.is_some() { Wake::nobody() } else { self.meet(Wall::Waiters, now) };
        (waiter, wake)
    }

    /// How it stands with each wall.
    pub fn wall_infos(&self, now: i64) -> Vec<WallInfo> {
        let info = |wall| match wall {
            Wall::Items => (ROOM as usize, self.items.in_use() as usize),
            Wall::Timers => (ROOM as usize, self.timers.in_use() as usize),
            Wall::Queues => (QUEUES_MAX, self.queues.wanting()),
            Wall::Databases => (DATABASES_MAX, self.databases.served().count()),
            Wall::Waiters => (WAITERS_MAX, self.waiters.in_use()),
            Wall::Hindrances => (hindrances::PLACES, self.hindrances.in_use(now)),
            Wall::Suspects => (EXECUTORS_MAX, self.suspects.in_use()),
        };
        let with_sizes = Wall::ALL.into_iter().map(|wall| (wall, info(wall)));
        with_sizes.map(|(wall, (size, used))| self.walls.info(wall, size, used)).collect()
    }

    /// Every process of the engine.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        workers::list(&self.launcher, &self.databases, &self.executors, &self.queues)
    }

    /// Somebody has come up against a wall: the launcher says so, once.
    fn meet(&mut self, wall: Wall, now: i64) -> Wake {
        let is_new = self.walls.meet(wall, now);
        if is_new { self.launcher.process.wake() } else { Wake::nobody() }
    }
}
