//! Moments, as PostgreSQL counts them.

use chrono::{DateTime, Utc};

/// Microseconds since 2000-01-01 UTC.
pub type Instant = i64;

/// From 1970 to 2000, in microseconds.
const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;

/// The moment on the calendar; `None` beyond it.
pub(crate) fn to_utc(at: Instant) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(at.checked_add(EPOCH_SHIFT_US)?)
}

/// A moment of the calendar.
pub(crate) fn of_utc(at: DateTime<Utc>) -> Instant {
    at.timestamp_micros() - EPOCH_SHIFT_US
}
