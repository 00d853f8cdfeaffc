//! The scheduler: one a database. Owns the timers, starts executors, rebuilds the queue after a restart. Runs no SQL
//! of users, and waits for no row that a user can hold.
//!
//! What it does are duties, each by itself: one that fails is tried again with pauses of its own, and holds up no other.

mod backlog;
mod counting;
mod crew;
mod holding;
mod marks;
mod retention;
mod timers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use pg_durable_board::{DatabaseId, Duty, Hold, RoleId, Tenant};
use pg_durable_graph::Failure;
use pgrx::pg_sys::Oid;

use crate::engine::{checkpoint, wake};
use crate::pg::process::{self, Handle};
use crate::pg::spi::Session;
use crate::pg::xact::Transaction;
use crate::pg::{activity, catalog, caught, clock, latch, shmem};
use backlog::Backlog;
use counting::Counting;
use marks::Marks;
use retention::Retention;
use timers::Timers;

/// The longest that a statement of a scheduler waits for any lock. None waits for a row; this is for tables that
/// somebody rebuilds.
const LOCK_TIMEOUT: &str = "500ms";

thread_local! {
    static DATABASE: std::cell::Cell<DatabaseId> = const { std::cell::Cell::new(DatabaseId(0)) };
}

struct Scheduler {
    database: DatabaseId,
    timers: Timers,
    backlog: Backlog,
    marks: Marks,
    retention: Retention,
    counting: Counting,
    starting: HashMap<usize, Handle>,
    /// What the rows say of where the instances are at home; `None` before they have been looked at.
    home: Option<Hold>,
    /// Since when the engine is switched off, or when the last step was interrupted for it.
    draining_since: Option<i64>,
    warned_at: i64,
}

/// The life of a scheduler in the database with this oid.
pub fn run(database: DatabaseId) {
    process::take_signals();
    DATABASE.set(database);
    process::before_exit(|| wake::send(|board| board.leave_scheduler(DATABASE.get(), process::my_pid())));
    process::connect(Some(Oid::from(database.0)), None);
    process::set_session_default("lock_timeout", LOCK_TIMEOUT);
    activity::show_name("pg_durable scheduler");
    if !shmem::board().enter_scheduler(database, process::my_pid(), latch::my_proc_number(), clock::now()) {
        process::exit();
    }
    if !is_served(database) {
        process::exit();
    }
    let mut scheduler = Scheduler {
        database,
        timers: Timers::default(),
        backlog: Backlog::new(!shmem::board().databases.take_is_new(database)),
        marks: Marks::default(),
        retention: Retention::default(),
        counting: Counting::default(),
        starting: HashMap::new(),
        home: None,
        draining_since: None,
        warned_at: 0,
    };
    loop {
        // A cancellation means nothing here: there is no statement of anybody's.
        process::without_cancellation(latch::serve_interrupts);
        process::forget_cancellation();
        if shmem::board().databases.has_to_be_left(database) {
            process::exit();
        }
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
        let troubles = shmem::board().databases.troubles(self.database);
        let duties = Duty::ALL.into_iter().zip(troubles);
        duties
            .filter_map(|(duty, again_at)| match again_at {
                Some(at) if at > clock::now() => Some(at),
                Some(_) | None => self.perform(duty, again_at.is_some()),
            })
            .min()
    }

    /// Does one duty, if it is due; says when it is again.
    fn perform(&mut self, duty: Duty, was_in_trouble: bool) -> Option<i64> {
        let now = clock::now();
        match caught::catch(|| self.carry_out(duty, now)).and_then(|done| done) {
            Ok(next_at) => {
                if was_in_trouble {
                    shmem::board().databases.clear_trouble(self.database, duty);
                }
                next_at
            }
            Err(failure) => Some(self.put_off(duty, &failure)),
        }
    }

    fn carry_out(&mut self, duty: Duty, now: i64) -> Result<Option<i64>, Failure> {
        // Of what is not at home nothing is touched.
        let is_home = self.home == Some(Hold::Free);
        Ok(match duty {
            Duty::Home => self.look_home(now),
            Duty::Timers => self.serve_timers(now),
            Duty::Deaths if is_home => self.count_deaths(),
            Duty::Failing if is_home => self.fail_doomed(now),
            Duty::Scan if is_home => self.scan_again(now),
            Duty::Executors if is_home => self.start_executors(now),
            Duty::Marks if is_home => self.mark_running(now),
            Duty::Sweep if is_home => self.sweep(now),
            Duty::Retention if is_home => {
                let counted = caught::catch(|| self.count_ended(now));
                let deleted = self.delete_expired(now)?;
                [counted?, deleted].into_iter().flatten().min()
            }
            Duty::Deaths
            | Duty::Failing
            | Duty::Scan
            | Duty::Executors
            | Duty::Marks
            | Duty::Sweep
            | Duty::Retention => None,
        })
    }

    /// Notes that a duty has failed; says when it is tried again.
    fn put_off(&self, duty: Duty, failure: &Failure) -> i64 {
        let now = clock::now();
        let sqlstate = failure.sqlstate.as_bytes().try_into().unwrap_or(*b"XX000");
        let at = shmem::board().databases.note_trouble(self.database, duty, sqlstate, now);
        pgrx::warning!(
            "pg_durable: {} failed, and is tried again in {} s: {}",
            duty.as_str(),
            (at - now).max(0) / 1_000_000,
            failure.message
        );
        at
    }

    fn tenant(&self, role: RoleId) -> Tenant {
        Tenant { database: self.database, role }
    }
}

fn in_transaction<T>(work: impl FnOnce(&Session) -> T) -> T {
    let done: Result<T, Infallible> = checkpoint::transact(|spi| Ok(work(spi)));
    done.unwrap_or_else(|never| match never {})
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
