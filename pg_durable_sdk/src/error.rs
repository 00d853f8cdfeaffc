//! Why an operation failed: one type an operation.
//!
//! Each has `sqlstate()` and `hint()`, where the server said something or there is something to do.

use crate::{InstanceId, JsonSchema, Output, Status, WorkflowError};
use serde::{Deserialize, Serialize};
use std::{error::Error as StdError, fmt, io, sync::Arc};
use tokio_postgres::error::{DbError, SqlState};

/// What the server refused, or that it could not be reached.
#[derive(Debug, Clone)]
pub struct ServerError {
    cause: Cause,
}

#[derive(Debug, Clone)]
enum Cause {
    /// Shared, because one lost connection is news for all who wait on it.
    Postgres(Arc<tokio_postgres::Error>),
    UnexpectedAnswer,
    #[cfg(feature = "deadpool")]
    Pool {
        message: &'static str,
        hint: &'static str,
    },
}

impl ServerError {
    /// The server answered, but not as this version of the extension does.
    pub(crate) fn unexpected_answer() -> Self {
        Self { cause: Cause::UnexpectedAnswer }
    }

    /// The pool gave no connection.
    #[cfg(feature = "deadpool")]
    pub(crate) fn pool(message: &'static str, hint: &'static str) -> Self {
        Self { cause: Cause::Pool { message, hint } }
    }

    /// The SQLSTATE, where the server answered.
    pub fn sqlstate(&self) -> Option<&str> {
        self.code().map(SqlState::code)
    }

    /// The server's DETAIL.
    pub fn detail(&self) -> Option<&str> {
        self.db_error().and_then(DbError::detail)
    }

    /// The server's HINT, or ours, where there is something to do.
    pub fn hint(&self) -> Option<&str> {
        self.db_error().and_then(DbError::hint).or_else(|| self.own_hint())
    }

    /// Whether there was no answer, because the connection was lost or could not be made.
    ///
    /// A statement that was under way may have been carried out or not.
    pub fn is_connection_lost(&self) -> bool {
        let Cause::Postgres(error) = &self.cause else { return false };
        match error.code() {
            Some(code) => is_of_connection(code),
            None => error.is_closed() || has_io_cause(error),
        }
    }

    pub(crate) fn is(&self, code: &SqlState) -> bool {
        self.code() == Some(code)
    }

    fn code(&self) -> Option<&SqlState> {
        self.db_error().map(DbError::code)
    }

    fn db_error(&self) -> Option<&DbError> {
        match &self.cause {
            Cause::Postgres(error) => error.as_db_error(),
            Cause::UnexpectedAnswer => None,
            #[cfg(feature = "deadpool")]
            Cause::Pool { .. } => None,
        }
    }

    fn own_hint(&self) -> Option<&'static str> {
        #[cfg(feature = "deadpool")]
        if let Cause::Pool { hint, .. } = self.cause {
            return Some(hint);
        }
        let code = self.code()?;
        if *code == SqlState::INVALID_SCHEMA_NAME || *code == SqlState::UNDEFINED_FUNCTION {
            Some("Run CREATE EXTENSION pg_durable in this database, or update the extension.")
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            Some("Let an administrator run SELECT df.grant_usage('<this role>').")
        } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            Some(
                "Connect to the primary, as a role for which default_transaction_read_only is off; what only reads and \
                 awaits works here.",
            )
        } else if *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::DUPLICATE_PSTATEMENT {
            Some(
                "Behind a pooler that gives each transaction another backend, call query_typed instead of query, or have \
                 the pooler keep prepared statements.",
            )
        } else {
            None
        }
    }
}

/// The server is going, or not there yet, or has no place: what a later attempt may find otherwise.
fn is_of_connection(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code)
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    // What is invalid stays so: among others a certificate that rustls refuses.
    cause.is_some_and(|cause| cause.kind() != io::ErrorKind::InvalidData)
}

impl From<tokio_postgres::Error> for ServerError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { cause: Cause::Postgres(Arc::new(error)) }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.db_error()) {
            (_, Some(error)) => f.write_str(error.message()),
            (Cause::Postgres(error), None) => error.fmt(f),
            (Cause::UnexpectedAnswer, None) => f.write_str("the server's answer has an unexpected form"),
            #[cfg(feature = "deadpool")]
            (Cause::Pool { message, .. }, None) => f.write_str(message),
        }
    }
}

impl StdError for ServerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            // Its message is ours already.
            Cause::Postgres(error) if error.as_db_error().is_some() => None,
            Cause::Postgres(error) => error.source(),
            Cause::UnexpectedAnswer => None,
            #[cfg(feature = "deadpool")]
            Cause::Pool { .. } => None,
        }
    }
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection string cannot be read.
    #[error("the connection string cannot be read")]
    Config(#[source] tokio_postgres::Error),
    /// The connection string says `sslmode=require`, and there is no TLS connector.
    #[error("the connection string demands TLS")]
    Tls,
    /// The server was not reached, or does not want us.
    #[error("could not connect")]
    Server(#[from] ServerError),
}

/// Why a workflow was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The workflow is wrong; nothing was sent.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// The server refused it or was not reached; nothing was started.
    #[error(transparent)]
    Server(ServerError),
    /// The input cannot be written as JSON; nothing was sent.
    #[error("the input cannot be written as JSON")]
    Input(#[source] Arc<serde_json::Error>),
    /// No workflow of this name is registered, or not in this version, or the role may not run it; nothing was
    /// started.
    #[error("there is no workflow {name}{} that this role may run", of_version(*version))]
    UnknownWorkflow {
        /// The name.
        name: String,
        /// The version that was asked for; `None` for the newest.
        version: Option<u32>,
        /// What the server says.
        source: ServerError,
    },
    /// The input does not fit the workflow's JSON Schema; nothing was started.
    #[error("the input does not fit the schema of workflow {name}")]
    InvalidInput {
        /// The name of the workflow.
        name: String,
        /// What is wrong, and where in the input: the first 20.
        violations: Vec<Violation>,
        /// What the server says.
        source: ServerError,
    },
    /// The role has no right to pg_durable, or the workflow's owner has lost it; nothing was started.
    #[error("this role may not start {}", name.as_deref().unwrap_or("the workflow"))]
    NotAllowed {
        /// The name of the workflow, or its label where it is not registered.
        name: Option<String>,
        /// What the server says.
        source: ServerError,
    },
    /// The connection was lost for good, so that it is unknown whether the instance was started.
    ///
    /// [`Client::find`](crate::Client::find) tells, once the server is back; a start of the same workflow with
    /// this key finds the instance, or starts it.
    #[error("the connection was lost; start again with the idempotency key {idempotency_key}")]
    Lost {
        /// The key with which the start was tried.
        idempotency_key: String,
        /// What became of the last attempt.
        source: ServerError,
    },
}

fn of_version(version: Option<u32>) -> String {
    version.map_or_else(String::new, |version| format!(", version {version},"))
}

impl StartError {
    /// The path of the node that is wrong, where the workflow is.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Workflow(error) => Some(error.path()),
            _ => None,
        }
    }
}

/// Why a workflow is not all right, or why that could not be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The workflow is wrong: what the builder sees, or else what the server does.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Something in an input that the workflow's JSON Schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The JSON pointer of the offending value, such as `/items/0/sku`; empty for the whole input.
    pub pointer: String,
    /// What is wrong with it, without the value.
    pub message: String,
}

impl Violation {
    /// Reads the server's DETAIL: one a line.
    pub(crate) fn all(detail: &str) -> Vec<Self> {
        let read = |line: &str| {
            let (pointer, message) = match line.strip_prefix("(all of it): ") {
                Some(message) => ("", message),
                None => line.split_once(": ").filter(|(pointer, _)| pointer.starts_with('/'))?,
            };
            Some(Self { pointer: pointer.to_owned(), message: message.to_owned() })
        };
        detail.lines().filter_map(read).collect()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

/// Why workflows were not registered: none of them was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A workflow is wrong; nothing was sent.
    #[error("workflow {name} is wrong")]
    Workflow {
        /// The name of the workflow.
        name: String,
        /// What is wrong with it.
        source: WorkflowError,
    },
    /// The version is larger than any that the server takes; nothing was sent.
    #[error("workflow {name}: {version} is no version")]
    Version {
        /// The name of the workflow.
        name: String,
        /// The version.
        version: u32,
    },
    /// Another graph or schema is registered under a name and version.
    #[error("another workflow is registered already")]
    Conflict {
        /// What is different, line by line: `-` is registered, `+` is here.
        difference: String,
        /// What the server says.
        source: ServerError,
    },
    /// The role may not register workflows, or a name belongs to another role.
    #[error("this role may not register the workflows")]
    NotAllowed {
        /// What the server says.
        source: ServerError,
    },
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Why an instance could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such instance, or the role may not see it.
    #[error("instance {0} does not exist or belongs to another role")]
    UnknownInstance(InstanceId),
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Why instances could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The cursor is not one that the server gave out.
    #[error("the cursor is not one of an earlier page")]
    Cursor,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// There is no such instance, or the role may not see it.
    #[error("instance {0} does not exist or belongs to another role")]
    UnknownInstance(InstanceId),
    /// A step failed, and with it the instance.
    #[error("instance {id} failed: {failure}")]
    Failed {
        /// The instance.
        id: InstanceId,
        /// What the step raised.
        failure: Box<Failure>,
    },
    /// Somebody cancelled the instance.
    #[error("instance {id} was cancelled: {failure}")]
    Cancelled {
        /// The instance.
        id: InstanceId,
        /// The reason that was given.
        failure: Box<Failure>,
    },
    /// The instance completed, but its result is not of the type that was said.
    #[error("the result of instance {id} is not of the expected type")]
    Output {
        /// The instance.
        id: InstanceId,
        /// The result as it is.
        output: Output,
        /// What does not fit.
        source: OutputError,
    },
    /// The server refused, or the connection cannot be made any more.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl ResultError {
    /// What the failed or cancelled instance left behind.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } | Self::Cancelled { failure, .. } => Some(failure),
            Self::UnknownInstance(_) | Self::Output { .. } | Self::Server(_) => None,
        }
    }

    /// The node whose failure failed the instance.
    pub fn node(&self) -> Option<&str> {
        self.failure().and_then(|failure| failure.node.as_deref())
    }

    /// The SQLSTATE of the step's error, or of the server's refusal.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Failed { failure, .. } | Self::Cancelled { failure, .. } => failure.sqlstate.as_deref(),
            Self::Server(error) => error.sqlstate(),
            Self::Output { source, .. } => source.sqlstate(),
            Self::UnknownInstance(_) => None,
        }
    }

    /// The HINT of the step's error, or what to do about the server's refusal.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Failed { failure, .. } | Self::Cancelled { failure, .. } => failure.hint.as_deref(),
            Self::Server(error) => error.hint(),
            Self::Output { source, .. } => source
                .hint()
                .or(Some("Let the workflow say what it returns, or read the Output of an untyped run.")),
            Self::UnknownInstance(_) => None,
        }
    }
}

/// The error that a failed or cancelled instance ended with, as the server recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Failure {
    /// The id of the failed node, unique in its instance.
    pub node: Option<String>,
    /// The error's SQLSTATE.
    pub sqlstate: Option<String>,
    /// The error's message; for a cancelled instance, the reason.
    pub message: String,
    /// The error's DETAIL.
    pub detail: Option<String>,
    /// The error's HINT.
    pub hint: Option<String>,
    /// Where in the SQL it was raised.
    pub context: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no such instance, or the role may not see it.
    #[error("instance {0} does not exist or belongs to another role")]
    UnknownInstance(InstanceId),
    /// The instance is completed, failed or cancelled.
    #[error("instance {0} is already over")]
    Terminal(InstanceId),
    /// The payload cannot be written as JSON.
    #[error("the payload cannot be written as JSON")]
    Payload(#[source] serde_json::Error),
    /// The server refused, or the connection was lost; then it is unknown whether the signal was sent.
    #[error(transparent)]
    Server(ServerError),
}

/// Why an instance was not cancelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// There is no such instance, or the role may not see it.
    #[error("instance {0} does not exist or belongs to another role")]
    UnknownInstance(InstanceId),
    /// The instance came to its end before.
    #[error("instance {id} is already {status}")]
    Terminal {
        /// The instance.
        id: InstanceId,
        /// Its status.
        status: Status,
    },
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Why an output is not of the wanted type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// One row was wanted.
    #[error("the result has {0} rows, not one")]
    RowCount(usize),
    /// A field, or a map, is read from a row in which several columns have one name.
    #[error("the result has {} columns of the name '{column}'", members.len())]
    #[non_exhaustive]
    Ambiguous {
        /// The name.
        column: String,
        /// What stands for them in [`Output::json`](crate::Output::json).
        members: Vec<String>,
    },
    /// No column has the name of a field that is an `Option`.
    #[error("the result has no column '{column}' (available: {})", available.join(", "))]
    #[non_exhaustive]
    NoColumn {
        /// The name of the field.
        column: String,
        /// What there is.
        available: Vec<String>,
    },
    /// The value does not fit the type.
    #[error("the result does not fit the type{}", at(path))]
    #[non_exhaustive]
    Shape {
        /// Where: a column, or the way to it and on from it, such as `[2].items[0].sku`; empty for all of the result.
        path: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at {path}") }
}

impl OutputError {
    /// The SQLSTATE that the server has for the same in a reference, where it has one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Ambiguous { .. } => Some(SqlState::AMBIGUOUS_COLUMN.code()),
            Self::NoColumn { .. } => Some(SqlState::UNDEFINED_COLUMN.code()),
            Self::RowCount(_) | Self::Shape { .. } => None,
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Ambiguous { .. } => Some("Give each column a name of its own, with AS, or read a tuple."),
            Self::NoColumn { .. } => Some("Select the column, or NULL under its name."),
            Self::RowCount(_) | Self::Shape { .. } => None,
        }
    }

    pub(crate) fn shape(source: serde_json::Error) -> Self {
        Self::Shape { path: String::new(), source }
    }

    /// The error as seen from further out: within a column or member, or at a `[place]`.
    pub(crate) fn within(self, outer: &str) -> Self {
        match self {
            Self::RowCount(_) | Self::Ambiguous { .. } | Self::NoColumn { .. } => self,
            Self::Shape { path, source } => {
                let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                Self::Shape { path: format!("{outer}{dot}{path}"), source }
            }
        }
    }
}

/// What every error that may come from the server tells of it.
macro_rules! tells_of_the_server {
    ($($error:ident { $($pattern:pat => $server:expr),+ }, hint $hint:expr;)+) => {$(
        impl $error {
            /// The SQLSTATE, where the server answered.
            pub fn sqlstate(&self) -> Option<&str> {
                self.server().and_then(ServerError::sqlstate)
            }

            /// What to do about it, where that is known.
            pub fn hint(&self) -> Option<&str> {
                let own: fn(&Self) -> Option<&str> = $hint;
                own(self).or_else(|| self.server().and_then(ServerError::hint))
            }

            fn server(&self) -> Option<&ServerError> {
                match self { $($pattern => $server),+ }
            }
        }
    )+};
}

tells_of_the_server! {
    ConnectError { Self::Server(error) => Some(error), Self::Config(_) | Self::Tls => None }, hint |error| match error {
        ConnectError::Tls => Some("Call Client::connect_with with a TLS connector, such as one of tokio-postgres-rustls."),
        ConnectError::Config(_) | ConnectError::Server(_) => None,
    };
    StartError {
        Self::Server(error)
        | Self::Lost { source: error, .. }
        | Self::UnknownWorkflow { source: error, .. }
        | Self::InvalidInput { source: error, .. }
        | Self::NotAllowed { source: error, .. } => Some(error),
        Self::Workflow(_) | Self::Input(_) => None
    }, hint |error| match error {
        StartError::Workflow(error) => error.hint(),
        _ => None,
    };
    RegisterError {
        Self::Server(error)
        | Self::Conflict { source: error, .. }
        | Self::NotAllowed { source: error } => Some(error),
        Self::Workflow { .. } | Self::Version { .. } => None
    }, hint |error| match error {
        RegisterError::Workflow { source, .. } => source.hint(),
        RegisterError::Version { .. } => Some("Count versions from 1."),
        _ => None,
    };
    CheckError { Self::Server(error) => Some(error), Self::Workflow(_) => None }, hint |error| match error {
        CheckError::Workflow(error) => error.hint(),
        CheckError::Server(_) => None,
    };
    RunError { Self::Server(error) => Some(error), Self::UnknownInstance(_) => None }, hint |_| None;
    ListError { Self::Server(error) => Some(error), Self::Cursor => None }, hint |error| match error {
        ListError::Cursor => Some("Pass the `next` of an earlier page as it was."),
        ListError::Server(_) => None,
    };
    SignalError {
        Self::Server(error) => Some(error),
        Self::UnknownInstance(_) | Self::Terminal(_) | Self::Payload(_) => None
    }, hint |_| None;
    CancelError {
        Self::Server(error) => Some(error),
        Self::UnknownInstance(_) | Self::Terminal { .. } => None
    }, hint |_| None;
}

#[cfg(test)]
mod tests;
