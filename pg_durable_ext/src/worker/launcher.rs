//! The launcher: one a cluster. Keeps a scheduler running in every database that holds the extension.
//!
//! Which databases hold it nobody knows from outside. At the server's start, and when databases have changed, a
//! scheduler is started in each that is new, a few at a time; it leaves where the extension is not.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use pg_durable_board::{DatabaseId, Wall};

use crate::pg::catalog::{self, Access};
use crate::pg::process::{self, Handle, Worker};
use crate::pg::xact::Transaction;
use crate::pg::{caught, clock, gucs, latch, shmem};

/// How long until a scheduler that ended is started again.
const RESTART_US: i64 = 1_000_000;
/// The longest that is: of one that ends at once again and again.
const RESTART_LONGEST_US: i64 = 60_000_000;
/// A scheduler that has lived for so long did not end at once.
const SETTLED_US: i64 = 5_000_000;
/// In how many databases at once it is looked for the extension.
const IN_QUESTION_MAX: usize = 4;
/// How often a scheduler is started in vain where nobody knows whether the extension is there.
const TRIES_MAX: u32 = 3;
/// How often it is looked whether a database that was served takes connections again, in case nobody said so.
const LOOK_AGAIN_US: i64 = 60_000_000;
/// How long until a worker slot is asked for again, and said again that there is none.
const NO_SLOT_US: i64 = 10_000_000;
const SAY_AGAIN_US: i64 = 60_000_000;

/// Registers the launcher. From `_PG_init` only.
pub fn register() {
    let launcher = Worker {
        kind: "pg_durable launcher",
        name: "pg_durable launcher".to_owned(),
        entry: "pg_durable_launcher_main",
        argument: 0,
        restart: Some(Duration::from_secs(1)),
    };
    launcher.register();
}

/// The life of the launcher.
pub fn run() {
    process::take_signals();
    process::connect(None, None);
    say_if_slots_are_few();
    let mut launcher = Launcher::default();
    {
        let mut board = shmem::board();
        board.launcher.enter(process::my_pid(), latch::my_proc_number(), clock::now());
        // Wakes nobody but this process.
        drop(board.launcher.request_look());
    }
    loop {
        process::without_cancellation(latch::serve_interrupts);
        process::forget_cancellation();
        let next_at = launcher.pass(clock::now());
        latch::wait(next_at.map(|at| Duration::from_micros((at - clock::now()).max(0) as u64)));
    }
}

#[derive(Default)]
struct Launcher {
    started: HashMap<DatabaseId, Started>,
    /// The databases that were there at the last look.
    seen: HashSet<DatabaseId>,
    /// Those in which it is yet to be looked for the extension.
    candidates: VecDeque<DatabaseId>,
    /// Those that were served and take no connections now.
    closed: HashSet<DatabaseId>,
    looked_at: i64,
    no_slot_until: i64,
    said_at: i64,
}

/// A scheduler that was started.
struct Started {
    handle: Handle,
    at: i64,
    has_ended: bool,
    /// How often in a row one has ended at once.
    in_vain: u32,
}

impl Launcher {
    /// Does what is due; says when there is something to do again.
    fn pass(&mut self, now: i64) -> Option<i64> {
        let is_due = !self.closed.is_empty() && self.looked_at + LOOK_AGAIN_US <= now;
        if shmem::board().launcher.take_look() || is_due {
            self.look(now);
        }
        if shmem::board().launcher.take_refused() {
            self.look_at_refused();
        }
        self.look_for_extensions(now);
        say_walls();
        let again_at = self.start_schedulers(now);
        let look_at = (!self.closed.is_empty()).then_some(self.looked_at + LOOK_AGAIN_US);
        // A place may have been given up since.
        let goes_on_at = self.may_look_for_more().then_some(now);
        [again_at, look_at, goes_on_at].into_iter().flatten().min()
    }

    /// Looks which databases there are.
    fn look(&mut self, now: i64) {
        self.looked_at = now;
        let Some(databases) = databases() else { return };
        self.seen.retain(|database| databases.contains_key(database));
        self.closed.retain(|database| databases.contains_key(database));
        self.started.retain(|database, _| databases.contains_key(database));
        for (&database, &access) in &databases {
            if access != Access::Open {
                // It is new to us again when it opens.
                self.seen.remove(&database);
            } else if self.seen.insert(database) {
                self.closed.remove(&database);
                self.candidates.push_back(database);
            }
        }
    }

    /// Has schedulers come to databases of which nobody knows whether they hold the extension, a few at a time.
    ///
    /// Where as many are served as can be, they wait until one of them is left, of which the launcher is told.
    fn look_for_extensions(&mut self, now: i64) {
        for _ in self.in_question()..IN_QUESTION_MAX {
            let Some(&database) = self.candidates.front() else { return };
            let (has_room, wake) = shmem::board().look_into(database, now);
            // Wakes nobody but this process.
            drop(wake);
            if !has_room {
                return;
            }
            self.candidates.pop_front();
        }
    }

    fn may_look_for_more(&self) -> bool {
        let has_room = |database: &DatabaseId| shmem::board().databases.has_room_for(*database);
        self.candidates.front().is_some_and(has_room) && self.in_question() < IN_QUESTION_MAX
    }

    /// In how many databases it is being looked for the extension.
    fn in_question(&self) -> usize {
        let board = shmem::board();
        self.seen.iter().filter(|database| board.databases.is_in_question(**database)).count()
    }

    /// Somebody has work in a database for which there was no place. Nobody knows which one: all that are not served are
    /// looked into again.
    fn look_at_refused(&mut self) {
        let board = shmem::board();
        let known: HashSet<DatabaseId> = self.candidates.iter().copied().collect();
        let is_missing =
            |database: &&DatabaseId| !known.contains(database) && !board.databases.is_served(**database);
        self.candidates.extend(self.seen.iter().filter(is_missing));
    }

    /// Starts what is missing; says when to look again.
    fn start_schedulers(&mut self, now: i64) -> Option<i64> {
        let missing = shmem::board().databases.without_scheduler();
        if missing.is_empty() {
            return None;
        }
        if now < self.no_slot_until {
            return Some(self.no_slot_until);
        }
        let Some(existing) = databases() else { return Some(now + RESTART_US) };
        let mut again_at: Option<i64> = None;
        for database in missing {
            let access = existing.get(&database).copied();
            if access != Some(Access::Open) {
                self.give_up(database, access);
                continue;
            }
            if let Some(at) = self.held_back(database, now) {
                again_at = Some(again_at.map_or(at, |known| known.min(at)));
                continue;
            }
            let in_vain = self.started.get(&database).map_or(0, |last| last.in_vain);
            if in_vain >= TRIES_MAX && shmem::board().databases.is_in_question(database) {
                self.give_up(database, access);
                continue;
            }
            let Ok(handle) = scheduler(database).start() else {
                self.no_slot_until = now + NO_SLOT_US;
                self.say_no_slot(database, now);
                return Some(self.no_slot_until);
            };
            self.started.insert(database, Started { handle, at: now, has_ended: false, in_vain });
        }
        again_at
    }

    /// Until when no scheduler is started in this database: one may be on its way, or ended a moment ago.
    fn held_back(&mut self, database: DatabaseId, now: i64) -> Option<i64> {
        let last = self.started.get_mut(&database)?;
        let again_at = if last.handle.is_stopped() {
            last.note_end(now);
            let pause = RESTART_US.checked_shl(last.in_vain.min(16)).unwrap_or(RESTART_LONGEST_US);
            last.at + pause.min(RESTART_LONGEST_US)
        } else {
            now + RESTART_US
        };
        (again_at > now).then_some(again_at)
    }

    /// No scheduler can be in this database. Whoever has work there says so again.
    fn give_up(&mut self, database: DatabaseId, access: Option<Access>) {
        self.started.remove(&database);
        match access {
            Some(Access::Closed) => {
                self.closed.insert(database);
            }
            Some(Access::Open | Access::Template | Access::Invalid) | None => {}
        }
        self.seen.remove(&database);
        drop(shmem::board().forget_database(database));
    }

    fn say_no_slot(&mut self, database: DatabaseId, now: i64) {
        shmem::board().launcher.note_exhausted(now);
        if self.said_at == 0 || self.said_at + SAY_AGAIN_US < now {
            self.said_at = now;
            pgrx::warning!(
                "pg_durable: no worker slot for the scheduler of database {}: raise max_worker_processes",
                database.0
            );
        }
    }
}

impl Started {
    /// It has ended; counted once.
    fn note_end(&mut self, now: i64) {
        if !self.has_ended {
            self.has_ended = true;
            self.in_vain = if self.at + SETTLED_US < now { 0 } else { self.in_vain + 1 };
        }
    }
}

fn scheduler(database: DatabaseId) -> Worker {
    Worker {
        kind: "pg_durable scheduler",
        name: format!("pg_durable scheduler for database {}", database.0),
        entry: "pg_durable_scheduler_main",
        argument: u64::from(database.0),
        restart: None,
    }
}

/// Which databases there are; `None` where that cannot be read now.
fn databases() -> Option<HashMap<DatabaseId, Access>> {
    let read = || {
        let transaction = Transaction::begin_internal();
        let databases = catalog::databases();
        transaction.commit();
        databases
    };
    match caught::catch(read) {
        Ok(databases) => Some(
            databases.into_iter().map(|(database, access)| (DatabaseId(database.to_u32()), access)).collect(),
        ),
        Err(error) => {
            pgrx::warning!(
                "pg_durable: the launcher cannot read which databases there are: {}",
                error.message
            );
            None
        }
    }
}

/// Says which walls were met: once each time.
fn say_walls() {
    let unsaid: Vec<Wall> = shmem::board().walls.take_unsaid();
    for wall in unsaid {
        pgrx::warning!("pg_durable: {}; see df.walls()", wall.consequence());
    }
}

fn say_if_slots_are_few() {
    let wanted = gucs::max_executors() as i32 + 3;
    let there = process::max_worker_processes();
    if there < wanted {
        pgrx::log!(
            "pg_durable: max_worker_processes is {there}; {wanted} would let pg_durable.max_executors be reached"
        );
    }
}
