//! The time, as the engine counts it.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use pgrx::pg_sys;

use super::{gucs, kept_clock};

/// Microseconds since 2000-01-01 UTC by the system's clock, as SQL reads it.
pub fn system() -> i64 {
    // SAFETY: reads the system's clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Microseconds since 2000-01-01 UTC: the system's clock and, in a server for tests, what [`advance`] has added to it.
pub fn now() -> i64 {
    let system = system();
    if gucs::test_clock() { system.saturating_add(added().load(Ordering::Relaxed)) } else { system }
}

/// The most that is added to the clock in all: some 10,000 years.
const ADDED_MAX: i64 = 10_000 * 366 * 86_400_000_000;

/// Why the clock was not moved.
#[derive(Debug)]
pub enum Stuck {
    /// So much is not added.
    TooFar,
    /// It could not be kept for the next start.
    Unkept(io::Error),
}

/// Moves the engine's clock forward for all processes and the server's next starts, and says what it shows then. In a server
/// for tests only.
pub fn advance(by: i64) -> Result<i64, Stuck> {
    let add = |added: i64| added.checked_add(by).filter(|sum| *sum <= ADDED_MAX);
    added().fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(|_| Stuck::TooFar)?;
    kept_clock::store(added()).map_err(Stuck::Unkept)?;
    Ok(now())
}

fn added() -> &'static AtomicI64 {
    static NONE: AtomicI64 = AtomicI64::new(0);
    super::shmem::clock_offset().unwrap_or(&NONE)
}

/// When the client's current statement began, in the same count.
pub fn statement_started_at() -> i64 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// An instant as a `timestamptz`.
pub fn to_sql(at: i64) -> Option<pgrx::datum::TimestampWithTimeZone> {
    at.try_into().ok()
}
