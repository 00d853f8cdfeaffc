//! SQL that runs in a session of another process: in another database, or in a transaction of its own.

use pg_durable_board::Hindrance;
use pg_durable_graph::progress::Bindings;
use pg_durable_graph::{Column, Failure, Outcome};
use pgrx::pg_sys::Oid;
use serde::{Deserialize, Serialize};

use super::standing::{self, Beginning};
use super::statement::{self, Values};
use crate::pg::portal::ScriptResult;
use crate::pg::remote::{self, RemoteError};
use crate::pg::xact::Transaction;
use crate::pg::{activity, catalog, caught, ending, role, timeout};

#[derive(Serialize, Deserialize)]
struct Request {
    text: String,
    bindings: Vec<Binding>,
    params: Vec<serde_json::Value>,
    /// JSON, apart from the rest: it may be nested as deep as we read.
    input: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Binding {
    name: String,
    value: serde_json::Value,
    columns: Option<Vec<Column>>,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Done {
        json: String,
        columns: Vec<Column>,
    },
    Failed {
        failure: Failure,
        /// The session was read only by default, which may pass.
        is_read_only: bool,
        has_committed: bool,
    },
}

/// Why a step has not run in another database.
pub enum Refusal {
    /// Something keeps it from running that will pass.
    Hindered(Hindrance, Failure),
    Failed {
        failure: Failure,
        /// A part of the effect is committed, or may be.
        has_committed: bool,
    },
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal::Failed { failure, has_committed: false }
    }
}

/// Runs a step's text, with what its references and `$n` stand for, in another database of this cluster as the current
/// user, and commits there. Outside a transaction.
pub fn run_step(database: &str, text: &str, values: &Values<'_>) -> Result<ScriptResult, Refusal> {
    let found = caught::catch(|| {
        let transaction = Transaction::begin_internal();
        let found = standing::way_to(role::current_user(), database);
        transaction.commit();
        found
    });
    match found? {
        Ok(database) => run(database, text, values),
        Err(barrier) => Err(match barrier.hindrance() {
            Some(hindrance) => Refusal::Hindered(hindrance, barrier.into()),
            None => Failure::from(barrier).into(),
        }),
    }
}

/// Runs a text, with what its `$n` stand for, in a session of this database as the current user, and commits there.
pub fn run_apart(text: &str, values: &Values<'_>) -> Result<ScriptResult, Failure> {
    run(catalog::my_database(), text, values).map_err(|refusal| match refusal {
        Refusal::Hindered(_, failure) | Refusal::Failed { failure, .. } => failure,
    })
}

fn run(database: Oid, text: &str, values: &Values<'_>) -> Result<ScriptResult, Refusal> {
    let request = Request {
        text: text.to_owned(),
        bindings: values
            .bindings
            .into_iter()
            .flatten()
            .map(|(name, outcome)| Binding {
                name: name.clone(),
                value: outcome.value.clone(),
                columns: outcome.columns.as_deref().cloned(),
            })
            .collect(),
        params: values.params.to_vec(),
        input: values.input.map(serde_json::Value::to_string),
    };
    let asked = caught::catch(|| {
        let request = serde_json::to_vec(&request).unwrap_or_default();
        remote::ask(database, role::current_user(), &request).map_err(Refusal::from)
    });
    let answer = asked??;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Done { json, columns }) => {
            Ok(ScriptResult { json, columns: columns.into(), has_committed: true })
        }
        Ok(Answer::Failed { failure, is_read_only: true, .. }) => {
            Err(Refusal::Hindered(Hindrance::ReadOnly, failure))
        }
        Ok(Answer::Failed { failure, is_read_only: false, has_committed }) => {
            Err(Refusal::Failed { failure, has_committed })
        }
        Err(error) => {
            let failure = Failure::new("XX000", format!("answer of the remote session: {error}"));
            Err(Refusal::Failed { failure, has_committed: true })
        }
    }
}

impl From<RemoteError> for Refusal {
    fn from(error: RemoteError) -> Refusal {
        // One that ends without a word may have come to its commit.
        let has_committed = matches!(error, RemoteError::Ended);
        Refusal::Failed { failure: error.into(), has_committed }
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Failure {
        let message = error.to_string();
        match error {
            RemoteError::NoWorkerSlot(_) => {
                Failure::new("53400", message).hint("Raise max_worker_processes and restart the server.")
            }
            RemoteError::Ended => Failure::new("08006", message).hint(
                "The server log tells why: the role may not connect there, or the session was terminated.",
            ),
        }
    }
}

/// Carries out a request in the session that it has come to.
pub fn answer(request: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&carry_out(request)).unwrap_or_default()
}

fn carry_out(request: &[u8]) -> Answer {
    let commits = ending::commits();
    let failed = |failure, is_read_only| Answer::Failed {
        failure,
        is_read_only,
        has_committed: ending::commits() != commits,
    };
    let request: Request = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(error) => return failed(Failure::new("XX000", error.to_string()), false),
    };
    activity::show_statement(&request.text);
    let bindings: Bindings = request
        .bindings
        .into_iter()
        .map(|binding| {
            let columns = binding.columns.map(Into::into);
            (binding.name, Outcome { value: binding.value, columns, branches: None }.into())
        })
        .collect();
    let began = Beginning::default();
    let done = caught::catch(|| {
        let input = request.input.as_deref().map(serde_json::from_str).transpose();
        let input: Option<serde_json::Value> =
            input.map_err(|error| Failure::new("XX000", format!("input of the remote session: {error}")))?;
        let values = Values { bindings: Some(&bindings), input: input.as_ref(), params: &request.params };
        let transaction = Transaction::begin();
        began.note();
        let result = statement::run_text(&request.text, &values)?;
        transaction.commit();
        Ok(result)
    });
    match done {
        Ok(Ok(result)) => Answer::Done { json: result.json, columns: result.columns.to_vec() },
        Ok(Err(failure)) => failed(failure, false),
        Err(failure) => {
            let failure = timeout::explain(failure);
            let is_read_only = began.explains(&failure);
            failed(failure, is_read_only)
        }
    }
}
