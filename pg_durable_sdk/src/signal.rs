//! A wait for a signal.

use crate::{
    __private::{Moment, with_faults},
    Output, Part, TypedPart, Workflow,
    fault::Misplaced,
};
use pg_durable_graph::kind;
use std::time::Duration;

/// A wait for a signal; made by [`signal`].
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Signal {
    name: String,
    timeout: Option<kind::Span>,
    result_name: Option<String>,
    faults: Vec<Misplaced>,
}

/// A wait for the signal of this name, for ever unless it gets a time-out.
///
/// A signal that was sent before the wait began is taken at once. The result is an object: `timed_out`, and
/// `data` with what was sent (null after the time-out).
///
/// ```
/// use pg_durable_sdk::{Workflow, signal, sql};
/// use std::time::Duration;
///
/// let day = Duration::from_secs(24 * 60 * 60);
/// let workflow = Workflow::new()
///     .wait_for_signal(signal("approval").timeout(day).named("answer"))
///     .branch(
///         sql("SELECT NOT $answer.timed_out"),
///         sql("UPDATE orders SET state = 'approved' WHERE id = 7"),
///         sql("UPDATE orders SET state = 'expired' WHERE id = 7"),
///     );
/// # assert!(workflow.graph().is_ok());
/// ```
pub fn signal(name: impl Into<String>) -> Signal {
    Signal { name: name.into(), timeout: None, result_name: None, faults: Vec::new() }
}

impl Signal {
    /// Waits no longer than this, counted from when the wait is reached; kept to the microsecond.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(kind::Span::Fixed(timeout));
        self
    }

    /// Waits no longer than the text says when the wait is reached, read as by
    /// [`Workflow::sleep_for`](crate::Workflow::sleep_for).
    pub fn timeout_for(mut self, span: impl Into<String>) -> Self {
        self.timeout = Some(kind::Span::For(span.into()));
        self
    }

    /// What `#[workflow]` expands to calls this.
    #[doc(hidden)]
    pub fn timeout_by(mut self, moment: Moment) -> Self {
        let (span, faults) = moment.length();
        self.timeout = Some(span);
        self.faults.extend(faults);
        self
    }

    /// Names the result, so that later steps find it as `$name`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.result_name = Some(name.into());
        self
    }
}

impl From<&str> for Signal {
    fn from(name: &str) -> Self {
        signal(name)
    }
}

impl From<String> for Signal {
    fn from(name: String) -> Self {
        signal(name)
    }
}

impl From<Signal> for Part {
    fn from(wait: Signal) -> Self {
        let leaf = Part::leaf(kind::Signal::new(wait.name, wait.timeout)).named(wait.result_name);
        with_faults(leaf, wait.faults)
    }
}

impl TypedPart for Signal {
    type Result = Output;
}

/// Adding it to a workflow.
impl<T> Workflow<T> {
    /// Waits for a signal: a name, or a [`signal`](crate::signal) with a time-out or a name for its result.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, signal};
    /// use std::time::Duration;
    ///
    /// let workflow = Workflow::new()
    ///     .wait_for_signal("picked")
    ///     .wait_for_signal(signal("packed").timeout(Duration::from_secs(600)).named("packed"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn wait_for_signal(self, signal: impl Into<Signal>) -> Workflow {
        self.step(signal.into())
    }
}
