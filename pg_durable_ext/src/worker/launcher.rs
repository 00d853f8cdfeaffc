//! The launcher: one a cluster. Keeps a scheduler running in every database that holds the extension.

use std::collections::HashMap;
use std::time::Duration;

use pg_durable_board::DatabaseId;

use crate::pg::process::{self, Handle, Worker};
use crate::pg::xact::Transaction;
use crate::pg::{catalog, clock, latch, shmem};

/// How long until a scheduler that ended is started again.
const RESTART_US: i64 = 1_000_000;

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
    let candidates = databases();
    {
        let mut board = shmem::board();
        board.launcher.enter(process::my_pid(), latch::my_proc_number(), clock::now());
        for &database in &candidates {
            // Wakes nobody but this process.
            drop(board.want_database(database));
        }
    }
    let mut started: HashMap<DatabaseId, (Handle, i64)> = HashMap::new();
    loop {
        latch::serve_interrupts();
        let wait = start_schedulers(&mut started);
        latch::wait(wait);
    }
}

/// Starts what is missing; says when to look again.
fn start_schedulers(started: &mut HashMap<DatabaseId, (Handle, i64)>) -> Option<Duration> {
    let missing = shmem::board().databases.without_scheduler();
    if missing.is_empty() {
        return None;
    }
    let existing = databases();
    let now = clock::now();
    let mut wait_us: Option<i64> = None;
    for database in missing {
        if !existing.contains(&database) {
            started.remove(&database);
            drop(shmem::board().forget_database(database));
            continue;
        }
        let again_at = match started.get(&database) {
            Some((handle, _)) if !handle.is_stopped() => now + RESTART_US,
            Some((_, at)) => at + RESTART_US,
            None => now,
        };
        if again_at > now {
            wait_us = Some(wait_us.unwrap_or(RESTART_US).min(again_at - now));
            continue;
        }
        let scheduler = Worker {
            kind: "pg_durable scheduler",
            name: format!("pg_durable scheduler for database {}", database.0),
            entry: "pg_durable_scheduler_main",
            argument: u64::from(database.0),
            restart: None,
        };
        match scheduler.start() {
            Ok(handle) => {
                started.insert(database, (handle, now));
            }
            Err(_) => {
                shmem::board().launcher.note_exhausted(now);
                pgrx::warning!(
                    "pg_durable: no worker slot for the scheduler of database {}: raise max_worker_processes",
                    database.0
                );
                wait_us = Some(10 * RESTART_US);
            }
        }
    }
    wait_us.map(|micros| Duration::from_micros(micros as u64))
}

fn databases() -> Vec<DatabaseId> {
    let transaction = Transaction::begin_internal();
    let databases = catalog::connectable_databases();
    transaction.commit();
    databases.into_iter().map(|database| DatabaseId(database.to_u32())).collect()
}

fn say_if_slots_are_few() {
    let wanted = crate::pg::gucs::max_executors() as i32 + 3;
    let there = process::max_worker_processes();
    if there < wanted {
        pgrx::log!(
            "pg_durable: max_worker_processes is {there}; {wanted} would let pg_durable.max_executors be reached"
        );
    }
}
