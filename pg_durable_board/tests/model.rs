//! The whole board against a naive one, used as the extension uses it: processes act only when they are awake, die at
//! any moment, and in the end nothing that was wanted is left.

#[path = "../src/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pg_durable_board::{
    Board, DatabaseId, InstanceNumber, ProcNumber, Pusher, RoleId, Taken, Target, Tenant, Timer, Wake, Work,
};
use random::Random;

/// How far down a queue an executor looks for more of the instance it holds, or for siblings of a branch.
const LOOK_AHEAD: usize = 64;
const DATABASES: u32 = 2;
const LIMIT: usize = 6;

/// An executor, told naively.
struct Executor {
    tenant: Tenant,
    is_asleep: bool,
    has_connected: bool,
    lease: Option<Target>,
    /// What it carried out last, and may have at hand.
    at_hand: Option<InstanceNumber>,
    is_wanted: bool,
    is_stale: bool,
    loads: u32,
}

#[derive(Default)]
struct Scheduler {
    is_awake: bool,
    looks_at: Option<i64>,
    timers: Vec<Timer>,
}

/// The board, what a naive one would be, and the processes.
struct Model {
    seed: u64,
    operation: usize,
    random: Random,
    now: i64,
    board: Box<Board>,
    queues: BTreeMap<Tenant, VecDeque<(Target, Option<Pusher>)>>,
    executors: BTreeMap<usize, Executor>,
    schedulers: BTreeMap<DatabaseId, Scheduler>,
    /// What somebody is yet to begin with.
    wanted: BTreeSet<(DatabaseId, Target)>,
    begun: usize,
}

fn scheduler_place(database: DatabaseId) -> ProcNumber {
    database.0 as ProcNumber
}

fn executor_place(slot: usize) -> ProcNumber {
    100 + slot as ProcNumber
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut model = Model {
            seed,
            operation: 0,
            random: Random::new(seed),
            now: 1_000_000,
            board: bytemuck::zeroed_box(),
            queues: BTreeMap::new(),
            executors: BTreeMap::new(),
            schedulers: BTreeMap::new(),
            wanted: BTreeSet::new(),
            begun: 0,
        };
        (1..=DATABASES).for_each(|database| model.serve(DatabaseId(database)));
        model
    }

    fn says(&self) -> String {
        format!("seed {}, operation {}", self.seed, self.operation)
    }

    // ---- what happens ----

    /// Something happens: somebody who is awake acts, or somebody outside does.
    fn step(&mut self) {
        self.operation += 1;
        self.now += self.random.below(3_000) as i64;
        match self.random.below(40) {
            0..6 => {
                let (tenant, target) = (self.tenant(), self.target());
                self.push(tenant, target, None);
            }
            6 => {
                let (tenant, target) = (self.tenant(), self.target());
                let at = self.now + self.random.below(50_000) as i64;
                self.set_timer(tenant, target, at);
            }
            7 => self.abandon(),
            8 if self.random.one_in(40) => self.forget(),
            9 if self.random.one_in(3) => self.kill(),
            _ => _ = self.act(),
        }
        self.check();
    }

    /// Somebody who is awake acts; false where all sleep.
    fn act(&mut self) -> bool {
        let schedulers = self.schedulers.iter();
        let is_due = |one: &Scheduler| one.is_awake || one.looks_at.is_some_and(|at| at <= self.now);
        let schedulers: Vec<_> = schedulers.filter(|(_, one)| is_due(one)).map(|(&id, _)| id).collect();
        let awake = self.executors.iter().filter(|(_, one)| !one.is_asleep);
        let awake: Vec<_> = awake.map(|(&slot, _)| slot).collect();
        if awake.is_empty() && schedulers.is_empty() {
            return false;
        }
        let chosen = self.random.below(awake.len() + schedulers.len());
        match awake.get(chosen) {
            Some(&slot) => self.run_executor(slot),
            None => self.run_scheduler(schedulers[chosen - awake.len()]),
        }
        true
    }

    /// Nobody outside wants more: all that is ready is carried out, and by those who were woken for it.
    fn settle(&mut self) {
        for n in 0..100_000 {
            self.operation += 1;
            if n < 30 && self.random.one_in(10) {
                self.kill();
            }
            if self.act() {
                self.check();
                continue;
            }
            let next = self.schedulers.values().filter_map(|one| one.looks_at).min();
            match next {
                Some(at) => self.now = self.now.max(at),
                None => {
                    let says = self.says();
                    assert_eq!(self.wanted, BTreeSet::new(), "{says}: all sleep");
                    assert!(self.queues.values().all(VecDeque::is_empty), "{says}: all sleep");
                    assert!(self.executors.values().all(|one| one.lease.is_none()), "{says}");
                    return;
                }
            }
        }
        panic!("{}: it does not come to an end", self.says());
    }

    fn run_scheduler(&mut self, database: DatabaseId) {
        let (says, now) = (self.says(), self.now);
        self.board.databases.note_look(database, None);
        assert!(!self.board.databases.wants_rescan(database), "{says}: the board is far from full");
        let scheduler = self.schedulers.get_mut(&database).expect("it runs");
        scheduler.is_awake = false;
        scheduler.timers.extend(self.board.take_timers(database));
        let (due, later) = scheduler.timers.iter().copied().partition(|timer| timer.at <= now);
        scheduler.timers = later;
        let due: Vec<Timer> = due;
        let mut next = scheduler.timers.iter().map(|timer| timer.at).min();
        for timer in due {
            self.push(Tenant { database, role: timer.role }, timer.target, None);
        }
        let (openings, wake) = self.board.open_executors(database, LIMIT, now);
        self.wake(wake);
        next = next.into_iter().chain(openings.ask_again).min();
        for opening in openings.start {
            let queue = self.queues.get(&opening.tenant);
            assert!(queue.is_some_and(|queue| !queue.is_empty()), "{says}: it has no work");
            let new = Executor {
                tenant: opening.tenant,
                is_asleep: false,
                has_connected: false,
                lease: None,
                at_hand: None,
                is_wanted: false,
                is_stale: false,
                loads: 0,
            };
            assert!(self.executors.insert(opening.slot, new).is_none(), "{says}: the slot is not free");
        }
        assert!(self.executors.len() <= LIMIT, "{says}");
        self.board.databases.note_look(database, next);
        self.schedulers.get_mut(&database).expect("it runs").looks_at = next;
    }

    fn run_executor(&mut self, slot: usize) {
        let executor = &self.executors[&slot];
        let tenant = executor.tenant;
        if !executor.has_connected {
            let entered = self.board.executors.enter(slot, 1, executor_place(slot), self.now);
            assert_eq!(entered, Some(tenant), "{}", self.says());
            // One in ten may not connect.
            if self.random.one_in(10) {
                return self.leave(slot);
            }
            self.board.ready_executor(slot);
            self.executor(slot).has_connected = true;
        }
        let Some(lease) = self.executors[&slot].lease else { return self.take(slot) };
        match self.random.below(8) {
            0 => {
                let target = Target { branch: self.random.below(5) as u32, ..lease };
                self.exchange(slot, target);
            }
            1 => {
                let load = self.executors[&slot].loads;
                for branch in 1..3 {
                    let pusher = Pusher { slot, load };
                    self.push(tenant, Target { branch, ..lease }, Some(pusher));
                }
            }
            2 => self.finish_branch(slot, Target { branch: 0, ..lease }),
            3 => {
                let at = self.now + self.random.below(20_000) as i64;
                self.set_timer(tenant, lease, at);
                self.take(slot);
            }
            4 => self.push(tenant, lease, None),
            _ => self.take(slot),
        }
    }

    /// An executor, or a process that was to become one, ends in the middle of what it does.
    fn kill(&mut self) {
        let slots: Vec<usize> = self.executors.keys().copied().collect();
        if !slots.is_empty() {
            let slot = slots[self.random.below(slots.len())];
            self.leave(slot);
        }
    }

    /// The extension is dropped, and created anew at once: what was wanted is nobody's business.
    fn forget(&mut self) {
        let database = self.tenant().database;
        let wake = self.board.forget_database(database);
        self.wake(wake);
        self.queues.retain(|of, _| of.database != database);
        self.wanted.retain(|(of, _)| *of != database);
        self.schedulers.remove(&database);
        self.serve(database);
    }

    fn serve(&mut self, database: DatabaseId) {
        let wake = self.board.want_database(database, self.now);
        self.wake(wake);
        let place = scheduler_place(database);
        assert!(self.board.enter_scheduler(database, place, place, self.now));
        self.executors.retain(|_, one| one.has_connected || one.tenant.database != database);
        self.schedulers.insert(database, Scheduler { is_awake: true, ..Scheduler::default() });
    }

    // ---- each method, and what a naive board does ----

    fn push(&mut self, tenant: Tenant, target: Target, pusher: Option<Pusher>) {
        let sleeper = |(_, one): &(&usize, &Executor)| one.is_asleep && one.tenant == tenant;
        let sleepers = self.executors.iter().filter(sleeper);
        let sleepers = sleepers.filter(|&(&slot, _)| !self.board.executors.retires(slot));
        let sleepers: Vec<_> = sleepers.map(|(&slot, _)| executor_place(slot)).collect();
        let wake = self.board.push(tenant, target, pusher, self.now);
        let woken = self.wake(wake);
        let is_concerned = |place: &ProcNumber| sleepers.contains(place);
        assert_eq!(woken.iter().any(is_concerned), !sleepers.is_empty(), "{}", self.says());
        self.pushed(tenant, target, pusher);
    }

    fn pushed(&mut self, tenant: Tenant, target: Target, pusher: Option<Pusher>) {
        self.queues.entry(tenant).or_default().push_back((target, pusher));
        self.wanted.insert((tenant.database, target));
    }

    fn set_timer(&mut self, tenant: Tenant, target: Target, at: i64) {
        let wake = self.board.set_timer(tenant, target, at, self.now);
        assert_eq!(self.wake(wake), [scheduler_place(tenant.database)], "{}", self.says());
    }

    fn take(&mut self, slot: usize) {
        let prefer = if self.random.one_in(2) { self.executors[&slot].at_hand } else { None };
        let (taken, wake) = self.board.take(slot, prefer, self.now);
        self.wake(wake);
        self.let_go(slot);
        let expected = match self.board.executors.retires(slot) {
            true => Taken::Retire,
            false => self.naive_take(slot, prefer),
        };
        assert_eq!(taken, expected, "{}", self.says());
        match taken {
            Taken::Work(work) => {
                let executor = self.executor(slot);
                executor.loads += u32::from(work.load != Some(executor.loads));
            }
            // Its time may be over while it turns to sleep.
            Taken::Nothing if self.random.one_in(20) => self.leave(slot),
            Taken::Nothing => self.executor(slot).is_asleep = true,
            Taken::Retire => self.leave(slot),
        }
    }

    fn naive_take(&mut self, slot: usize, prefer: Option<InstanceNumber>) -> Taken {
        let tenant = self.executors[&slot].tenant;
        let holders = self.holders(tenant.database);
        let Some(queue) = self.queues.get_mut(&tenant) else { return Taken::Nothing };
        let mut near = queue.iter().take(LOOK_AHEAD);
        let preferred =
            near.position(|(target, _)| Some(target.instance) == prefer && !holders.contains_key(target));
        let passed_over = match preferred {
            Some(_) => 0,
            None => queue.iter().take_while(|(target, _)| holders.contains_key(target)).count(),
        };
        for (target, _) in queue.drain(..passed_over) {
            self.executors.get_mut(&holders[&target]).expect("it runs").is_wanted = true;
        }
        let Some((target, pusher)) = queue.remove(preferred.unwrap_or(0)) else { return Taken::Nothing };
        let executor = self.executor(slot);
        let is_stale = executor.is_stale && executor.at_hand == Some(target.instance);
        executor.is_stale = false;
        self.begin(slot, target);
        let own = pusher.filter(|pusher| pusher.slot == slot && !is_stale);
        Taken::Work(Work { target, load: own.map(|pusher| pusher.load) })
    }

    fn exchange(&mut self, slot: usize, target: Target) {
        let tenant = self.executors[&slot].tenant;
        let (has_it, wake) = self.board.exchange_lease(slot, target);
        self.wake(wake);
        let holder = self.holders(tenant.database).get(&target).copied();
        assert_eq!(has_it, holder.is_none_or(|holder| holder == slot), "{}", self.says());
        match holder {
            Some(holder) if holder != slot => {
                self.executor(holder).is_wanted = true;
                // It wanted to go on there.
                self.wanted.insert((tenant.database, target));
            }
            Some(_) => {}
            None => {
                self.let_go(slot);
                self.begin(slot, target);
            }
        }
    }

    fn finish_branch(&mut self, slot: usize, outer: Target) {
        let tenant = self.executors[&slot].tenant;
        let is_sibling =
            |target: &Target| target.instance == outer.instance && (1..3).contains(&target.branch);
        let wake = self.board.finish_branch(slot, outer, |branch| (1..3).contains(&branch), self.now);
        self.wake(wake);
        self.let_go(slot);
        let holders = self.holders(tenant.database);
        let queue = self.queues.get(&tenant);
        let is_queued = |queue: &VecDeque<(Target, Option<Pusher>)>| {
            queue.iter().take(LOOK_AHEAD).any(|(target, _)| is_sibling(target))
        };
        if holders.keys().any(is_sibling) || queue.is_some_and(is_queued) {
            return;
        }
        match holders.get(&outer) {
            Some(holder) => {
                self.executor(*holder).is_wanted = true;
                self.wanted.insert((tenant.database, outer));
            }
            None => self.pushed(tenant, outer, None),
        }
    }

    fn leave(&mut self, slot: usize) {
        let wake = self.board.leave_executor(slot, self.now);
        self.wake(wake);
        let executor = self.executors.remove(&slot).expect("it runs");
        if let Some(target) = executor.lease {
            self.pushed(executor.tenant, target, None);
        }
    }

    fn abandon(&mut self) {
        let (database, instance) = (self.tenant().database, self.target().instance);
        drop(self.board.executors.abandon(database, instance, None, |_| false));
        for executor in self.executors.values_mut() {
            if executor.tenant.database == database && executor.at_hand == Some(instance) {
                executor.is_stale = true;
            }
        }
    }

    /// What it held is ready again if somebody wanted it.
    fn let_go(&mut self, slot: usize) {
        let executor = self.executor(slot);
        let wanted = executor.lease.take().filter(|_| executor.is_wanted);
        executor.is_wanted = false;
        let tenant = executor.tenant;
        if let Some(target) = wanted {
            self.pushed(tenant, target, None);
        }
    }

    fn begin(&mut self, slot: usize, target: Target) {
        let executor = self.executor(slot);
        (executor.lease, executor.at_hand) = (Some(target), Some(target.instance));
        let database = executor.tenant.database;
        self.wanted.remove(&(database, target));
        self.begun += 1;
    }

    // ---- what is the case ----

    /// Wakes them; says whom.
    fn wake(&mut self, wake: Wake) -> Vec<ProcNumber> {
        let places: Vec<_> = wake.into_iter().collect();
        for place in &places {
            let scheduler = self.schedulers.iter_mut().find(|(id, _)| scheduler_place(**id) == *place);
            if let Some((_, scheduler)) = scheduler {
                scheduler.is_awake = true;
            }
            let executor = self.executors.iter_mut().find(|(slot, _)| executor_place(**slot) == *place);
            if let Some((_, executor)) = executor {
                executor.is_asleep = false;
            }
        }
        places
    }

    /// Who holds what.
    fn holders(&self, database: DatabaseId) -> BTreeMap<Target, usize> {
        let here = self.executors.iter().filter(|(_, one)| one.tenant.database == database);
        here.filter_map(|(&slot, one)| Some((one.lease?, slot))).collect()
    }

    fn check(&self) {
        for database in self.schedulers.keys() {
            let here = self.queues.iter().filter(|(of, _)| of.database == *database);
            let queued: usize = here.map(|(_, queue)| queue.len()).sum();
            assert_eq!(self.board.queues.queued(*database) as usize, queued, "{}", self.says());
            let held = self.executors.values().filter(|one| one.tenant.database == *database);
            let held = held.filter(|one| one.lease.is_some()).count();
            assert_eq!(self.holders(*database).len(), held, "{}: a target is held twice", self.says());
        }
        let told = self.board.workers();
        let mut leases: Vec<_> = told.iter().filter_map(|one| Some((one.database?, one.target?))).collect();
        let held = self.executors.values();
        let mut expected: Vec<_> = held.filter_map(|one| Some((one.tenant.database, one.lease?))).collect();
        leases.sort();
        expected.sort();
        assert_eq!(leases, expected, "{}", self.says());
    }

    fn executor(&mut self, slot: usize) -> &mut Executor {
        self.executors.get_mut(&slot).expect("it runs")
    }

    fn tenant(&mut self) -> Tenant {
        let database = DatabaseId(1 + self.random.below(DATABASES as usize) as u32);
        Tenant { database, role: RoleId(self.random.below(3) as u32) }
    }

    fn target(&mut self) -> Target {
        let branch = self.random.below(6) as u32;
        let branch = if branch == 5 { Target::EVERY_BRANCH } else { branch };
        Target { instance: 1 + self.random.below(6) as u64, branch }
    }
}

#[test]
fn nothing_is_lost_held_twice_or_slept_through() {
    let (mut begun, mut operations) = (0, 0);
    for seed in 0..10 {
        let mut model = Model::new(seed);
        for _ in 0..100 {
            (0..50).for_each(|_| model.step());
            model.settle();
        }
        begun += model.begun;
        operations += model.operation;
    }
    assert!(operations > 100_000 && begun > 20_000, "{begun} leases in {operations} operations");
}
