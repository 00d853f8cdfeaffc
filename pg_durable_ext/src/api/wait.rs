//! Waiting for instances, woken by the executor that ends them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pg_durable_board::Awaited;
use pg_durable_graph::InstanceStatus;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{bell, extension, not_a_step, visible};
use crate::engine::start::NotPreloaded;
use crate::engine::wake;
use crate::pg::spi::Session;
use crate::pg::{catalog, clock, latch, process, shmem, xact};
use crate::store;
use crate::store::instances::{self, Uncommitted};

/// How often a row is looked at where nobody tells of its end.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a wait was refused, or was over before the instance.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("Timeout must be positive")]
    TimeoutNotPositive,
    #[error("Instance not found: {0}")]
    UnknownInstance(String),
    #[error(
        "Timeout after {secs}s waiting for instance {id} (status: {status}). Check if background worker is running."
    )]
    Timeout { id: String, secs: i32, status: String },
    #[error(
        "df.await_instance() cannot be called inside a workflow - it would block a worker thread (and self-deadlock if waiting on the current instance). Use df.signal() and df.wait_for_signal() for cross-workflow coordination."
    )]
    InWorkflow,
    #[error(transparent)]
    NotPreloaded(#[from] NotPreloaded),
    #[error("instance {0} starts when this transaction commits: waiting for it here is in vain")]
    StartedHere(String),
    #[error(
        "the signal to instance {0} is sent when this transaction commits: waiting for it here is in vain"
    )]
    SignalledHere(String),
    #[error("waiting is in vain in a transaction that sees one snapshot only")]
    OneSnapshot,
}

#[pg_extern]
fn instance_await(instance_id: &str, timeout_seconds: i32) -> Result<String, ErrorReport> {
    Ok(await_one(instance_id, timeout_seconds)?)
}

#[pg_extern]
fn instance_wait_for_completion(instance_id: &str, timeout_seconds: i32) -> Result<String, ErrorReport> {
    pgrx::warning!("df.wait_for_completion() is deprecated; use df.await_instance() instead");
    Ok(await_one(instance_id, timeout_seconds)?)
}

fn await_one(id: &str, timeout_secs: i32) -> Result<String, WaitError> {
    check_may_wait()?;
    if timeout_secs <= 0 {
        return Err(WaitError::TimeoutNotPositive);
    }
    let unknown = || WaitError::UnknownInstance(id.to_owned());
    let number = wake::instance_number(id).ok_or_else(unknown)?;
    let deadline = Instant::now() + Duration::from_secs(timeout_secs as u64);
    let database = wake::here();
    let waiter = Waiter::enter(Awaited::Instance(number));
    not_a_step::note("await_instance");
    let mut is_first = true;
    loop {
        let seen = shmem::board().waiters.ended_count();
        let status = visible::find(id).ok_or_else(unknown)?.status;
        if is_terminal(&status) {
            return Ok(status);
        }
        if std::mem::take(&mut is_first) {
            refuse_uncommitted(id)?;
        }
        if !waiter.wait_until(deadline) {
            return Err(WaitError::Timeout { id: id.to_owned(), secs: timeout_secs, status });
        }
        if shmem::board().waiters.has_completed_since(database, seen, number) {
            return Ok(InstanceStatus::Completed.as_str().to_owned());
        }
    }
}

#[pg_extern]
fn instance_await_any(
    instance_ids: Array<&str>,
    timeout_seconds: f64,
) -> Result<TableIterator<'static, (name!(instance_id, String), name!(status, String))>, ErrorReport> {
    check_may_wait()?;
    if timeout_seconds.is_nan() || timeout_seconds <= 0.0 {
        return Err(WaitError::TimeoutNotPositive.into());
    }
    let ids: Vec<String> = instance_ids.iter().flatten().map(str::to_owned).collect();
    Ok(TableIterator::new(await_any(&ids, timeout_seconds)?))
}

fn await_any(ids: &[String], timeout_secs: f64) -> Result<Vec<(String, String)>, WaitError> {
    let wanted: std::collections::HashSet<u64> =
        ids.iter().filter_map(|id| wake::instance_number(id)).collect();
    let deadline = Instant::now() + Duration::from_secs_f64(timeout_secs.min(1e8));
    let database = wake::here();
    let waiter = Waiter::enter(Awaited::Any);
    let mut seen = shmem::board().waiters.ended_count();
    let ids: Vec<_> = ids.iter().map(|id| Some(id.as_str())).collect();
    let mut is_first = true;
    // Whether somebody has rung a bell that is waited for.
    let mut is_rung = false;
    loop {
        let mut found = visible::statuses(&ids);
        let open: Vec<String> =
            found.extract_if(.., |(_, status)| !is_terminal(status)).map(|(id, _)| id).collect();
        if is_rung || !found.is_empty() {
            return Ok(found);
        }
        if std::mem::take(&mut is_first) {
            refuse_all_uncommitted(&open)?;
        }
        // The tables are looked at again only when one of these instances has ended, or may have.
        loop {
            if !waiter.wait_until(deadline) {
                return Ok(Vec::new());
            }
            let board = shmem::board();
            let ended = board.waiters.ended_since(database, seen);
            seen = board.waiters.ended_count();
            drop(board);
            let ended: Option<Vec<u64>> =
                ended.map(|ended| ended.into_iter().filter(|number| wanted.contains(number)).collect());
            is_rung = ended.iter().flatten().any(|number| bell::is_bell(*number));
            if waiter.looks_itself || ended.is_none_or(|ended| !ended.is_empty()) {
                break;
            }
        }
    }
}

/// Refuses to wait for what the transaction itself holds up.
fn refuse_uncommitted(id: &str) -> Result<(), WaitError> {
    let _owner = store::as_owner();
    match instances::uncommitted(&Session::open(), id) {
        None => Ok(()),
        Some(Uncommitted::Start) => Err(WaitError::StartedHere(id.to_owned())),
        Some(Uncommitted::Signal) => Err(WaitError::SignalledHere(id.to_owned())),
    }
}

/// The same for several, of which one would do.
fn refuse_all_uncommitted(ids: &[String]) -> Result<(), WaitError> {
    let mut refused = Ok(());
    for id in ids {
        refused = refuse_uncommitted(id);
        if refused.is_ok() {
            break;
        }
    }
    refused
}

fn check_may_wait() -> Result<(), WaitError> {
    if process::is_executor() {
        return Err(WaitError::InWorkflow);
    }
    extension::check_preloaded()?;
    if xact::uses_one_snapshot() {
        return Err(WaitError::OneSnapshot);
    }
    wake::announce();
    Ok(())
}

fn is_terminal(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled")
}

/// A place among those whom the end of an instance wakes; given back when dropped, or when the process is ended,
/// which runs no destructors.
struct Waiter {
    /// Nobody tells: it is a standby, or too many wait.
    looks_itself: bool,
}

thread_local! {
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

fn give_back_place() {
    if let Some(place) = PLACE.take() {
        shmem::board().waiters.remove(place);
    }
}

impl Waiter {
    fn enter(awaited: Awaited) -> Waiter {
        process::before_exit(give_back_place);
        let (database, place, now) = (wake::here(), latch::my_proc_number(), clock::now());
        let waiter = wake::ask(|board| board.wait(database, place, awaited, now));
        PLACE.set(waiter);
        // On a standby the rows change by replay.
        Waiter { looks_itself: waiter.is_none() || catalog::is_standby() }
    }

    /// Waits until woken; false when the time is over.
    fn wait_until(&self, deadline: Instant) -> bool {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
        let most = if self.looks_itself { left.min(LOOK_EVERY) } else { left };
        latch::wait(Some(most));
        latch::check_interrupts();
        true
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // Runs while an error unwinds too: it touches the board only.
        give_back_place();
    }
}
