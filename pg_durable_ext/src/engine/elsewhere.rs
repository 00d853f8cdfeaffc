//! SQL that runs in a session of another process: in another database, or in a transaction of its own.

use pg_durable_graph::progress::Bindings;
use pg_durable_graph::{Column, Failure, Outcome};
use serde::{Deserialize, Serialize};

use super::statement::{self, Values};
use crate::pg::portal::ScriptResult;
use crate::pg::remote::{self, RemoteError};
use crate::pg::xact::{self, Transaction};
use crate::pg::{activity, catalog, caught, role};

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
    Done { json: String, columns: Vec<Column> },
    Failed(Failure),
}

/// Runs a text, with what its references and `$n` stand for, in a database of this cluster as the current user, and commits there.
pub fn run(database: &str, text: &str, values: &Values<'_>) -> Result<ScriptResult, Failure> {
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
        let database = in_some_transaction(|| catalog::database_oid(database))
            .ok_or_else(|| Failure::new("3D000", format!("database \"{database}\" does not exist")))?;
        let request = serde_json::to_vec(&request).unwrap_or_default();
        remote::ask(database, role::current_user(), &request).map_err(Failure::from)
    });
    let answer = asked??;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Done { json, columns }) => {
            Ok(ScriptResult { json, columns: columns.into(), has_committed: true })
        }
        Ok(Answer::Failed(failure)) => Err(failure),
        Err(error) => Err(Failure::new("XX000", format!("answer of the remote session: {error}"))),
    }
}

/// The catalogs are read in the caller's transaction, or in one of our own where there is none.
fn in_some_transaction<T>(look_up: impl FnOnce() -> T) -> T {
    if xact::is_under_way() {
        return look_up();
    }
    let transaction = Transaction::begin_internal();
    let found = look_up();
    transaction.commit();
    found
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
    let request: Request = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(error) => return Answer::Failed(Failure::new("XX000", error.to_string())),
    };
    activity::show_statement(&request.text);
    let bindings: Bindings = request
        .bindings
        .into_iter()
        .map(|binding| {
            let columns = binding.columns.map(Into::into);
            (binding.name, Outcome { value: binding.value, columns }.into())
        })
        .collect();
    let done = caught::catch(|| {
        let input = request.input.as_deref().map(serde_json::from_str).transpose();
        let input: Option<serde_json::Value> =
            input.map_err(|error| Failure::new("XX000", format!("input of the remote session: {error}")))?;
        let values = Values { bindings: Some(&bindings), input: input.as_ref(), params: &request.params };
        let transaction = Transaction::begin();
        let result = statement::run_text(&request.text, &values)?;
        transaction.commit();
        Ok(result)
    });
    match done.flatten() {
        Ok(result) => Answer::Done { json: result.json, columns: result.columns.to_vec() },
        Err(failure) => Answer::Failed(failure),
    }
}
