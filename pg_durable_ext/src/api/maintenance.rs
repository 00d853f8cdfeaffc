//! What a DBA asks of the engine around maintenance.

use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{extension, graph};
use crate::engine::wake;
use crate::pg::{catalog, gucs, latch, role, shmem};

/// How often it is looked whether steps still run: their ends wake those who wait for their instances only.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why the engine does not do what a DBA asks for.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    #[error("only a superuser may wait for the engine to be drained")]
    DrainNotAllowed,
    #[error("the engine is not switched off")]
    NotSwitchedOff,
    #[error("the time-out must not be negative")]
    TimeoutNegative,
    #[error("only a superuser or the owner of the database may have the engine leave it")]
    ReleaseNotAllowed,
}

#[pg_extern]
fn maintenance_drain(timeout: Interval) -> Result<i32, ErrorReport> {
    extension::check_preloaded()?;
    Ok(drain(graph::micros(&timeout))?)
}

/// Waits until nothing is carried out in the whole server; how much still is.
fn drain(timeout_us: i128) -> Result<i32, MaintenanceError> {
    if !catalog::is_superuser(role::current_user()) {
        return Err(MaintenanceError::DrainNotAllowed);
    }
    if gucs::enabled() {
        return Err(MaintenanceError::NotSwitchedOff);
    }
    let timeout = u64::try_from(timeout_us).map_err(|_| MaintenanceError::TimeoutNegative)?;
    let deadline = Instant::now().checked_add(Duration::from_micros(timeout));
    loop {
        let busy = shmem::board().executors.busy();
        let left = deadline.map_or(LOOK_EVERY, |at| at.saturating_duration_since(Instant::now()));
        if busy == 0 || left.is_zero() {
            return Ok(busy as i32);
        }
        latch::wait(Some(left.min(LOOK_EVERY)));
        latch::check_interrupts();
    }
}

#[pg_extern]
fn maintenance_release() -> Result<(), ErrorReport> {
    extension::check_preloaded()?;
    if !catalog::owns_database(catalog::my_database()) {
        return Err(MaintenanceError::ReleaseNotAllowed.into());
    }
    wake::send(|board| board.release_database(wake::here()));
    Ok(())
}
