//! WAIT_SCHEDULE: waits for the next tick of a cron expression.

/// Waits until the first tick strictly after the moment it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitSchedule {
    /// A cron expression as [`crate::schedule::Schedule`] reads it.
    pub cron_expr: String,
    /// An IANA time zone; `None` is UTC.
    pub timezone: Option<String>,
}
