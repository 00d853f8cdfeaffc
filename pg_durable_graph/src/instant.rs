//! Moments, as PostgreSQL counts them.

/// Microseconds since 2000-01-01 UTC.
pub type Instant = i64;
