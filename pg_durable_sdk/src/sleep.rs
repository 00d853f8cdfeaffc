//! A wait for a length of time.

use crate::{Part, Workflow};
use pg_durable_graph::kind::{Sleep, Span};
use std::time::Duration;

/// A wait for this long. The builder's is [`Workflow::sleep`]; this is the word of `#[workflow]`.
pub fn sleep(duration: Duration) -> Part {
    Part::leaf(Ok(Sleep::new(duration)))
}

/// Adding it to a workflow.
impl<T> Workflow<T> {
    /// Waits for this long, to the microsecond, counted from when the wait is reached; restarts of the server
    /// do not lengthen it.
    pub fn sleep(self, duration: Duration) -> Workflow {
        self.step(sleep(duration))
    }

    /// Waits for as long as the text says when the wait is reached: a number of seconds, or an interval as PostgreSQL reads
    /// it. References to results and the input, such as `$order.patience` or `$input.days days`, are put in.
    ///
    /// A negative length is over at once. The instance fails with SQLSTATE 22007 where the text is none of both then.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let workflow = Workflow::new()
    ///     .step(sql("SELECT trial_days AS days FROM customers WHERE id = $input.customer").named("trial"))
    ///     .sleep_for("$trial.days days")
    ///     .step(sql("CALL end_trial($input.customer)"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn sleep_for(self, span: impl Into<String>) -> Workflow {
        self.step(Part::leaf(Sleep::by_text(Span::For(span.into()))))
    }

    /// Waits until the time that the text says when the wait is reached, a `timestamptz` as PostgreSQL reads it. References
    /// are put in as by [`sleep_for`](Self::sleep_for), and the errors are the same; a time that is past is over at once.
    pub fn sleep_until(self, time: impl Into<String>) -> Workflow {
        self.step(Part::leaf(Sleep::by_text(Span::Until(time.into()))))
    }
}
