//! A wait for the next tick of a cron expression.

use crate::{Output, Part, TypedPart, Workflow};
use pg_durable_graph::kind::WaitSchedule;

/// A wait for the next tick of a cron expression; made by [`schedule`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Schedule {
    cron_expr: String,
    timezone: Option<String>,
}

/// A wait for the next tick of a cron expression such as `0 9 * * 1-5` or `@daily`, in UTC unless it gets a
/// time zone.
///
/// ```
/// use pg_durable_sdk::{Workflow, schedule, sql};
///
/// let workflow = Workflow::new().repeat(
///     Workflow::new()
///         .wait_for_schedule(schedule("0 9 * * 1-5").in_time_zone("Europe/Berlin"))
///         .step(sql("INSERT INTO mornings DEFAULT VALUES")),
/// );
/// # assert!(workflow.graph().is_ok());
/// ```
pub fn schedule(cron_expr: impl Into<String>) -> Schedule {
    Schedule { cron_expr: cron_expr.into(), timezone: None }
}

impl Schedule {
    /// Reads the expression in an IANA time zone such as `Europe/Berlin`.
    pub fn in_time_zone(mut self, timezone: impl Into<String>) -> Self {
        self.timezone = Some(timezone.into());
        self
    }
}

impl From<&str> for Schedule {
    fn from(cron_expr: &str) -> Self {
        schedule(cron_expr)
    }
}

impl From<String> for Schedule {
    fn from(cron_expr: String) -> Self {
        schedule(cron_expr)
    }
}

impl From<Schedule> for Part {
    fn from(wait: Schedule) -> Self {
        Part::leaf(WaitSchedule::new(wait.cron_expr, wait.timezone))
    }
}

impl TypedPart for Schedule {
    type Result = Output;
}

/// Adding it to a workflow.
impl<T> Workflow<T> {
    /// Waits for the next tick of a cron expression, in UTC; see [`schedule`](crate::schedule) for time zones.
    pub fn wait_for_schedule(self, schedule: impl Into<Schedule>) -> Workflow {
        self.step(schedule.into())
    }
}
