//! The call that starts an instance: of a graph, or of a registered workflow.

use crate::{
    InstanceId, ServerError, StartError, Violation,
    connection::{Parameter, text},
};
use serde_json::Value;
use tokio_postgres::{Row, Transaction, error::SqlState, types::Type};
use uuid::Uuid;

/// The arguments of `df.start`, or of `df.run` for a registered workflow.
pub(crate) struct Start {
    pub(crate) what: What,
    pub(crate) label: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

pub(crate) enum What {
    Graph { graph: String, database: Option<String>, durability: Option<&'static str>, input: Option<Value> },
    Registered { name: String, version: Option<i32>, input: Value },
}

impl Start {
    pub(crate) fn sql(&self) -> &'static str {
        match &self.what {
            What::Graph { .. } => {
                "SELECT df.start($1, label => $2, idempotency_key => $3, database => $4, durability => $5, \
                 input => $6)"
            }
            What::Registered { .. } => {
                "SELECT df.run($1, label => $2, idempotency_key => $3, version => $4, input => $5)"
            }
        }
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter<'_>> {
        let (label, key) = (text(&self.label), text(&self.idempotency_key));
        match &self.what {
            What::Graph { graph, database, durability, input } => {
                vec![text(graph), label, key, text(database), text(durability), (input, Type::JSONB)]
            }
            What::Registered { name, version, input } => {
                vec![text(name), label, key, (version, Type::INT4), (input, Type::JSONB)]
            }
        }
    }

    /// The id in the answer.
    pub(crate) fn id(rows: &[Row]) -> Result<InstanceId, ServerError> {
        let row = rows.first().ok_or_else(ServerError::unexpected_answer)?;
        Ok(InstanceId::from(row.try_get::<_, String>(0)?))
    }

    /// Starts in a caller's transaction, once.
    pub(crate) async fn start_in(&self, tx: &Transaction<'_>) -> Result<InstanceId, StartError> {
        let rows = tx.query_typed(self.sql(), &self.parameters()).await;
        rows.map_err(ServerError::from).and_then(|rows| Self::id(&rows)).map_err(|error| self.refused(error))
    }

    /// Makes up a key where there is none, so that the start may be tried again.
    pub(crate) fn with_key(mut self) -> Self {
        self.idempotency_key.get_or_insert_with(|| Uuid::new_v4().to_string());
        self
    }

    /// What the server's refusal means.
    pub(crate) fn refused(&self, error: ServerError) -> StartError {
        let (name, version) = match &self.what {
            What::Graph { .. } if error.is(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return StartError::NotAllowed { name: self.label.clone(), source: error };
            }
            What::Graph { .. } => return StartError::Server(error),
            What::Registered { name, version, .. } => (name.clone(), version),
        };
        let violations = error.detail().map(Violation::all).unwrap_or_default();
        if error.is(&SqlState::UNDEFINED_OBJECT) {
            let version = version.and_then(|version| u32::try_from(version).ok());
            StartError::UnknownWorkflow { name, version, source: error }
        } else if error.is(&SqlState::INSUFFICIENT_PRIVILEGE) {
            StartError::NotAllowed { name: Some(name), source: error }
        } else if error.is(&SqlState::INVALID_PARAMETER_VALUE) && !violations.is_empty() {
            StartError::InvalidInput { name, violations, source: error }
        } else {
            StartError::Server(error)
        }
    }
}
