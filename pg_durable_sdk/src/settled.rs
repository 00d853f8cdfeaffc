//! What became of a branch whose siblings did not depend on it.

use crate::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An entry of the result of [`Workflow::settle`](crate::Workflow::settle).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Settled {
    /// The branch has completed.
    Completed {
        /// With this result: that of SQL is an object with `rows` and `row_count`, for [`Output`](crate::Output) to read.
        result: Value,
    },
    /// The branch has failed.
    Failed {
        /// Why.
        error: Failure,
    },
}
