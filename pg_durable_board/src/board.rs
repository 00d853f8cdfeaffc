//! The board: what all processes of the engine share. Ready work, leases, timers on their way to a scheduler,
//! who waits for which instance.
//!
//! It lives in shared memory as plain data, all zeroes at the start, and every method runs under its lock without
//! waiting or raising. Nothing on it is needed for correctness: it dies with the server and is rebuilt from the
//! tables; the checkpoint's own condition decides whether a step counts.

use bytemuck::Zeroable;

use crate::executors::{Crew, ExecutorState, Executors, PENDING_US};
use crate::ids::{DatabaseId, InstanceNumber, ProcNumber, RoleId, Tenant};
use crate::launcher::Launcher;
use crate::launches::Launches;
use crate::suspects::{InFlight, Suspects};
use crate::target::{Pusher, Taken, Target};
use crate::waiters::Waiters;
use crate::wake::Wake;

const DATABASES_MAX: usize = 256;
const QUEUES_MAX: usize = 256;
const ITEMS_MAX: usize = 32 * 1024;
/// How far down a queue an executor looks for more work of the instance it holds.
const SAME_INSTANCE_LOOK_AHEAD: usize = 64;

/// How long work waits before a role gets one more executor.
const PATIENCE_US: i64 = 2_000;

/// A durable wake-up on its way to the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
    pub target: Target,
    pub role: RoleId,
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Item {
    target: Target,
    /// Ready work: since when. A timer: when it is due.
    at: i64,
    next: u32,
    load: u32,
    /// Ready work: 1 + the slot of the executor that queued it, or 0. A timer: the role.
    pusher: u32,
}

impl Item {
    fn pusher(&self) -> Option<Pusher> {
        let slot = self.pusher.checked_sub(1);
        slot.map(|slot| Pusher { slot: slot as usize, load: self.load })
    }
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct List {
    head: u32,
    tail: u32,
    len: u32,
}

#[derive(Clone, Copy, Zeroable)]
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

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Database {
    oid: DatabaseId,
    scheduler_pid: i32,
    scheduler_place: ProcNumber,
    since: i64,
    /// When the sleeping scheduler looks at the queues without being woken; 0 while it is awake.
    looks_at: i64,
    timers: List,
    /// Something could not be put on the board: look at the tables again.
    rescan: bool,
    /// A start or signal sits in a prepared transaction.
    sweep: bool,
    /// The extension was dropped.
    dropped: bool,
    /// How often it was created or dropped.
    changes: u32,
    /// Its scheduler need not look for unfinished instances: there were none when the extension was created.
    is_new: bool,
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
    free_item: u32,
    fresh_item: u32,
    databases: [Database; DATABASES_MAX],
    queues: [Queue; QUEUES_MAX],
    /// Executors and their leases.
    pub executors: Executors,
    items: [Item; ITEMS_MAX],
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
    /// The extension was created in this database. What a restore then puts into its tables is not run before
    /// somebody says that all tables are there.
    pub fn create_database(&mut self, database: DatabaseId) -> Wake {
        let is_new = self.database(database).is_none();
        let wake = self.want_database(database);
        if let Some(entry) = self.database(database) {
            entry.is_new = is_new;
        }
        wake
    }

    /// Whether the scheduler that has just entered finds nothing in the tables; true once.
    pub fn take_is_new(&mut self, database: DatabaseId) -> bool {
        self.database(database).is_some_and(|entry| std::mem::take(&mut entry.is_new))
    }

    /// A scheduler is wanted in this database.
    pub fn want_database(&mut self, database: DatabaseId) -> Wake {
        let mut wake = Wake::default();
        let free = self.databases.iter().position(|entry| entry.oid == database);
        let free = free.or_else(|| self.databases.iter().position(|entry| entry.oid == DatabaseId(0)));
        if let Some(place) = free {
            let entry = &mut self.databases[place];
            entry.oid = database;
            entry.dropped = false;
            entry.changes += 1;
            wake = wake.and(self.launcher.process.wake());
        }
        wake
    }

    /// The databases in which a scheduler is wanted and none runs.
    pub fn databases_without_scheduler(&self) -> Vec<DatabaseId> {
        self.databases
            .iter()
            .filter(|entry| entry.oid != DatabaseId(0) && entry.scheduler_pid == 0)
            .map(|entry| entry.oid)
            .collect()
    }

    // ---- schedulers ----

    /// This process is to be the scheduler of this database; false where one runs already.
    pub fn enter_scheduler(&mut self, database: DatabaseId, pid: i32, place: ProcNumber, now: i64) -> bool {
        let Some(entry) = self.database(database) else { return false };
        if entry.scheduler_pid != 0 {
            return false;
        }
        (entry.scheduler_pid, entry.scheduler_place, entry.since) = (pid, place, now);
        // One that ended between reserving a slot and starting its process has left nobody to free it.
        self.executors.free_reserved(database);
        true
    }

    /// The scheduler with this pid leaves, if it is the one that serves the database.
    pub fn leave_scheduler(&mut self, database: DatabaseId, pid: i32) -> Wake {
        let mut wake = Wake::default();
        if let Some(entry) = self.database(database)
            && entry.scheduler_pid == pid
        {
            entry.scheduler_pid = 0;
            entry.looks_at = 0;
        }
        wake = wake.and(self.launcher.process.wake());
        wake
    }

    /// Every scheduler is to look at its timers: the clock was moved.
    pub fn wake_schedulers(&self) -> Wake {
        let mut wake = Wake::default();
        for entry in self.databases.iter().filter(|entry| entry.scheduler_pid != 0) {
            wake.add(entry.scheduler_place);
        }
        wake
    }

    /// A step has ended its own process.
    pub fn suspect(&mut self, step: InFlight) -> Wake {
        self.suspects.add(step);
        self.wake_scheduler(step.database)
    }

    /// How often the extension of this database was created or dropped.
    pub fn changes(&mut self, database: DatabaseId) -> u32 {
        self.database(database).map_or(0, |entry| entry.changes)
    }

    /// Settles whether the database is served by what its catalogs said at a time when there had been so many
    /// `changes`. `None` when there have been more since, so that one has to look again.
    pub fn decide_served(
        &mut self,
        database: DatabaseId,
        changes: u32,
        has_extension: bool,
    ) -> (Option<bool>, Wake) {
        if self.changes(database) != changes {
            return (None, Wake::default());
        }
        if !has_extension {
            return (Some(false), self.forget_database(database));
        }
        if let Some(entry) = self.database(database) {
            entry.dropped = false;
        }
        (Some(true), Wake::default())
    }

    /// The database is no longer served.
    pub fn forget_database(&mut self, database: DatabaseId) -> Wake {
        if let Some(entry) = self.database(database) {
            let timers = entry.timers;
            *entry = Database::zeroed();
            self.release_list(timers);
        }
        for place in 0..QUEUES_MAX {
            if self.queues[place].tenant.database == database {
                let list = self.queues[place].list;
                self.queues[place] = Queue::zeroed();
                self.release_list(list);
            }
        }
        self.executors.retire_all(database).and(self.launcher.process.wake())
    }

    /// The extension of this database has been dropped.
    pub fn drop_database(&mut self, database: DatabaseId) -> Wake {
        let mut wake = Wake::default();
        if let Some(entry) = self.database(database) {
            entry.dropped = true;
            entry.changes += 1;
            if entry.scheduler_pid != 0 {
                wake.add(entry.scheduler_place);
            }
        }
        wake
    }

    /// Whether the extension of this database was dropped.
    pub fn is_dropped(&mut self, database: DatabaseId) -> bool {
        self.database(database).is_none_or(|entry| entry.dropped)
    }

    /// Whether the tables have to be looked at again.
    pub fn wants_rescan(&mut self, database: DatabaseId) -> bool {
        self.database(database).is_some_and(|entry| entry.rescan)
    }

    /// The tables are about to be looked at.
    pub fn take_rescan(&mut self, database: DatabaseId) {
        if let Some(entry) = self.database(database) {
            entry.rescan = false;
        }
    }

    /// Asks the scheduler to look at the tables again.
    pub fn request_rescan(&mut self, database: DatabaseId) -> Wake {
        let mut wake = Wake::default();
        if let Some(entry) = self.database(database) {
            entry.rescan = true;
            if entry.scheduler_pid != 0 {
                wake.add(entry.scheduler_place);
            }
        }
        wake
    }

    /// Some prepared transaction holds a start or signal.
    pub fn expect_prepared(&mut self, database: DatabaseId) -> Wake {
        let mut wake = Wake::default();
        if let Some(entry) = self.database(database) {
            entry.sweep = true;
            if entry.scheduler_pid != 0 {
                wake.add(entry.scheduler_place);
            }
        }
        wake
    }

    /// Whether to sweep; with `false` given, stops sweeping.
    pub fn sweeps(&mut self, database: DatabaseId, keep: bool) -> bool {
        self.database(database).is_some_and(|entry| {
            entry.sweep &= keep;
            entry.sweep
        })
    }

    /// The scheduler is about to sleep until then, or is awake (`None`).
    pub fn note_look(&mut self, database: DatabaseId, at: Option<i64>) {
        if let Some(entry) = self.database(database) {
            entry.looks_at = at.unwrap_or_default();
        }
    }

    /// The timers that were set since the last call.
    pub fn take_timers(&mut self, database: DatabaseId) -> Vec<Timer> {
        let Some(entry) = self.database(database) else { return Vec::new() };
        let timers = std::mem::replace(&mut entry.timers, List::zeroed());
        let mut taken = Vec::with_capacity(timers.len as usize);
        let mut at = timers.head;
        while at != 0 {
            let item = self.items[at as usize];
            taken.push(Timer { at: item.at, target: item.target, role: RoleId(item.pusher) });
            at = item.next;
        }
        self.release_list(timers);
        taken
    }

    /// Hands a timer to the scheduler.
    pub fn set_timer(&mut self, tenant: Tenant, target: Target, at: i64) -> Wake {
        let Tenant { database, role } = tenant;
        let mut wake = Wake::default();
        let Some(place) = self.databases.iter().position(|entry| entry.oid == database) else {
            return wake;
        };
        match self.new_item(Item { target, at, next: 0, load: 0, pusher: role.0 }) {
            Some(item) => {
                let mut list = self.databases[place].timers;
                self.append(&mut list, item);
                self.databases[place].timers = list;
            }
            None => self.databases[place].rescan = true,
        }
        if self.databases[place].scheduler_pid != 0 {
            wake.add(self.databases[place].scheduler_place);
        }
        wake
    }

    /// Which executors to start now, and when to ask again. Others may have to leave for them.
    pub fn open_executors(&mut self, database: DatabaseId, limit: usize, now: i64) -> (Openings, Wake) {
        let mut openings = Openings::default();
        let mut wake = Wake::default();
        let mut waiting: Vec<usize> = (0..QUEUES_MAX)
            .filter(|&place| {
                self.queues[place].tenant.database == database && self.queues[place].list.len > 0
            })
            .collect();
        // The one that was served longest ago has the first claim on what is free.
        waiting.sort_by_key(|&place| self.queues[place].served_at);
        for place in waiting {
            let queue = self.queues[place];
            if queue.blocked_until > now {
                openings.later(queue.blocked_until);
                continue;
            }
            let Crew { all, ready } = self.executors.crew(queue.tenant);
            if all > 0 {
                let waiting_since = self.items[queue.list.head as usize].at;
                if ready >= queue.list.len as usize {
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
                wake = wake.and(self.executors.make_room(queue.tenant, all == 0, now));
                openings.later(now + 50_000);
                continue;
            }
            let Some(slot) = self.executors.reserve(queue.tenant, now) else { continue };
            self.queues[place].served_at = now;
            openings.start.push(Opening { slot, tenant: queue.tenant });
            if queue.list.len > 1 {
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
            let list = std::mem::replace(&mut self.queues[place].list, List::zeroed());
            self.release_list(list);
        }
    }

    /// How much work of this database is ready.
    pub fn queued(&self, database: DatabaseId) -> u32 {
        let of_database = self.queues.iter().filter(|queue| queue.tenant.database == database);
        of_database.map(|queue| queue.list.len).sum()
    }

    // ---- ready work ----

    /// Puts a target into the queue of its role. Where the board is full the scheduler looks at the tables later.
    pub fn push(&mut self, tenant: Tenant, target: Target, pusher: Option<Pusher>, now: i64) -> Wake {
        let database = tenant.database;
        // Nobody would ever take it. A database whose scheduler is yet to come is scanned by it.
        if self.database(database).is_none() {
            return Wake::nobody();
        }
        let (pusher, load) = pusher.map_or((0, 0), |pusher| (pusher.slot as u32 + 1, pusher.load));
        let place = self.queue_place_or_new(tenant);
        let item = self.new_item(Item { target, at: now, next: 0, load, pusher });
        let (Some(place), Some(item)) = (place, item) else {
            if let Some(item) = item {
                self.release_item(item);
            }
            return self.request_rescan(database);
        };
        let mut list = self.queues[place].list;
        self.append(&mut list, item);
        self.queues[place].list = list;
        let roused = self.executors.rouse(tenant);
        roused.unwrap_or_else(|| {
            // It waits that long before it starts one more executor in any case.
            self.wake_scheduler_by(database, now + PATIENCE_US)
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
        (Taken::Work(self.executors.lease(slot, item.target, item.pusher(), now)), wake)
    }

    /// Takes what nobody holds from a queue. Who holds what comes before it is told to look again.
    fn next_for(&mut self, tenant: Tenant, prefer: Option<InstanceNumber>) -> Option<Item> {
        let database = tenant.database;
        let place = self.queue_place(tenant)?;
        if let Some(instance) = prefer {
            let mut before = 0;
            let mut at = self.queues[place].list.head;
            for _ in 0..SAME_INSTANCE_LOOK_AHEAD {
                if at == 0 {
                    break;
                }
                let item = self.items[at as usize];
                if item.target.instance == instance && !self.executors.is_held(database, item.target) {
                    self.unlink(place, before, at);
                    return Some(item);
                }
                (before, at) = (at, item.next);
            }
        }
        loop {
            let at = self.queues[place].list.head;
            if at == 0 {
                return None;
            }
            let item = self.items[at as usize];
            self.unlink(place, 0, at);
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
        let mut at = self.queues[place].list.head;
        for _ in 0..SAME_INSTANCE_LOOK_AHEAD {
            if at == 0 {
                return false;
            }
            let item = &self.items[at as usize];
            if item.target.instance == instance && is_sibling(item.target.branch) {
                return true;
            }
            at = item.next;
        }
        false
    }

    /// Whether other work of the executor's role waits and nobody is free for it.
    pub fn others_wait(&self, slot: usize) -> bool {
        let tenant = self.executors.tenant(slot);
        self.queue_place(tenant).is_some_and(|place| self.queues[place].list.len > 0)
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
            None => self.wake_scheduler(tenant.database),
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
        (true, self.wake_scheduler_by(database, now + PENDING_US))
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
        for entry in self.databases.iter().filter(|entry| entry.scheduler_pid != 0) {
            workers.push(WorkerInfo {
                kind: "scheduler",
                pid: entry.scheduler_pid,
                database: entry.oid,
                since: entry.since,
                queued: self.queued(entry.oid),
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

    fn database(&mut self, database: DatabaseId) -> Option<&mut Database> {
        self.databases.iter_mut().find(|entry| entry.oid == database)
    }

    fn wake_scheduler(&mut self, database: DatabaseId) -> Wake {
        self.wake_scheduler_by(database, i64::MIN)
    }

    /// Wakes the scheduler unless it sleeps and will look at the board by then.
    fn wake_scheduler_by(&mut self, database: DatabaseId, at: i64) -> Wake {
        let mut wake = Wake::nobody();
        if let Some(entry) = self.database(database)
            && entry.scheduler_pid != 0
            && (entry.looks_at == 0 || entry.looks_at > at)
        {
            wake.add(entry.scheduler_place);
        }
        wake
    }

    fn queue_place(&self, tenant: Tenant) -> Option<usize> {
        self.queues.iter().position(|queue| queue.tenant == tenant)
    }

    fn queue_place_or_new(&mut self, tenant: Tenant) -> Option<usize> {
        if let Some(place) = self.queue_place(tenant) {
            return Some(place);
        }
        let free = self.queues.iter().position(|queue| queue.tenant.database == DatabaseId(0));
        let free = free.or_else(|| self.queues.iter().position(|queue| queue.list.len == 0))?;
        self.queues[free] = Queue { tenant, ..Queue::zeroed() };
        Some(free)
    }

    fn append(&mut self, list: &mut List, item: u32) {
        if list.tail == 0 {
            list.head = item;
        } else {
            self.items[list.tail as usize].next = item;
        }
        list.tail = item;
        list.len += 1;
    }

    fn unlink(&mut self, place: usize, before: u32, at: u32) {
        let next = self.items[at as usize].next;
        if before != 0 {
            self.items[before as usize].next = next;
        }
        let list = &mut self.queues[place].list;
        if before == 0 {
            list.head = next;
        }
        if list.tail == at {
            list.tail = before;
        }
        list.len -= 1;
        self.release_item(at);
    }

    /// Items are numbered from 1, so that 0 in zeroed memory means none.
    fn new_item(&mut self, item: Item) -> Option<u32> {
        let number = if self.free_item != 0 {
            let number = self.free_item;
            self.free_item = self.items[number as usize].next;
            number
        } else if (self.fresh_item as usize) < ITEMS_MAX - 1 {
            self.fresh_item += 1;
            self.fresh_item
        } else {
            return None;
        };
        self.items[number as usize] = item;
        Some(number)
    }

    fn release_item(&mut self, number: u32) {
        self.items[number as usize].next = self.free_item;
        self.free_item = number;
    }

    fn release_list(&mut self, list: List) {
        let mut at = list.head;
        while at != 0 {
            let next = self.items[at as usize].next;
            self.release_item(at);
            at = next;
        }
    }
}
