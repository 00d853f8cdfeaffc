//! The board: what all processes of the engine share. Ready work, leases, timers on their way to a scheduler,
//! who waits for which instance.
//!
//! It lives in shared memory as plain data, all zeroes at the start, and every method runs under its lock without
//! waiting or raising. Nothing on it is needed for correctness: it dies with the server and is rebuilt from the
//! tables; the checkpoint's own condition decides whether a step counts.

use bytemuck::Zeroable;

use crate::databases::{Databases, Timer};
use crate::executors::{Crew, ExecutorState, Executors, PENDING_US};
use crate::ids::{DatabaseId, InstanceNumber, ProcNumber, RoleId, Tenant};
use crate::items::{Item, Items, List};
use crate::launcher::Launcher;
use crate::launches::Launches;
use crate::suspects::{InFlight, Suspects};
use crate::target::{Pusher, Taken, Target};
use crate::waiters::Waiters;
use crate::wake::Wake;

const QUEUES_MAX: usize = 256;
/// How far down a queue an executor looks for more work of the instance it holds.
const SAME_INSTANCE_LOOK_AHEAD: usize = 64;

/// How long work waits before a role gets one more executor.
const PATIENCE_US: i64 = 2_000;

#[derive(Zeroable)]
#[repr(C)]
struct Queue {
    tenant: Tenant,
    list: List,
    /// No executor is started before this moment: the last ones could not start.
    blocked_until: i64,
    failures: u32,
    /// When an executor was opened for it last.
    served_at: i64,
}

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Board {
    /// The launcher.
    pub launcher: Launcher,
    /// Starts in transactions of their own.
    pub launches: Launches,
    /// Who waits for instances.
    pub waiters: Waiters,
    /// Steps whose executors died.
    pub suspects: Suspects,
    /// Databases and their schedulers.
    pub databases: Databases,
    queues: [Queue; QUEUES_MAX],
    /// Executors and their leases.
    pub executors: Executors,
    items: Items,
}

/// An executor that the scheduler should start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    pub slot: usize,
    pub tenant: Tenant,
}

/// What a scheduler does about the work that waits.
#[derive(Debug, Default)]
pub struct Openings {
    /// Executors to start now; their slots are reserved.
    pub start: Vec<Opening>,
    /// When to ask again.
    pub ask_again: Option<i64>,
}

impl Openings {
    fn later(&mut self, at: i64) {
        self.ask_again = Some(self.ask_again.map_or(at, |known| known.min(at)));
    }
}

/// A process of the engine, for `df.workers()`.
#[derive(Debug, Clone)]
pub struct WorkerInfo {
    pub kind: &'static str,
    pub pid: i32,
    pub role: RoleId,
    pub database: DatabaseId,
    pub state: &'static str,
    pub target: Option<Target>,
    pub node: Option<u32>,
    pub since: i64,
    pub steps: u64,
    pub queued: u32,
}

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

    // ---- schedulers ----

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

    /// A step has ended its own process.
    pub fn suspect(&mut self, step: InFlight) -> Wake {
        self.suspects.add(step);
        self.databases.wake_scheduler(step.database)
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

    /// The database is no longer served.
    pub fn forget_database(&mut self, database: DatabaseId) -> Wake {
        self.databases.forget(&mut self.items, database);
        for queue in self.queues.iter_mut().filter(|queue| queue.tenant.database == database) {
            self.items.clear(&mut queue.list);
            *queue = Queue::zeroed();
        }
        self.executors.retire_all(database).and(self.launcher.process.wake())
    }

    /// The timers that were set since the last call.
    pub fn take_timers(&mut self, database: DatabaseId) -> Vec<Timer> {
        self.databases.take_timers(&mut self.items, database)
    }

    /// Hands a timer to the scheduler.
    pub fn set_timer(&mut self, tenant: Tenant, target: Target, at: i64) -> Wake {
        let timer = Timer { at, target, role: tenant.role };
        self.databases.set_timer(&mut self.items, tenant.database, timer)
    }

    /// Which executors to start now, and when to ask again. Others may have to leave for them.
    pub fn open_executors(&mut self, database: DatabaseId, limit: usize, now: i64) -> (Openings, Wake) {
        let mut openings = Openings::default();
        let mut wake = Wake::default();
        let mut waiting: Vec<usize> = (0..QUEUES_MAX)
            .filter(|&place| {
                self.queues[place].tenant.database == database && !self.queues[place].list.is_empty()
            })
            .collect();
        // The one that was served longest ago has the first claim on what is free.
        waiting.sort_by_key(|&place| self.queues[place].served_at);
        for place in waiting {
            let queue = &self.queues[place];
            let (tenant, len) = (queue.tenant, queue.list.len() as usize);
            if queue.blocked_until > now {
                openings.later(queue.blocked_until);
                continue;
            }
            let Crew { all, ready } = self.executors.crew(tenant);
            if all > 0 {
                let waiting_since = self.items.iter(&queue.list).next().map_or(now, |first| first.ready_at);
                if ready >= len {
                    continue;
                }
                if waiting_since + PATIENCE_US > now {
                    openings.later(waiting_since + PATIENCE_US);
                    continue;
                }
                if ready > 0 {
                    // One at a time: the ones that are starting may be enough.
                    openings.later(now + PATIENCE_US);
                    continue;
                }
            }
            if !self.executors.has_room(all, limit) {
                wake = wake.and(self.executors.make_room(tenant, all == 0, now));
                openings.later(now + 50_000);
                continue;
            }
            let Some(slot) = self.executors.reserve(tenant, now) else { continue };
            self.queues[place].served_at = now;
            openings.start.push(Opening { slot, tenant });
            if len > 1 {
                openings.later(now + PATIENCE_US);
            }
        }
        (openings, wake)
    }

    /// An executor could not be started: nobody tries again for this role before `until`.
    pub fn block_role(&mut self, tenant: Tenant, until: i64) {
        if let Some(place) = self.queue_place(tenant) {
            self.queues[place].blocked_until = until;
        }
    }

    /// Forgets ready work of a role that cannot run.
    pub fn clear_role(&mut self, tenant: Tenant) {
        if let Some(place) = self.queue_place(tenant) {
            self.items.clear(&mut self.queues[place].list);
        }
    }

    /// How much work of this database is ready.
    pub fn queued(&self, database: DatabaseId) -> u32 {
        let of_database = self.queues.iter().filter(|queue| queue.tenant.database == database);
        of_database.map(|queue| queue.list.len()).sum()
    }

    // ---- ready work ----

    /// Puts a target into the queue of its tenant. Where the board is full the scheduler looks at the tables later.
    pub fn push(&mut self, tenant: Tenant, target: Target, pusher: Option<Pusher>, now: i64) -> Wake {
        let database = tenant.database;
        // Nobody would ever take it. A database whose scheduler is yet to come is scanned by it.
        if !self.databases.is_served(database) {
            return Wake::nobody();
        }
        let item = Item { target, role: tenant.role, ready_at: now, pusher };
        let place = self.queue_place_or_new(tenant);
        let pushed = place.map(|place| self.items.append(&mut self.queues[place].list, &item));
        if !matches!(pushed, Some(Ok(()))) {
            return self.databases.request_rescan(database);
        }
        self.executors.rouse(tenant).unwrap_or_else(|| {
            // It waits that long before it starts one more executor in any case.
            self.databases.wake_scheduler_by(database, now + PATIENCE_US)
        })
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
        (Taken::Work(self.executors.lease(slot, item.target, item.pusher, now)), wake)
    }

    /// Takes what nobody holds from a queue. Who holds what comes before it is told to look again.
    fn next_for(&mut self, tenant: Tenant, prefer: Option<InstanceNumber>) -> Option<Item> {
        let database = tenant.database;
        let place = self.queue_place(tenant)?;
        let list = &mut self.queues[place].list;
        if let Some(instance) = prefer
            && let Some(item) = self.items.take_where(list, SAME_INSTANCE_LOOK_AHEAD, |item| {
                item.target.instance == instance && !self.executors.is_held(database, item.target)
            })
        {
            return Some(item);
        }
        loop {
            let item = self.items.take_first(list)?;
            if !self.executors.leave_note(database, item.target) {
                return Some(item);
            }
        }
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

    /// Gives the lease back; if somebody asked for it meanwhile, the target is ready again.
    fn let_go(&mut self, slot: usize, now: i64) -> Wake {
        let tenant = self.executors.tenant(slot);
        let wanted = self.executors.let_go(slot);
        wanted.map_or_else(Wake::nobody, |target| self.push(tenant, target, None, now))
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
            || self.has_queued(tenant, outer.instance, &is_sibling)
            // Who spawned the branches may still be on the way to let go of `outer`.
            || self.executors.leave_note(tenant.database, outer)
        {
            return wake;
        }
        wake.and(self.push(tenant, outer, None, now))
    }

    fn has_queued(&self, tenant: Tenant, instance: InstanceNumber, is_sibling: impl Fn(u32) -> bool) -> bool {
        let Some(place) = self.queue_place(tenant) else { return false };
        let mut near = self.items.iter(&self.queues[place].list).take(SAME_INSTANCE_LOOK_AHEAD);
        near.any(|item| item.target.instance == instance && is_sibling(item.target.branch))
    }

    /// Whether other work of the executor's role waits and nobody is free for it.
    pub fn others_wait(&self, slot: usize) -> bool {
        let tenant = self.executors.tenant(slot);
        self.queue_place(tenant).is_some_and(|place| !self.queues[place].list.is_empty())
            && !self.executors.has_idle(tenant)
    }

    // ---- executors ----

    /// The executor in `slot` has connected.
    pub fn ready_executor(&mut self, slot: usize) {
        let tenant = self.executors.note_connected(slot);
        if let Some(place) = self.queue_place(tenant) {
            self.queues[place].failures = 0;
        }
    }

    /// The executor in `slot` ends; what it held is ready again.
    pub fn leave_executor(&mut self, slot: usize, now: i64) -> Wake {
        let Some(left) = self.executors.leave(slot) else { return Wake::nobody() };
        let tenant = left.tenant;
        if left.was_starting
            && let Some(place) = self.queue_place(tenant)
        {
            let queue = &mut self.queues[place];
            queue.failures = (queue.failures + 1).min(5);
            queue.blocked_until = now + (1_000_000 << queue.failures);
        }
        match left.lease {
            Some(target) => {
                let wake = self.push(tenant, target, None, now);
                // It may have ended the instance and not come to saying so: whoever waits looks at the row.
                wake.and(self.waiters.note_ended(tenant.database, target.instance))
            }
            // Work may have been queued on the strength of this executor being there.
            None => self.databases.wake_scheduler(tenant.database),
        }
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

    // ---- monitoring ----

    /// Every process of the engine.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        let empty = WorkerInfo {
            kind: "launcher",
            pid: self.launcher.process.pid,
            role: RoleId(0),
            database: DatabaseId(0),
            state: "running",
            target: None,
            node: None,
            since: self.launcher.process.since,
            steps: 0,
            queued: 0,
        };
        let mut workers = Vec::new();
        if self.launcher.process.is_there() {
            workers.push(empty.clone());
        }
        for entry in self.databases.served().filter(|entry| entry.scheduler.is_there()) {
            workers.push(WorkerInfo {
                kind: "scheduler",
                pid: entry.scheduler.pid,
                database: entry.id,
                since: entry.scheduler.since,
                queued: self.queued(entry.id),
                ..empty.clone()
            });
        }
        for executor in self.executors.iter() {
            workers.push(WorkerInfo {
                kind: "executor",
                pid: executor.process.pid,
                role: executor.tenant.role,
                database: executor.tenant.database,
                state: match executor.state {
                    ExecutorState::Free => "free",
                    ExecutorState::Starting => "starting",
                    ExecutorState::Idle => "idle",
                    ExecutorState::Busy => "running",
                },
                target: executor.lease(),
                node: executor.node(),
                since: executor.process.since,
                steps: executor.steps,
                queued: 0,
            });
        }
        workers
    }

    // ---- lists ----

    fn queue_place(&self, tenant: Tenant) -> Option<usize> {
        self.queues.iter().position(|queue| queue.tenant == tenant)
    }

    fn queue_place_or_new(&mut self, tenant: Tenant) -> Option<usize> {
        if let Some(place) = self.queue_place(tenant) {
            return Some(place);
        }
        let free = self.queues.iter().position(|queue| queue.tenant.database == DatabaseId(0));
        let free = free.or_else(|| self.queues.iter().position(|queue| queue.list.is_empty()))?;
        self.queues[free] = Queue { tenant, ..Queue::zeroed() };
        Some(free)
    }
}
