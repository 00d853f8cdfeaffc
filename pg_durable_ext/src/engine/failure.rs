//! Why a step, or the engine, could not go on.

use pg_durable_graph::progress::ProgressError;
use pg_durable_graph::template::ReferenceError;
use pg_durable_graph::{NodeId, Problem};

use crate::pg::caught::Caught;
use crate::pg::statement::ScriptError;
use crate::store::EngineError;

/// The failure of a node, as its row and the instance's keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
}

impl Failure {
    /// A failure with a code and a message of our own.
    pub fn new(sqlstate: &str, message: impl Into<String>) -> Failure {
        Failure {
            sqlstate: sqlstate.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
        }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Caught> for Failure {
    fn from(caught: Caught) -> Failure {
        Failure {
            sqlstate: caught.sqlstate,
            message: caught.message,
            detail: caught.detail,
            hint: caught.hint,
            context: caught.context,
        }
    }
}

impl From<ReferenceError> for Failure {
    fn from(error: ReferenceError) -> Failure {
        let hint = error.hint();
        let failure = Failure::new("22023", error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Failure {
        let message = error.to_string();
        match error {
            ScriptError::TransactionControl(_) => Failure::new("2D000", message).hint(
                "A step is one transaction, committed with its checkpoint. Split the work into steps, or CALL a procedure that commits.",
            ),
            ScriptError::CopyToClient => {
                Failure::new("0A000", message).hint("Use COPY with a file or program on the server.")
            }
            ScriptError::Empty => Failure::new("42601", message),
            ScriptError::ResultTooLarge { .. } => Failure::new("54000", message)
                .hint("Write the rows to a table in the step, and return a key or a count."),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::new("22023", problem.to_string())
    }
}

impl From<ProgressError> for Failure {
    fn from(error: ProgressError) -> Failure {
        Failure::new("22023", error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let detail = std::error::Error::source(&error).map(ToString::to_string);
        Failure { detail, ..Failure::new("XX001", error.to_string()) }
    }
}

/// Why an executor stops advancing a branch without having finished it.
#[derive(Debug)]
pub enum Stop {
    /// The instance has ended, or somebody else has carried out the same step: the transaction does not commit.
    Lost,
    /// The branch was cancelled or lost a race.
    Abandoned,
    /// The node failed.
    Failed { node: NodeId, failure: Failure },
    /// The server could not store the outcome (no space, say): to be tried again later.
    Unstored(Failure),
}
