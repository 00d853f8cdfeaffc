//! Stored instances that cannot be read.

use pg_durable_graph::Failure;
use pg_durable_graph::progress::StateError;
use pg_durable_graph::stored::StoredError;

/// Trouble of the engine's own: the stored instance cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("stored node id \"{0}\" is not valid")]
    BadNodeId(String),
    #[error("stored graph is not valid")]
    Graph(#[from] StoredError),
    #[error("stored state of a node is not valid")]
    State(#[from] StateError),
    #[error("stored JSON is not valid")]
    Json(#[from] serde_json::Error),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let detail = std::error::Error::source(&error).map(ToString::to_string);
        Failure { detail, ..Failure::new("XX001", error.to_string()) }
    }
}
