//! A board with a database that is served, and executors to act on it.

use std::ops::{Deref, DerefMut};

use pg_durable_board::{
    Board, DatabaseId, InFlight, ProcNumber, Pusher, RoleId, Taken, Target, Tenant, Wake, Work,
};

pub const HERE: DatabaseId = DatabaseId(1);
pub const THERE: DatabaseId = DatabaseId(2);
pub const ALICE: Tenant = Tenant { database: HERE, role: RoleId(10) };
pub const BOB: Tenant = Tenant { database: HERE, role: RoleId(11) };

/// Where the launcher sleeps.
pub const LAUNCHER: ProcNumber = 1;
/// Where the scheduler of [`HERE`] sleeps.
pub const SCHEDULER: ProcNumber = 2;
/// How many executors there may be.
pub const LIMIT: usize = 16;

const SECOND: i64 = 1_000_000;

pub struct Bench {
    pub board: Box<Board>,
    pub now: i64,
}

impl Deref for Bench {
    type Target = Board;
    fn deref(&self) -> &Board {
        &self.board
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Board {
        &mut self.board
    }
}

pub fn woken(wake: Wake) -> Vec<ProcNumber> {
    wake.into_iter().collect()
}

/// Where the executor in this slot sleeps.
pub fn place(slot: usize) -> ProcNumber {
    100 + slot as ProcNumber
}

pub fn target(instance: u64, branch: u32) -> Target {
    Target { instance, branch }
}

/// What an executor takes that it cannot know yet.
pub fn work(instance: u64, branch: u32) -> Taken {
    Taken::Work(Work { target: target(instance, branch), load: None })
}

impl Bench {
    /// A board with a launcher and [`HERE`], whose scheduler is awake.
    pub fn new() -> Bench {
        let mut bench = Bench { board: bytemuck::zeroed_box(), now: 100 * SECOND };
        bench.board.launcher.enter(1, LAUNCHER, bench.now);
        bench.serve(HERE, SCHEDULER);
        bench
    }

    /// Has a scheduler in this database.
    pub fn serve(&mut self, database: DatabaseId, place: ProcNumber) {
        assert_eq!(woken(self.want_database(database)), [LAUNCHER]);
        assert!(self.board.enter_scheduler(database, place, place, self.now));
    }

    pub fn want_database(&mut self, database: DatabaseId) -> Wake {
        self.board.want_database(database, self.now)
    }

    pub fn create_database(&mut self, database: DatabaseId) -> Wake {
        self.board.create_database(database, self.now)
    }

    pub fn announce(&mut self, database: DatabaseId) -> Wake {
        self.board.announce(database, self.now)
    }

    pub fn suspect(&mut self, step: InFlight) -> Wake {
        self.board.suspect(step, self.now)
    }

    pub fn set_timer(&mut self, tenant: Tenant, target: Target, at: i64) -> Wake {
        self.board.set_timer(tenant, target, at, self.now)
    }

    /// Puts a target that nobody has at hand into a queue.
    pub fn push(&mut self, tenant: Tenant, instance: u64, branch: u32) -> Vec<ProcNumber> {
        woken(self.board.push(tenant, target(instance, branch), None, self.now))
    }

    /// Puts branches into the queue as an executor does that spawns them.
    pub fn spawn<const N: usize>(&mut self, slot: usize, tenant: Tenant, load: u32, branches: [Target; N]) {
        for branch in branches {
            drop(self.board.push(tenant, branch, Some(Pusher { slot, load }), self.now));
        }
    }

    /// What the executor in `slot` gets, and who is woken by what it held.
    pub fn take_and_wake(&mut self, slot: usize, prefer: Option<u64>) -> (Taken, Vec<ProcNumber>) {
        let (taken, wake) = self.board.take(slot, prefer, self.now);
        (taken, woken(wake))
    }

    pub fn take(&mut self, slot: usize) -> Taken {
        self.take_and_wake(slot, None).0
    }

    pub fn exchange(&mut self, slot: usize, target: Target) -> (bool, Vec<ProcNumber>) {
        let (has_it, wake) = self.board.exchange_lease(slot, target);
        (has_it, woken(wake))
    }

    /// A branch between `siblings` has completed.
    pub fn finish(&mut self, slot: usize, outer: Target, siblings: &[u32]) -> Vec<ProcNumber> {
        woken(self.board.finish_branch(slot, outer, |branch| siblings.contains(&branch), self.now))
    }

    pub fn leave(&mut self, slot: usize) -> Vec<ProcNumber> {
        woken(self.board.leave_executor(slot, self.now))
    }

    /// Which tenants' executors are started now, and who is woken to make room.
    pub fn open(&mut self, limit: usize) -> (Vec<Tenant>, Vec<ProcNumber>) {
        let (openings, wake) = self.board.open_executors(HERE, limit, self.now);
        (openings.start.into_iter().map(|opening| opening.tenant).collect(), woken(wake))
    }

    /// An executor that comes for this tenant, whose queue must be empty, and has not asked for work yet.
    pub fn start(&mut self, tenant: Tenant) -> usize {
        drop(self.push(tenant, u64::MAX, 0));
        self.now += SECOND;
        let (openings, _) = self.board.open_executors(tenant.database, LIMIT, self.now);
        let slot = openings.start.first().expect("there is work for it").slot;
        let pid = place(slot) + 1000;
        assert_eq!(self.board.executors.enter(slot, pid, place(slot), self.now), Some(tenant));
        self.board.ready_executor(slot);
        self.board.clear_queue(tenant);
        slot
    }

    /// So many executors of this tenant that sleep.
    pub fn sleepers<const N: usize>(&mut self, tenant: Tenant) -> [usize; N] {
        let slots = std::array::from_fn(|n| {
            let slot = self.start(tenant);
            // Kept busy, so that the next one is started.
            drop(self.push(tenant, u64::MAX - 1, n as u32));
            assert!(matches!(self.take(slot), Taken::Work(_)));
            slot
        });
        for slot in slots {
            assert_eq!(self.take(slot), Taken::Nothing);
        }
        slots
    }

    /// So many executors that hold branch 1 of instances from `instance` on.
    pub fn holders<const N: usize>(&mut self, tenant: Tenant, instance: u64) -> [usize; N] {
        let slots = self.sleepers(tenant);
        for (n, &slot) in slots.iter().enumerate() {
            drop(self.push(tenant, instance + n as u64, 1));
            assert_eq!(self.take(slot), work(instance + n as u64, 1));
        }
        slots
    }
}
