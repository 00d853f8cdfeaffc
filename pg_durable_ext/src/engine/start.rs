//! Starting an instance with the current transaction.

use pg_durable_graph::document::{self, Unreadable};
use pg_durable_graph::limits::DOCUMENT_MAX;
use pg_durable_graph::{Graph, difference};
use pgrx::pg_sys::Oid;
use serde_json::Value;

use super::standing::{self, Barrier};
use super::{quota, wake};
use crate::pg::gucs::{self, Durability};
use crate::pg::spi::Session;
use crate::pg::{catalog, shmem};
use crate::store::{self, instances, nodes};

/// What is to be started.
pub struct Start<'a> {
    pub graph: &'a Graph,
    pub label: Option<&'a str>,
    /// Where the steps run, if not here.
    pub database: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    /// `None` is the setting of the session.
    pub durability: Option<Durability>,
    /// JSON.
    pub input: Option<&'a str>,
}

/// As whom something starts.
pub struct Actor<'a> {
    /// Whose the instance is, and whose rights its steps have.
    pub submitter: Submitter,
    /// Who may see how it fares, if that is somebody else.
    pub called_by: Option<Oid>,
    /// The registered workflow that was called, and its version.
    pub workflow: Option<(&'a str, i32)>,
}

/// A role whose instances this server would run.
#[derive(Debug, Clone, Copy)]
pub struct Submitter(Oid);

/// The library was not there when the server started, so neither is the engine.
#[derive(Debug, thiserror::Error)]
#[error("pg_durable must be loaded via shared_preload_libraries.")]
pub struct NotPreloaded;

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    NotPreloaded(#[from] NotPreloaded),
    #[error(
        "pg_durable: superuser instances are disabled. current_user \"{0}\" is a superuser, but pg_durable.enable_superuser_instances is off. Set pg_durable.enable_superuser_instances = on to allow this."
    )]
    SuperuserInstances(String),
    #[error(
        "current_user \"{0}\" does not have LOGIN privilege. The background worker must connect as this role to execute SQL. Grant LOGIN to this role or call df.start() as a role with LOGIN."
    )]
    NoLogin(String),
    #[error(transparent)]
    Database(#[from] Barrier),
    #[error(transparent)]
    Quota(#[from] quota::Exceeded),
    #[error("the input is larger than {} MB", DOCUMENT_MAX / (1024 * 1024))]
    InputTooLarge,
    #[error("the input {0}")]
    Input(#[from] Unreadable),
    #[error("idempotency key '{key}' has started {known}, not {asked}")]
    OtherWorkflow {
        key: String,
        known: String,
        asked: String,
        /// What the graphs differ in, where both have no name.
        difference: String,
    },
    /// Another session has used the idempotency key, and this transaction cannot see for what.
    #[error("waiting is in vain in a transaction that sees one snapshot only")]
    OneSnapshot,
}

impl Submitter {
    /// Asks whether the engine is there, and would run what this role starts.
    pub fn new(role: Oid) -> Result<Submitter, StartError> {
        if !shmem::is_preloaded() {
            return Err(NotPreloaded.into());
        }
        let name = || catalog::role_name(role).unwrap_or_default();
        if catalog::is_superuser(role) && !gucs::enable_superuser_instances() {
            return Err(StartError::SuperuserInstances(name()));
        }
        if standing::needs_login() && !catalog::can_login(role) {
            return Err(StartError::NoLogin(name()));
        }
        Ok(Submitter(role))
    }
}

/// Reads an input as the engine will.
pub fn read_input(input: &str) -> Result<Value, StartError> {
    if input.len() > DOCUMENT_MAX {
        return Err(StartError::InputTooLarge);
    }
    Ok(document::read(input)?)
}

/// Starts an instance, or finds the one that its idempotency key has started. Returns the id.
pub fn start(start: &Start<'_>, actor: &Actor<'_>) -> Result<String, StartError> {
    let Submitter(submitter) = actor.submitter;
    let here = catalog::database_name(catalog::my_database());
    let database = start.database.filter(|name| Some(*name) != here.as_deref());
    if let Some(name) = database {
        standing::way_to(submitter, name)?;
    }
    if let Some(input) = start.input {
        read_input(input)?;
    }
    let durability = start.durability.unwrap_or_else(gucs::checkpoint_durability);
    let _owner = store::as_owner();
    let spi = Session::open();
    if let Some(key) = start.idempotency_key
        && let Some(known) = instances::of_key(submitter, key)
    {
        return same_workflow(known, key, start, actor);
    }
    quota::check(&spi, submitter)?;
    let number = pg_durable_board::instance_number(instances::next_number());
    let id = wake::instance_id(number);
    let new = instances::NewInstance {
        id: &id,
        label: start.label,
        submitted_by: submitter,
        database,
        durability: durability.as_str(),
        idempotency_key: start.idempotency_key,
        input: start.input,
        workflow: actor.workflow,
        called_by: actor.called_by,
    };
    if !instances::insert(&spi, &new) {
        // Another session has used the key since the look above; its row is visible now that it has committed.
        let key = start.idempotency_key.unwrap_or_default();
        let known = instances::of_key(submitter, key).ok_or(StartError::OneSnapshot)?;
        return same_workflow(known, key, start, actor);
    }
    nodes::insert(&spi, &id, submitter, database, start.graph);
    wake::after_start(submitter, number);
    Ok(id)
}

/// The id of what the key has started, if that is what is asked for: a workflow of the same name or, without names, a graph
/// that differs in its bound values at most. What was started is still there to be compared.
fn same_workflow(
    known: instances::Keyed,
    key: &str,
    start: &Start<'_>,
    actor: &Actor<'_>,
) -> Result<String, StartError> {
    let asked = actor.workflow.map(|(name, _)| name);
    let difference = match (known.workflow.as_deref(), asked) {
        (None, None) => match nodes::load(&known.id, &[]) {
            Ok(Some(nodes)) => {
                let started = Graph::clone(&nodes.graph).without_params();
                difference::of_graphs(&started, &start.graph.clone().without_params())
            }
            // Rows that nobody can read any more say nothing.
            Ok(None) | Err(_) => None,
        },
        (started, asked) if started == asked => None,
        (_, _) => Some(String::new()),
    };
    let workflow = |name: &str| format!("workflow '{name}'");
    match difference {
        None => Ok(known.id),
        Some(difference) => Err(StartError::OtherWorkflow {
            key: key.to_owned(),
            known: known.workflow.as_deref().map_or_else(|| "another graph".to_owned(), workflow),
            asked: asked.map_or_else(|| "this one".to_owned(), workflow),
            difference,
        }),
    }
}
