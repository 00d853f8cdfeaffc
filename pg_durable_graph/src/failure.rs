//! Why a node failed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::template::ReferenceError;
use crate::vars::TooLong;

/// The failure of a node, as its row and the instance's keep it: five of the fields that PostgreSQL reports an error
/// with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Five characters.
    pub sqlstate: String,
    /// One line.
    pub message: String,
    /// Facts.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The PL/pgSQL call stack, say.
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

    /// As references see it.
    pub fn as_value(&self) -> Value {
        let Failure { sqlstate, message, detail, hint, context } = self;
        json!({"sqlstate": sqlstate, "message": message, "detail": detail, "hint": hint, "context": context})
    }

    /// Whether the statement was cancelled from outside: by `pg_cancel_backend`, a time-out or the engine.
    pub fn is_cancellation(&self) -> bool {
        self.sqlstate == "57014"
    }
}

impl From<ReferenceError> for Failure {
    fn from(error: ReferenceError) -> Failure {
        let hint = error.hint();
        let failure = Failure::new(error.sqlstate(), error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<TooLong> for Failure {
    fn from(error: TooLong) -> Failure {
        Failure::new("54000", error.to_string())
            .hint("Pass large values to code as parameters, each at one place, or keep them in a table.")
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::new("22023", problem.to_string())
    }
}
