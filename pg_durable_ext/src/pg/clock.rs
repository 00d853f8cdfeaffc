//! The time, as the engine counts it.

use pgrx::pg_sys;

/// Microseconds since 2000-01-01 UTC.
pub fn now() -> i64 {
    // SAFETY: reads the system's clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
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
