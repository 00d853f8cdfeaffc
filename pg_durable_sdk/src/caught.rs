//! What a handler knows of a failure.

use crate::{Failure, JsonSchema};
use serde::{Deserialize, Serialize};

/// A failure that a workflow has caught: what `Err(error)` binds in `#[workflow]`, and `$error` is in a handler of
/// [`Workflow::catch`](crate::Workflow::catch).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Caught {
    /// The error's SQLSTATE.
    pub sqlstate: String,
    /// The error's message.
    pub message: String,
    /// The error's DETAIL.
    pub detail: Option<String>,
    /// The error's HINT.
    pub hint: Option<String>,
    /// Where in the SQL it was raised.
    pub context: Option<String>,
    /// The id of the failed node, unique in its instance.
    pub node: String,
    /// The kind of that node: `SQL`, `FAIL` and so on.
    pub node_type: String,
    /// Which attempt at the node has failed, from 1.
    pub attempt: i64,
    /// The failures that were being handled when this one came; they have no `node`.
    pub suppressed: Vec<Failure>,
}
