//! A wait for a length of time.

use crate::{Part, Workflow};
use pg_durable_graph::kind::Sleep;
use std::time::Duration;

/// A wait for this long. The builder's is [`Workflow::sleep`]; this is the word of `#[workflow]`.
pub fn sleep(duration: Duration) -> Part {
    Part::leaf(Ok(Sleep { duration }))
}

/// Adding it to a workflow.
impl<T> Workflow<T> {
    /// Waits for this long, to the microsecond, counted from when the wait is reached; restarts of the server
    /// do not lengthen it.
    pub fn sleep(self, duration: Duration) -> Workflow {
        self.step(sleep(duration))
    }
}
