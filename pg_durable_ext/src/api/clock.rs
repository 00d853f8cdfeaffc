//! The engine's clock, for tests.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::ApiError;
use super::graph;
use crate::engine::wake;
use crate::pg::{clock, gucs, shmem};

#[pg_extern]
fn clock_advance(duration: Interval) -> Result<Option<TimestampWithTimeZone>, ErrorReport> {
    if !shmem::is_preloaded() {
        return Err(ApiError::NotPreloaded.into());
    }
    if !gucs::test_clock() {
        return Err(ApiError::NoTestClock.into());
    }
    let micros = u64::try_from(graph::micros(&duration)).map_err(|_| ApiError::ClockBackwards)?;
    let now = i64::try_from(micros).ok().and_then(clock::advance).ok_or(ApiError::ClockTooFar)?;
    wake::send(|board| board.wake_schedulers());
    Ok(clock::to_sql(now))
}
