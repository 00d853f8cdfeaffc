//! Tenants that flood the board, tables that hold what it has no room for, and schedulers that bring it back: against a naive
//! list of who has what. In the end all that was started has been carried out, and at no time does a scheduler leave a tenant
//! that has work in the tables with less than its share of the board.

#[path = "../src/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use pg_durable_board::{
    Backlog, Board, DatabaseId, Next, ProcNumber, RoleId, Taken, Target, Tenant, Unfinished, Wake, Wall,
};
use random::Random;

const ITEMS: usize = 32 * 1024 - 1;
const QUEUES: usize = 256;
/// More than there may be.
const EXECUTORS: usize = 100;

struct Scheduler {
    backlog: Backlog,
    is_awake: bool,
    looks_at: Option<i64>,
}

/// The board, and what is in the tables of each tenant.
struct Model {
    says: String,
    random: Random,
    now: i64,
    board: Box<Board>,
    schedulers: BTreeMap<DatabaseId, Scheduler>,
    /// What each tenant has started and nobody has carried out.
    tables: BTreeMap<Tenant, BTreeSet<Unfinished>>,
    /// Whose executor is in which slot.
    executors: BTreeMap<usize, Tenant>,
    /// Those that do not sleep.
    awake: BTreeSet<usize>,
    /// When each instance was started.
    created: Vec<i64>,
    ended: usize,
    operations: usize,
}

fn scheduler_place(database: DatabaseId) -> ProcNumber {
    database.0 as ProcNumber
}

/// Where the executor in the first slot sleeps.
const FIRST_EXECUTOR: ProcNumber = 1_000;

impl Model {
    fn new(seed: u64, databases: u32) -> Model {
        let mut model = Model {
            says: format!("seed {seed}"),
            random: Random::new(seed),
            now: 1_000_000,
            board: bytemuck::zeroed_box(),
            schedulers: BTreeMap::new(),
            tables: BTreeMap::new(),
            executors: BTreeMap::new(),
            awake: BTreeSet::new(),
            created: Vec::new(),
            ended: 0,
            operations: 0,
        };
        for database in (1..=databases).map(DatabaseId) {
            drop(model.board.want_database(database, model.now));
            let place = scheduler_place(database);
            assert!(model.board.enter_scheduler(database, place, place, model.now));
            let scheduler = Scheduler { backlog: Backlog::default(), is_awake: true, looks_at: None };
            model.schedulers.insert(database, scheduler);
        }
        model
    }

    fn wake(&mut self, wake: Wake) {
        for place in wake {
            if let Some(scheduler) = self.schedulers.get_mut(&DatabaseId(place as u32)) {
                scheduler.is_awake = true;
            } else if place >= FIRST_EXECUTOR {
                self.awake.insert((place - FIRST_EXECUTOR) as usize);
            }
        }
    }

    /// Commits a start: the row is there, and then it is pushed.
    fn start(&mut self, tenant: Tenant) {
        self.operations += 1;
        self.created.push(self.now);
        let one = Unfinished { created_at: self.now, instance: self.created.len() as u64 };
        self.tables.entry(tenant).or_default().insert(one);
        let root = Target { instance: one.instance, branch: Target::ROOT };
        let wake = self.board.push(tenant, root, None, self.now);
        self.wake(wake);
    }

    /// The executor in this slot carries out what it gets; or sets a timer, which fires at once; or spawns branches.
    fn carry_out(&mut self, slot: usize) {
        self.operations += 1;
        let tenant = self.executors[&slot];
        let (taken, wake) = self.board.take(slot, None, self.now);
        self.wake(wake);
        let work = match taken {
            Taken::Work(work) => work,
            Taken::Nothing => {
                self.awake.remove(&slot);
                return;
            }
            Taken::Retire => return self.leave(slot),
        };
        let instance = work.target.instance;
        match self.random.below(20) {
            0 => {
                let wake = self.board.set_timer(tenant, work.target, self.now, self.now);
                self.wake(wake);
            }
            1 if work.target.branch == Target::ROOT => {
                for branch in 1..10 {
                    let wake = self.board.push(tenant, Target { instance, branch }, None, self.now);
                    self.wake(wake);
                }
                let wake = self.board.push(tenant, Target { instance, branch: Target::ROOT }, None, self.now);
                self.wake(wake);
            }
            // It dies.
            2 if self.random.one_in(20) => self.leave(slot),
            _ if work.target.branch == Target::ROOT => {
                let one = Unfinished { created_at: self.created[instance as usize - 1], instance };
                let was_there = self.tables.entry(tenant).or_default().remove(&one);
                self.ended += usize::from(was_there);
            }
            _ => {}
        }
    }

    fn leave(&mut self, slot: usize) {
        let wake = self.board.leave_executor(slot, self.now);
        self.wake(wake);
        self.executors.remove(&slot);
        self.awake.remove(&slot);
    }

    /// A scheduler does all that is due.
    fn schedule(&mut self, database: DatabaseId) {
        let scheduler = self.schedulers.get_mut(&database).expect("it serves");
        (scheduler.is_awake, scheduler.looks_at) = (false, None);
        for timer in self.board.take_timers(database) {
            let wake = self.board.push(Tenant { database, role: timer.role }, timer.target, None, self.now);
            self.wake(wake);
        }
        if self.board.databases.wants_rescan(database) {
            self.board.databases.begin_rescan(database);
            let backlog = &mut self.schedulers.get_mut(&database).expect("it serves").backlog;
            for (tenant, rows) in self.tables.iter().filter(|(tenant, _)| tenant.database == database) {
                if !rows.is_empty() {
                    backlog.want(tenant.role, self.now);
                }
            }
        }
        loop {
            self.operations += 1;
            let scheduler = self.schedulers.get_mut(&database).expect("it serves");
            let (next, wake) = scheduler.backlog.next(&mut self.board, database, self.now);
            if let Next::Later(at) = next {
                scheduler.looks_at = at.map(|at| at.max(self.now));
                self.wake(wake);
                break;
            }
            self.wake(wake);
            self.read(database, next);
        }
        self.check(database);
        self.open(database);
    }

    fn read(&mut self, database: DatabaseId, next: Next) {
        let Next::Read(page) = next else { return };
        assert!((1..=500).contains(&page.limit), "{}", self.says);
        let tenant = Tenant { database, role: page.role };
        let rows = self.tables.entry(tenant).or_default();
        let after = page.after.map_or(Unbounded, Excluded);
        let behind = rows.range((after, Unbounded));
        let found: Vec<_> = behind.take(page.limit as usize).copied().collect();
        let is_last = found.len() < page.limit as usize;
        let backlog = &mut self.schedulers.get_mut(&database).expect("it serves").backlog;
        let queues = &mut self.board.queues;
        for instance in backlog.found(queues, database, &page, &found, is_last, self.now) {
            let target = Target { instance, branch: Target::ROOT };
            let wake = self.board.push(tenant, target, None, self.now);
            self.wake(wake);
        }
    }

    fn open(&mut self, database: DatabaseId) {
        let (openings, wake) = self.board.open_executors(database, EXECUTORS, self.now);
        self.wake(wake);
        for opening in openings.start {
            let slot = opening.slot;
            let place = FIRST_EXECUTOR + slot as ProcNumber;
            assert!(self.board.executors.enter(slot, place, place, self.now).is_some());
            self.board.ready_executor(slot);
            assert!(self.executors.insert(slot, opening.tenant).is_none(), "{}", self.says);
            self.awake.insert(slot);
        }
        let scheduler = self.schedulers.get_mut(&database).expect("it serves");
        scheduler.looks_at = scheduler.looks_at.into_iter().chain(openings.ask_again).min();
    }

    /// Nobody whom a scheduler has just looked after has less than its share while there is more in the tables, unless it rests
    /// for a moment.
    fn check(&self, database: DatabaseId) {
        let looks_again = self.schedulers[&database].looks_at;
        for role in self.board.queues.hungry(database) {
            assert!(looks_again.is_some(), "{}: {role:?} is left with nobody to look", self.says);
        }
        for info in self.board.wall_infos(self.now) {
            assert!(info.used <= info.size, "{}: {info:?}", self.says);
        }
    }

    fn used(&self, wall: Wall) -> usize {
        self.board.wall_infos(self.now)[wall as usize].used as usize
    }

    fn crossings(&self, wall: Wall) -> u32 {
        self.board.wall_infos(self.now)[wall as usize].crossings
    }

    fn step(&mut self) {
        let schedulers = self.schedulers.iter();
        let is_due = |one: &Scheduler| one.is_awake || one.looks_at.is_some_and(|at| at <= self.now);
        let due: Vec<_> = schedulers.filter(|(_, one)| is_due(one)).map(|(&id, _)| id).collect();
        if !due.is_empty() && (self.awake.is_empty() || self.random.one_in(50)) {
            let database = due[self.random.below(due.len())];
            return self.schedule(database);
        }
        let chosen = self.random.below(self.awake.len().max(1));
        match self.awake.iter().nth(chosen).copied() {
            Some(slot) => self.carry_out(slot),
            None => self.now += 1_000,
        }
    }

    /// All that was started is carried out.
    fn settle(&mut self, most: usize) {
        for n in 0..most {
            self.now += 10;
            self.step();
            if n % 1_000 == 0 {
                // Whoever sleeps for a time has slept.
                self.now += 1_000_000;
            }
            if self.ended == self.created.len() {
                return;
            }
        }
        let left: Vec<_> = self.tables.iter().filter(|(_, rows)| !rows.is_empty()).collect();
        panic!(
            "{}: {} of {} have ended, {} tenants wait",
            self.says,
            self.ended,
            self.created.len(),
            left.len()
        );
    }
}

fn tenant(database: u32, role: u32) -> Tenant {
    Tenant { database: DatabaseId(database), role: RoleId(role) }
}

#[test]
fn who_floods_the_board_keeps_nobody_waiting_and_loses_nothing() {
    let mut operations = 0;
    for seed in 0..2 {
        let mut model = Model::new(seed, 3);
        let flooder = tenant(1, 1);
        for _ in 0..ITEMS + 5_000 {
            model.start(flooder);
        }
        assert_eq!((model.used(Wall::Items), model.crossings(Wall::Items)), (ITEMS, 1));
        // The others' work is on the board as it comes, and carried out as soon as there is a process for it.
        for round in 0..200 {
            let other = tenant(1 + model.random.below(3) as u32, 2 + model.random.below(40) as u32);
            let before = model.board.queues.queued(other.database);
            let is_full = model.used(Wall::Items) == ITEMS;
            let gives_way = u32::from(is_full && other.database == flooder.database);
            model.start(other);
            let after = model.board.queues.queued(other.database);
            assert_eq!(
                after,
                before + 1 - gives_way,
                "seed {seed}, round {round}: it takes the flooder's place"
            );
            model.schedule(other.database);
            for slot in model.executors.keys().copied().collect::<Vec<_>>() {
                for _ in 0..3 {
                    if model.executors.get(&slot) == Some(&other) {
                        model.carry_out(slot);
                    }
                }
            }
            if model.random.one_in(5) {
                model.now += 1_000_000;
            }
        }
        // Several that flood at once.
        for _ in 0..20_000 {
            let one = tenant(1 + model.random.below(3) as u32, 1 + model.random.below(4) as u32);
            model.start(one);
        }
        model.settle(1_000_000);
        operations += model.operations;
    }
    assert!(operations > 200_000, "{operations}");
}

#[test]
fn more_tenants_than_queues_have_turns() {
    let mut model = Model::new(7, 3);
    let tenants: Vec<_> = (0..QUEUES as u32 + 44).map(|n| tenant(1 + n % 3, 1 + n)).collect();
    for _ in 0..20 {
        for &one in &tenants {
            model.start(one);
        }
    }
    model.settle(1_000_000);
    assert!(model.crossings(Wall::Queues) > 0);
}

#[test]
fn all_who_have_work_in_the_tables_get_their_share_of_the_board() {
    let mut model = Model::new(9, 2);
    // Nobody carries anything out.
    let tenants: Vec<_> = (0..8).map(|n| tenant(1 + n % 2, 1 + n)).collect();
    for (n, &one) in tenants.iter().enumerate() {
        for _ in 0..if n == 0 { 40_000 } else { 6_000 } {
            model.start(one);
        }
    }
    // The first one held all of it, and has given back to the others what they are due.
    let queued =
        |model: &Model| [1, 2].map(|database| model.board.queues.queued(DatabaseId(database)) as usize);
    let most = ITEMS / tenants.len();
    assert!(queued(&model)[1] >= 4 * most && queued(&model).iter().sum::<usize>() == ITEMS);
    assert_eq!(model.board.queues.left_in_tables(DatabaseId(1)).len(), 4);
    assert_eq!(model.board.queues.left_in_tables(DatabaseId(2)).len(), 4);
    assert_eq!(model.board.queues.hungry(DatabaseId(1)), []);
    model.schedule(DatabaseId(1));
    model.settle(1_000_000);
    assert_eq!(model.board.queues.left_in_tables(DatabaseId(2)), []);
}
