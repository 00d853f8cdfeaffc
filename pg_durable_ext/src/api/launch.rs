//! Starting in a transaction of its own, whatever becomes of the caller's.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pg_durable_graph::Failure;
use serde_json::Value;

use crate::engine::elsewhere;
use crate::engine::start::{StartError, Submitter};
use crate::engine::statement::Values;
use crate::pg::{catalog, gucs, latch, process, role, shmem};

/// Why nothing was started in a transaction of its own.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(
        "df.start() with transaction_mode => 'new' cannot be called inside a workflow - start in the caller's transaction, which commits with the step"
    )]
    InWorkflow,
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot start a workflow during recovery")]
    Standby,
    #[error(
        "pg_durable: transaction_mode => 'new' launch limit reached (max_new_transaction_starts={limit}). Timed out after {secs}s waiting for a launch slot before opening the session."
    )]
    Limit { limit: usize, secs: u64 },
    #[error("df.start() on new transaction failed: {}", .0.message)]
    Failed(Failure),
}

/// Runs a statement that starts something and gives its `id`: a worker born as the caller does it.
pub fn start_elsewhere(text: &str, params: &[Value]) -> Result<String, LaunchError> {
    if process::is_executor() {
        return Err(LaunchError::InWorkflow);
    }
    Submitter::new(role::current_user())?;
    if catalog::is_standby() {
        // No worker starts there, and one that is waited for would never come.
        return Err(LaunchError::Standby);
    }
    let _place = LaunchPlace::enter()?;
    let values = Values { params, ..Values::default() };
    let result = elsewhere::run_apart(text, &values).map_err(LaunchError::Failed)?;
    let result: Value = serde_json::from_str(&result.json).unwrap_or_default();
    Ok(result["rows"][0]["id"].as_str().unwrap_or_default().to_owned())
}

/// One of the places for starts in their own transaction; given back when dropped, or when the process is ended,
/// which runs no destructors.
struct LaunchPlace(());

thread_local! {
    static IS_LAUNCHING: Cell<bool> = const { Cell::new(false) };
}

fn give_back_launch_place() {
    if IS_LAUNCHING.take() {
        shmem::board().launches.leave();
    }
}

impl LaunchPlace {
    fn enter() -> Result<LaunchPlace, LaunchError> {
        let limit = gucs::max_new_transaction_starts();
        let timeout = gucs::new_transaction_start_timeout();
        let deadline = Instant::now() + timeout;
        process::before_exit(give_back_launch_place);
        while !shmem::board().launches.enter(limit) {
            if Instant::now() >= deadline {
                return Err(LaunchError::Limit { limit, secs: timeout.as_secs() });
            }
            // Nobody tells when a place becomes free: it is rare that none is.
            latch::wait(Some(Duration::from_millis(10)));
            latch::check_interrupts();
        }
        IS_LAUNCHING.set(true);
        Ok(LaunchPlace(()))
    }
}

impl Drop for LaunchPlace {
    fn drop(&mut self) {
        // Runs while an error unwinds too: it touches the board only.
        give_back_launch_place();
    }
}
