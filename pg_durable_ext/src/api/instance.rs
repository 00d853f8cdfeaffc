//! Starting, cancelling and waking instances.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

use super::argument::{self, TransactionMode};
use super::launch::{self, LaunchError};
use super::looking::is_looking;
use super::{definition, home, registry, visible};
use crate::engine::start::{self, Actor, Start, Submitter};
use crate::engine::wake;
use crate::pg::json::Jsonb;
use crate::pg::role;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::store::{self, instances};

/// What was asked of `df.start`, as text.
struct Request<'a> {
    fut: &'a str,
    label: Option<&'a str>,
    database: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    durability: Option<&'a str>,
    /// JSON.
    input: Option<&'a str>,
}

#[pg_extern]
fn instance_start(
    fut: Option<Text>,
    label: Option<Text>,
    database: Option<Text>,
    transaction_mode: Option<Text>,
    idempotency_key: Option<Text>,
    durability: Option<Text>,
    input: Option<Jsonb>,
) -> Result<Text, ErrorReport> {
    let fut = argument::given(fut, "fut")?;
    if is_looking() {
        return Ok(fut);
    }
    let input = input.as_ref().map(|input| input.0.as_str());
    let request = Request {
        fut: &fut,
        label: label.as_deref(),
        database: database.as_deref(),
        idempotency_key: idempotency_key.as_deref(),
        durability: durability.as_deref(),
        input,
    };
    match argument::transaction_mode(transaction_mode.as_deref())? {
        TransactionMode::Caller => Ok(Text(start_here(&request)?)),
        TransactionMode::New => Ok(Text(start_in_new_transaction(&request)?)),
    }
}

/// Starts with the caller's transaction, as the caller.
fn start_here(request: &Request<'_>) -> Result<String, ErrorReport> {
    let submitter = Submitter::new(role::current_user())?;
    let graph = definition::read(request.fut)?;
    let start = Start {
        graph: &graph,
        label: request.label,
        database: request.database,
        idempotency_key: request.idempotency_key,
        durability: request.durability.map(argument::durability).transpose()?,
        input: request.input,
    };
    Ok(start::start(&start, &Actor { submitter, called_by: None, workflow: None })?)
}

fn start_in_new_transaction(request: &Request<'_>) -> Result<String, LaunchError> {
    let text = "SELECT df.start($1, $2, $3, 'caller', $4, $5, $6::pg_catalog.text::pg_catalog.jsonb) AS id";
    let params = [
        json!(request.fut),
        json!(request.label),
        json!(request.database),
        json!(request.idempotency_key),
        json!(request.durability),
        // Text that the server reads as jsonb, so that no number loses digits on the way.
        json!(request.input),
    ];
    launch::start_elsewhere(text, &params)
}

#[pg_extern]
fn instance_run(instance_id: Option<&str>) -> Result<String, ErrorReport> {
    match instance_id {
        // What cannot be an id is the name of a registered workflow.
        Some(name) if !name.is_empty() && wake::instance_number(&name.to_ascii_lowercase()).is_none() => {
            Ok(registry::run(&registry::Call::plain(name))?)
        }
        Some(id) => {
            let (number, owner) = visible::steered(id)?;
            wake::after_start(owner, number);
            Ok(format!("Triggered run for instance: {id}"))
        }
        None => {
            if home::is_a_copy() {
                home::adopt(false)?;
            }
            wake::announce();
            wake::send(|board| board.databases.request_rescan(wake::here()));
            Ok("Triggered run for all pending instances".to_owned())
        }
    }
}

#[pg_extern]
fn instance_cancel(instance_id: &str, reason: Text) -> Result<Text, ErrorReport> {
    let (number, owner) = visible::steered(instance_id)?;
    let canceller = role::current_user();
    let _owner = store::as_owner();
    let spi = Session::open();
    if instances::cancel(&spi, instance_id, &reason, canceller) {
        wake::after_cancel(owner, number);
    }
    Ok(Text(format!("Instance {instance_id} cancelled: {}", reason.0)))
}
