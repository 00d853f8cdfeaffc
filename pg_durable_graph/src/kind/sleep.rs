//! SLEEP: waits for a span of time.

use std::time::Duration;

/// Waits for `duration`, counted from when it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// Kept to the microsecond.
    pub duration: Duration,
}
