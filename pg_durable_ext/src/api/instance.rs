//! Starting, cancelling and waking instances.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use pg_durable_graph::Graph;
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

use super::error::ApiError;
use super::{not_a_step, registry};
use crate::engine::statement::Values;
use crate::engine::{elsewhere, wake};
use crate::pg::json::Jsonb;
use crate::pg::spi::Session;
use crate::pg::{catalog, gucs, latch, process, role, shmem};
use crate::store::{self, instances, nodes, vars};

/// What was asked of `df.start`.
pub struct Start<'a> {
    pub fut: &'a str,
    pub label: Option<&'a str>,
    pub database: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    pub durability: Option<&'a str>,
    /// JSON.
    pub input: Option<&'a str>,
}

/// As whom something starts.
pub struct Actor<'a> {
    /// Whose the instance is, and whose rights its steps have.
    pub submitter: Oid,
    /// Who may see how it fares, if that is somebody else.
    pub called_by: Option<Oid>,
    /// The registered workflow that was called, and its version.
    pub workflow: Option<(&'a str, i32)>,
}

#[pg_extern]
fn instance_start(
    fut: Option<&str>,
    label: Option<&str>,
    database: Option<&str>,
    transaction_mode: Option<&str>,
    idempotency_key: Option<&str>,
    durability: Option<&str>,
    input: Option<Jsonb>,
) -> Result<String, ErrorReport> {
    let fut = fut.ok_or(ApiError::NullArgument("fut"))?;
    if super::explain::is_looking() {
        return Ok(fut.to_owned());
    }
    let input = input.as_ref().map(|input| input.0.as_str());
    let start = Start { fut, label, database, idempotency_key, durability, input };
    let mode = transaction_mode.unwrap_or("caller");
    match mode.to_ascii_lowercase().as_str() {
        "caller" => Ok(start_here(&start)?),
        "new" => Ok(start_in_new_transaction(&start)?),
        _ => Err(ApiError::TransactionMode(mode.to_owned()).into()),
    }
}

/// Starts with the caller's transaction, as the caller.
fn start_here(start: &Start<'_>) -> Result<String, ApiError> {
    start_as(start, &Actor { submitter: role::current_user(), called_by: None, workflow: None })
}

/// Starts with the caller's transaction.
pub fn start_as(start: &Start<'_>, actor: &Actor<'_>) -> Result<String, ApiError> {
    if !shmem::is_preloaded() {
        return Err(ApiError::NotPreloaded);
    }
    let submitter = actor.submitter;
    check_submitter(submitter)?;
    if start.fut.trim().is_empty() {
        return Err(ApiError::EmptyGraph);
    }
    not_a_step::refuse_result(start.fut)?;
    let graph = Graph::from_json(start.fut).map_err(ApiError::InvalidGraph)?;
    if let Some(name) = start.database {
        check_database(submitter, name)?;
    }
    if let Some(input) = start.input {
        // As deep as the engine reads it.
        serde_json::from_str::<serde_json::Value>(input).map_err(|_| ApiError::InputTooDeep)?;
    }
    let here = catalog::database_name(catalog::my_database());
    let database = start.database.filter(|name| Some(*name) != here.as_deref());
    let durability = match start.durability {
        None => gucs::checkpoint_durability().as_str(),
        Some(text) => durability(text)?,
    };
    let _owner = store::as_owner();
    let spi = Session::open();
    if let Some(key) = start.idempotency_key
        && let Some(id) = instances::id_of_key(submitter, key)
    {
        return Ok(id);
    }
    let number = instance_number(instances::next_number());
    let id = wake::instance_id(number);
    let new = instances::NewInstance {
        id: &id,
        label: start.label,
        submitted_by: submitter,
        database,
        durability,
        idempotency_key: start.idempotency_key,
        input: start.input,
        workflow: actor.workflow,
        called_by: actor.called_by,
    };
    if !instances::insert(&spi, &new) {
        // Another session has used the key since the look above; its row is visible now that it has committed.
        let key = start.idempotency_key.unwrap_or_default();
        return instances::id_of_key(submitter, key).ok_or(ApiError::OneSnapshot);
    }
    nodes::insert(&spi, &id, submitter, database, &graph);
    wake::after_start(submitter, number);
    Ok(id)
}

/// The durability of this name.
pub fn durability(text: &str) -> Result<&'static str, ApiError> {
    match text.to_ascii_lowercase() {
        known if known == "step" => Ok("step"),
        known if known == "barrier" => Ok("barrier"),
        other => Err(ApiError::Durability(other)),
    }
}

/// A role's variables as they are now.
pub fn variables(role: Oid) -> HashMap<String, Option<String>> {
    let _owner = store::as_owner();
    vars::all(role).and_then(|vars| serde_json::from_str(&vars).ok()).unwrap_or_default()
}

/// Spreads the numbers of a sequence over all ids of eight digits, without collisions: an odd factor and a shift are
/// each reversible. Numbers beyond 32 bits keep their upper half, which makes longer ids.
fn instance_number(sequence: u64) -> u64 {
    let (upper, lower) = (sequence >> 32, sequence as u32);
    let mixed = lower.wrapping_mul(0x9E37_79B1);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA6B);
    (upper << 32) | u64::from(mixed ^ (mixed >> 13))
}

fn check_submitter(submitter: Oid) -> Result<(), ApiError> {
    let name = || catalog::role_name(submitter).unwrap_or_default();
    if catalog::is_superuser(submitter) && !gucs::enable_superuser_instances() {
        return Err(ApiError::SuperuserInstances(name()));
    }
    if !process::RUNS_NOLOGIN_ROLES && !catalog::can_login(submitter) {
        return Err(ApiError::NoLogin(name()));
    }
    Ok(())
}

fn check_database(submitter: Oid, name: &str) -> Result<(), ApiError> {
    let database = catalog::database_oid(name).ok_or_else(|| ApiError::UnknownDatabase(name.to_owned()))?;
    if !catalog::takes_connections(database) {
        return Err(ApiError::NoConnections(name.to_owned()));
    }
    if !catalog::may_connect(submitter, database) {
        return Err(ApiError::NoConnect {
            role: catalog::role_name(submitter).unwrap_or_default(),
            database: name.to_owned(),
        });
    }
    Ok(())
}

fn start_in_new_transaction(start: &Start<'_>) -> Result<String, ApiError> {
    let text = "SELECT df.start($1, $2, $3, 'caller', $4, $5, $6::pg_catalog.text::pg_catalog.jsonb) AS id";
    let params = [
        json!(start.fut),
        json!(start.label),
        json!(start.database),
        json!(start.idempotency_key),
        json!(start.durability),
        // Text that the server reads as jsonb, so that no number loses digits on the way.
        json!(start.input),
    ];
    start_elsewhere(text, &Values { params: &params, ..Values::default() })
}

/// Starts in a transaction of its own, whatever becomes of the caller's: a worker born as the caller does it.
pub fn start_elsewhere(text: &str, values: &Values<'_>) -> Result<String, ApiError> {
    if process::is_executor() {
        return Err(ApiError::InWorkflow(
            "df.start() with transaction_mode => 'new' cannot be called inside a workflow - start in the caller's transaction, which commits with the step",
        ));
    }
    if !shmem::is_preloaded() {
        return Err(ApiError::NotPreloaded);
    }
    check_submitter(role::current_user())?;
    let _place = LaunchPlace::enter()?;
    let here = catalog::database_name(catalog::my_database()).unwrap_or_default();
    let result = elsewhere::run(&here, text, values).map_err(ApiError::NewTransaction)?;
    let result: serde_json::Value = serde_json::from_str(&result.json).unwrap_or_default();
    Ok(result["rows"][0]["id"].as_str().unwrap_or_default().to_owned())
}

/// One of the places for starts in their own transaction; given back when dropped, or when the process is ended,
/// which runs no destructors.
struct LaunchPlace;

thread_local! {
    static IS_LAUNCHING: Cell<bool> = const { Cell::new(false) };
}

fn give_back_launch_place() {
    if IS_LAUNCHING.take() {
        shmem::board().leave_new_transaction_start();
    }
}

impl LaunchPlace {
    fn enter() -> Result<LaunchPlace, ApiError> {
        let limit = gucs::max_new_transaction_starts();
        let timeout = gucs::new_transaction_start_timeout();
        let deadline = Instant::now() + timeout;
        process::before_exit(give_back_launch_place);
        while !shmem::board().enter_new_transaction_start(limit) {
            if Instant::now() >= deadline {
                return Err(ApiError::LaunchLimit { limit, secs: timeout.as_secs() });
            }
            // Nobody tells when a place becomes free: it is rare that none is.
            latch::wait(Some(Duration::from_millis(10)));
            latch::check_interrupts();
        }
        IS_LAUNCHING.set(true);
        Ok(LaunchPlace)
    }
}

impl Drop for LaunchPlace {
    fn drop(&mut self) {
        // Runs while an error unwinds too: it touches the board only.
        give_back_launch_place();
    }
}

#[pg_extern]
fn instance_run(instance_id: Option<&str>) -> Result<String, ErrorReport> {
    match instance_id {
        // What cannot be an id is the name of a registered workflow.
        Some(name) if !name.is_empty() && wake::instance_number(&name.to_ascii_lowercase()).is_none() => {
            Ok(registry::run(&registry::Call::plain(name))?)
        }
        Some(id) => {
            let (number, owner) = visible(id).ok_or_else(|| ApiError::NotFound(id.to_owned()))?;
            wake::after_start(owner, number);
            Ok(format!("Triggered run for instance: {id}"))
        }
        None => {
            wake::send(|board| board.request_rescan(catalog::my_database()));
            Ok("Triggered run for all pending instances".to_owned())
        }
    }
}

#[pg_extern]
fn instance_cancel(instance_id: &str, reason: &str) -> Result<String, ErrorReport> {
    let (number, _) = visible(instance_id).ok_or_else(|| ApiError::NotFound(instance_id.to_owned()))?;
    let _owner = store::as_owner();
    let spi = Session::open();
    if instances::cancel(&spi, instance_id, reason) {
        wake::after_cancel(number);
    }
    Ok(format!("Instance {instance_id} cancelled: {reason}"))
}

/// The number and the submitter of an instance that the current user may see.
pub fn visible(id: &str) -> Option<(u64, Oid)> {
    let number = wake::instance_number(id)?;
    let spi = Session::open();
    Some((number, instances::visible(&spi, id)?.submitted_by))
}
