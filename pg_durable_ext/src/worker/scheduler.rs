//! The scheduler: one a database. Owns the timers, starts executors, rebuilds the queue after a restart. Runs no SQL
//! of users.

mod backlog;
mod crew;
mod marks;
mod retention;
mod timers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use pg_durable_board::{DatabaseId, RoleId, Tenant};
use pgrx::pg_sys::Oid;

use crate::engine::wake;
use crate::pg::process::{self, Handle};
use crate::pg::spi::Session;
use crate::pg::xact::Transaction;
use crate::pg::{activity, catalog, caught, clock, latch, shmem};
use crate::store;
use timers::Due;

thread_local! {
    static DATABASE: std::cell::Cell<DatabaseId> = const { std::cell::Cell::new(DatabaseId(0)) };
}

struct Scheduler {
    database: DatabaseId,
    timers: BinaryHeap<Reverse<Due>>,
    known: HashSet<Due>,
    /// Unfinished instances that the board has no room for yet.
    backlog: VecDeque<(u64, RoleId)>,
    starting: HashMap<usize, Handle>,
    scanned_at: i64,
    /// How many timers make it worth looking for those that mean nothing any more.
    prune_at: usize,
    sweep_at: i64,
    reconcile_at: i64,
    warned_at: i64,
}

/// The life of a scheduler in the database with this oid.
pub fn run(database: DatabaseId) {
    process::take_signals();
    DATABASE.set(database);
    process::before_exit(|| wake::send(|board| board.leave_scheduler(DATABASE.get(), process::my_pid())));
    process::connect(Some(Oid::from(database.0)), None);
    activity::show_name("pg_durable scheduler");
    if !shmem::board().enter_scheduler(database, process::my_pid(), latch::my_proc_number(), clock::now()) {
        process::exit();
    }
    if !is_served(database) {
        process::exit();
    }
    let mut scheduler = Scheduler {
        database,
        timers: BinaryHeap::new(),
        known: HashSet::new(),
        backlog: VecDeque::new(),
        starting: HashMap::new(),
        scanned_at: 0,
        prune_at: 0,
        sweep_at: 0,
        reconcile_at: 0,
        warned_at: 0,
    };
    // Before the first executor: a step that has had its chances gets no other.
    scheduler.count_deaths();
    // Before the scan: what is committed between the two is then either seen by the scan or swept for.
    if has_prepared_transactions() {
        wake::expect_prepared();
    }
    if !shmem::board().databases.take_is_new(database) {
        scheduler.scan();
    }
    loop {
        latch::serve_interrupts();
        if shmem::board().databases.is_dropped(database) && !is_served(database) {
            process::exit();
        }
        let next_at = scheduler.pass();
        activity::report_statistics(false);
        shmem::board().databases.note_look(database, next_at);
        latch::wait(next_at.map(|at| Duration::from_micros((at - clock::now()).max(0) as u64)));
        shmem::board().databases.note_look(database, None);
    }
}

impl Scheduler {
    /// Does what is due; says until when there is nothing to do.
    fn pass(&mut self) -> Option<i64> {
        let now = clock::now();
        self.count_deaths();
        let mut next_at = i64::MAX;
        let mut at = |moment: i64| next_at = next_at.min(moment);
        self.take_timers();
        self.prune_timers();
        self.fire_timers(now);
        if let Some(Reverse(due)) = self.timers.peek() {
            at(due.at);
        }
        if let Some(moment) = self.scan_again(now) {
            at(moment);
        }
        self.feed_board(now);
        if !self.backlog.is_empty() {
            at(now + 20_000);
        }
        if let Some(moment) = self.start_executors(now) {
            at(moment);
        }
        if let Some(moment) = self.mark_running(now) {
            at(moment);
        }
        if let Some(moment) = self.sweep(now) {
            at(moment);
        }
        if let Some(moment) = self.reconcile(now) {
            at(moment);
        }
        (next_at != i64::MAX).then_some(next_at)
    }

    fn tenant(&self, role: RoleId) -> Tenant {
        Tenant { database: self.database, role }
    }
}

fn in_transaction<T>(work: impl FnOnce(&Session) -> T) -> T {
    let transaction = Transaction::begin_internal();
    let owner = store::as_owner();
    let spi = Session::open();
    let done = work(&spi);
    drop(spi);
    drop(owner);
    transaction.commit();
    done
}

/// Whether the extension is there. The answer holds also where it is created or dropped during the look.
fn is_served(database: DatabaseId) -> bool {
    loop {
        let changes = shmem::board().databases.changes(database);
        let has_extension = has_extension();
        let decided = wake::ask(|board| board.decide_served(database, changes, has_extension));
        if let Some(is_served) = decided {
            return is_served;
        }
    }
}

fn has_extension() -> bool {
    let transaction = Transaction::begin_internal();
    let has = catalog::extension().is_some();
    transaction.commit();
    has
}

fn has_prepared_transactions() -> bool {
    caught::catch(|| in_transaction(store::has_prepared_transactions)).unwrap_or(true)
}
