//! The engine's clock, for tests.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{extension, graph};
use crate::engine::wake;
use crate::pg::clock::{self, Stuck};
use crate::pg::gucs;

/// Why the clock was not moved.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    #[error("the engine's clock cannot be moved in this server")]
    NotATestServer,
    #[error("the clock cannot be moved backwards")]
    Backwards,
    #[error("the clock cannot be moved that far")]
    TooFar,
    #[error("the clock could not be kept for the server's next start")]
    Unkept(#[source] std::io::Error),
}

#[pg_extern]
fn clock_advance(duration: Interval) -> Result<Option<TimestampWithTimeZone>, ErrorReport> {
    extension::check_preloaded()?;
    if !gucs::test_clock() {
        return Err(ClockError::NotATestServer.into());
    }
    let micros = u64::try_from(graph::micros(&duration)).map_err(|_| ClockError::Backwards)?;
    let micros = i64::try_from(micros).map_err(|_| ClockError::TooFar)?;
    let now = clock::advance(micros).map_err(|stuck| match stuck {
        Stuck::TooFar => ClockError::TooFar,
        Stuck::Unkept(error) => ClockError::Unkept(error),
    })?;
    wake::send(|board| board.databases.wake_schedulers());
    Ok(clock::to_sql(now))
}
