//! The words for lengths of time in the body of a workflow.

use std::time::Duration;

pub const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub const fn minutes(count: u64) -> Duration {
    seconds(count.saturating_mul(60))
}

pub const fn hours(count: u64) -> Duration {
    minutes(count.saturating_mul(60))
}

pub const fn days(count: u64) -> Duration {
    hours(count.saturating_mul(24))
}
