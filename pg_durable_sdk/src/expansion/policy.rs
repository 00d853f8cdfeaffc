//! The word for a policy in the body of a workflow.

pub use crate::Retry;
