//! Registered workflows: registering them, running them, and who may.

use pg_durable_graph::limits::TEXT_MAX;
use pg_durable_graph::{Graph, GraphError, Problem, difference, vars};
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::argument::{self, ArgumentError, TransactionMode};
use super::definition::{self, DefinitionError};
use super::launch::{self, LaunchError};
use super::looking::is_looking;
use super::schema::{self, Misfit, Violation};
use crate::engine::start::{self, Actor, Start, StartError, Submitter};
use crate::engine::wake;
use crate::pg::json::Jsonb;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::pg::{catalog, role};
use crate::store::workflows::{Definition, Workflow};
use crate::store::{self, vars as variables, workflows};

/// The longest name, in bytes.
const NAME_MAX: usize = 200;

/// What is refused of a registered workflow.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("invalid name of a workflow: \"{0}\"")]
    Name(String),
    #[error("the version of a workflow must be at least 1")]
    Version,
    #[error("invalid run_as \"{0}\" for df.register(): expected 'caller' or 'owner'")]
    RunAs(String),
    #[error("{argument} is not a JSON Schema that can be used")]
    Schema { argument: &'static str, violation: Violation },
    #[error("signals must be an object: the name of each signal, and the JSON Schema of its data")]
    Signals,
    #[error("the schema of signal '{name}' is not a JSON Schema that can be used")]
    SignalSchema { name: String, violation: Violation },
    #[error("workflow \"{name}\" belongs to {owner}")]
    NotOwner { name: String, owner: String },
    #[error("version {version} of workflow \"{name}\" is registered with another definition")]
    VersionTaken { name: String, version: i32, difference: String },
    #[error("{} does not exist, or may not be run by the current role", shown(.name, *.version))]
    Unknown { name: String, version: Option<i32> },
    #[error(
        "whether the input fits version {version} of workflow \"{name}\" would be too much work to find out"
    )]
    TooMuchWork { name: String, version: i32 },
    #[error("input of {} does not fit its schema", shown(.name, Some(*.version)))]
    InputViolates { name: String, version: i32, violations: Vec<Violation>, more: usize },
    #[error("the owner of workflow \"{name}\" does not exist any more")]
    OwnerGone { name: String },
    #[error("the owner of workflow \"{name}\", {owner}, may not use pg_durable any more")]
    OwnerUsage { name: String, owner: String },
    #[error("role \"{0}\" does not exist")]
    UnknownRole(String),
    #[error("waiting is in vain in a transaction that sees one snapshot only")]
    OneSnapshot,
}

fn shown(name: &str, version: Option<i32>) -> String {
    match version {
        Some(version) => format!("version {version} of workflow \"{name}\""),
        None => format!("workflow \"{name}\""),
    }
}

#[expect(clippy::too_many_arguments, reason = "those of the SQL function")]
#[pg_extern]
fn workflow_register(
    name: Option<Text>,
    graph: Option<Text>,
    version: Option<i32>,
    input_schema: Option<Jsonb>,
    output_schema: Option<Jsonb>,
    run_as: Option<&str>,
    durability: Option<&str>,
    database: Option<Text>,
    description: Option<Text>,
    signals: Option<Jsonb>,
) -> Result<i32, ErrorReport> {
    let name = argument::given(name.as_deref(), "name")?;
    let text = argument::given(graph.as_deref(), "graph")?;
    check_name(name)?;
    if version.is_some_and(|version| version < 1) {
        return Err(WorkflowError::Version.into());
    }
    let graph = definition::read(text)?;
    let definition = Definition {
        graph: graph.to_json(),
        input_schema: input_schema.map(|schema| checked_schema("input_schema", schema)).transpose()?,
        output_schema: output_schema.map(|schema| checked_schema("output_schema", schema)).transpose()?,
        signals: signals.map(checked_signals).transpose()?,
        run_as: match run_as.unwrap_or("caller").to_ascii_lowercase() {
            known if known == "caller" || known == "owner" => known,
            other => return Err(WorkflowError::RunAs(other).into()),
        },
        durability: durability.map(argument::durability).transpose()?.map(|known| known.as_str().to_owned()),
        database: database.map(|database| database.0),
    };
    Ok(register(name, version, &graph, definition, description.as_deref())?)
}

fn register(
    name: &str,
    version: Option<i32>,
    graph: &Graph,
    definition: Definition,
    description: Option<&str>,
) -> Result<i32, WorkflowError> {
    let registrar = role::current_user();
    let owner = {
        let _owner = store::as_owner();
        workflows::claim(&Session::open(), name, registrar).ok_or(WorkflowError::OneSnapshot)?
    };
    check_owner(name, owner)?;
    let _owner = store::as_owner();
    let spi = Session::open();
    let known = workflows::get(&spi, name, version);
    let difference = known.as_ref().map(|known| difference_to(known, graph, &definition)).transpose()?;
    let version = match (known, difference.flatten()) {
        (Some(known), None) => {
            if let Some(description) = description
                && known.description.as_deref() != Some(description)
            {
                workflows::describe(&spi, name, known.version, description);
            }
            return Ok(known.version);
        }
        (Some(known), Some(_)) if version.is_none() => {
            known.version.checked_add(1).ok_or(WorkflowError::Version)?
        }
        (Some(known), Some(difference)) => {
            let (name, version) = (name.to_owned(), known.version);
            return Err(WorkflowError::VersionTaken { name, version, difference });
        }
        (None, _) => version.unwrap_or(1),
    };
    let workflow = Workflow { version, definition, description: description.map(str::to_owned) };
    workflows::insert(&spi, name, &workflow, registrar);
    Ok(version)
}

/// A name can be told from ids of instances, and from what else `df.explain` takes.
fn check_name(name: &str) -> Result<(), WorkflowError> {
    if is_workflow_name(name) && wake::instance_number(&name.to_ascii_lowercase()).is_none() {
        Ok(())
    } else {
        Err(WorkflowError::Name(name.chars().take(NAME_MAX).collect()))
    }
}

fn is_workflow_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|part| part.is_alphanumeric() || matches!(part, '_' | '-' | '.' | '/' | ':'))
}

fn checked_schema(argument: &'static str, schema: Jsonb) -> Result<String, WorkflowError> {
    check_schema(argument, &schema.0).map(|()| schema.0)
}

/// The schemas of signals by their names.
fn checked_signals(signals: Jsonb) -> Result<String, WorkflowError> {
    let Ok(Value::Object(schemas)) = serde_json::from_str(&signals.0) else {
        return Err(WorkflowError::Signals);
    };
    for (name, schema) in schemas {
        schema::check(&schema.to_string())
            .map_err(|violation| WorkflowError::SignalSchema { name, violation })?;
    }
    Ok(signals.0)
}

/// Refuses what is no JSON Schema.
pub fn check_schema(argument: &'static str, schema: &str) -> Result<(), WorkflowError> {
    schema::check(schema).map_err(|violation| WorkflowError::Schema { argument, violation })
}

/// What the registered version has otherwise; `None` when it is the same.
fn difference_to(known: &Workflow, graph: &Graph, new: &Definition) -> Result<Option<String>, WorkflowError> {
    let old = &known.definition;
    let mut parts = Vec::new();
    let stored = Graph::from_json(&old.graph).map_err(DefinitionError::from)?;
    parts.extend(difference::of_graphs(&stored, graph));
    for (what, old, new) in [
        ("input_schema", &old.input_schema, &new.input_schema),
        ("output_schema", &old.output_schema, &new.output_schema),
        ("signals", &old.signals, &new.signals),
    ] {
        let pretty = |schema: &Option<String>| {
            let value: Value = schema.as_deref().and_then(|text| serde_json::from_str(text).ok())?;
            serde_json::to_string_pretty(&value).ok()
        };
        let (old, new) = (pretty(old).unwrap_or_default(), pretty(new).unwrap_or_default());
        parts.extend(difference::of_texts(&old, &new).map(|lines| format!("{what}:\n{lines}")));
    }
    for (what, old, new) in [
        ("run_as", Some(&old.run_as), Some(&new.run_as)),
        ("durability", old.durability.as_ref(), new.durability.as_ref()),
        ("database", old.database.as_ref(), new.database.as_ref()),
    ] {
        if old != new {
            let show = |value: Option<&String>| value.map_or("NULL", String::as_str).to_owned();
            parts.push(format!("- {what}: {}\n+ {what}: {}", show(old), show(new)));
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("\n")))
}

#[pg_extern]
fn workflow_unregister(name: Option<Text>, version: Option<i32>) -> Result<i32, ErrorReport> {
    let name = argument::given(name.as_deref(), "name")?;
    let unknown = || WorkflowError::Unknown { name: name.to_owned(), version };
    lock(name)?.ok_or_else(unknown)?;
    let _owner = store::as_owner();
    let spi = Session::open();
    let count = workflows::delete(&spi, name, version);
    if count == 0 {
        return Err(unknown().into());
    }
    if workflows::get(&spi, name, None).is_none() {
        workflows::delete_name(&spi, name);
    }
    Ok(count as i32)
}

/// Keeps a name of the current user's as it is until the end of the transaction; `None` where it is nobody's.
fn lock(name: &str) -> Result<Option<Oid>, WorkflowError> {
    let locked = {
        let _owner = store::as_owner();
        workflows::lock(&Session::open(), name)
    };
    match locked {
        Some(owner) => check_owner(name, owner).map(|()| Some(owner)),
        None => Ok(None),
    }
}

fn check_owner(name: &str, owner: Oid) -> Result<(), WorkflowError> {
    if catalog::acts_as(owner) {
        return Ok(());
    }
    let owner = catalog::role_name(owner).unwrap_or_else(|| "a role that was dropped".to_owned());
    Err(WorkflowError::NotOwner { name: name.to_owned(), owner })
}

#[pg_extern]
fn workflow_grant(name: Text, p_role: Text) -> Result<(), ErrorReport> {
    let (name, grantee) = (&*name, grantee(&p_role)?);
    lock(name)?.ok_or_else(|| WorkflowError::Unknown { name: name.to_owned(), version: None })?;
    let grantor = role::current_user();
    let _owner = store::as_owner();
    workflows::grant(&Session::open(), name, grantee, grantor);
    Ok(())
}

#[pg_extern]
fn workflow_revoke(name: Text, p_role: Text) -> Result<(), ErrorReport> {
    let (name, grantee) = (&*name, grantee(&p_role)?);
    lock(name)?.ok_or_else(|| WorkflowError::Unknown { name: name.to_owned(), version: None })?;
    let _owner = store::as_owner();
    workflows::revoke(&Session::open(), name, grantee);
    Ok(())
}

/// The role of this name; the invalid oid is everybody.
fn grantee(name: &str) -> Result<Oid, WorkflowError> {
    if name == "public" {
        return Ok(Oid::INVALID);
    }
    catalog::role_oid(name).ok_or_else(|| WorkflowError::UnknownRole(name.to_owned()))
}

#[pg_extern]
fn workflow_run(
    name: Option<Text>,
    input: Option<Jsonb>,
    version: Option<i32>,
    label: Option<Text>,
    idempotency_key: Option<Text>,
    transaction_mode: Option<&str>,
) -> Result<String, ErrorReport> {
    let name = argument::given(name.as_deref(), "name")?;
    let input = argument::given(input, "input")?.0;
    let (label, idempotency_key) = (label.as_deref(), idempotency_key.as_deref());
    let call = Call { name, input: &input, version, label, idempotency_key };
    match argument::transaction_mode(transaction_mode)? {
        TransactionMode::Caller => Ok(run(&call)?),
        TransactionMode::New => Ok(run_in_new_transaction(&call)?),
    }
}

/// What was asked of `df.run`.
pub struct Call<'a> {
    pub name: &'a str,
    /// JSON.
    pub input: &'a str,
    pub version: Option<i32>,
    pub label: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
}

impl Call<'_> {
    /// A call without anything but the name.
    pub fn plain(name: &str) -> Call<'_> {
        Call { name, input: "{}", version: None, label: None, idempotency_key: None }
    }
}

/// Starts a registered workflow with the caller's transaction.
pub fn run(call: &Call<'_>) -> Result<String, WorkflowError> {
    let (owner, workflow) = runnable(call.name, call.version)?;
    let definition = &workflow.definition;
    let input: Value = start::read_input(call.input)?;
    if let Some(schema) = &definition.input_schema {
        check_input(call.name, workflow.version, schema, &input)?;
    }
    if is_looking() {
        return Ok(definition.graph.clone());
    }
    let caller = role::current_user();
    let runs_as_owner = definition.run_as == "owner" && owner != caller;
    let (submitter, called_by) = if runs_as_owner { (owner, Some(caller)) } else { (caller, None) };
    if runs_as_owner {
        check_usage(call.name, owner)?;
    }
    let submitter = Submitter::new(submitter)?;
    let mut graph = Graph::from_json(&definition.graph).map_err(DefinitionError::from)?;
    let mut key = call.idempotency_key.map(str::to_owned);
    if runs_as_owner {
        graph = with_variables_of(owner, call.name, graph)?;
        key = key.map(|key| key_of_caller(call.name, caller, &key));
    }
    let start = Start {
        graph: &graph,
        label: Some(call.label.unwrap_or(call.name)),
        database: definition.database.as_deref(),
        idempotency_key: key.as_deref(),
        durability: definition.durability.as_deref().map(argument::durability).transpose()?,
        input: Some(call.input),
    };
    let workflow = Some((call.name, workflow.version));
    Ok(start::start(&start, &Actor { submitter, called_by, workflow })?)
}

fn check_usage(name: &str, owner: Oid) -> Result<(), WorkflowError> {
    let Some(owner_name) = catalog::role_name(owner) else {
        return Err(WorkflowError::OwnerGone { name: name.to_owned() });
    };
    if !catalog::may_start(owner) {
        return Err(WorkflowError::OwnerUsage { name: name.to_owned(), owner: owner_name });
    }
    Ok(())
}

/// The owner's variables are put in at the start: they must not stand in the instance's row, which the caller sees.
fn with_variables_of(owner: Oid, name: &str, graph: Graph) -> Result<Graph, DefinitionError> {
    let owners = variables::of_role(owner);
    // The graph is written out and read again: what it may be altogether is enough for each text.
    let mut left = Some(TEXT_MAX);
    let graph = graph.map_texts(|text| {
        let value = |name: &str| match name {
            "sys_instance_id" | "sys_label" => None,
            _ => owners.get(name).map(|value| value.as_deref().unwrap_or_default().into()),
        };
        // The label is the caller's to choose, and variables are put in as they are: it must not get into the SQL.
        let text = vars::substitute(text, value).map(|text| text.replace("{sys_label}", name));
        left = left.and_then(|left| left.checked_sub(text.as_ref().ok()?.len()));
        text.ok().filter(|_| left.is_some()).unwrap_or_default()
    });
    if left.is_none() {
        return Err(GraphError::from(Problem::TooLong).into());
    }
    // Read again: a variable may have brought a `$n` that has no value.
    Ok(Graph::from_json(&graph.to_json())?)
}

/// Keys of several callers must not meet under the one role that all of them start as. Names of workflows hold no space,
/// and the caller's is quoted, so that the three cannot run into each other.
fn key_of_caller(name: &str, caller: Oid, key: &str) -> String {
    let caller = catalog::role_name(caller).unwrap_or_default().replace('"', "\"\"");
    format!("{name} \"{caller}\" {key}")
}

/// A version of a workflow that the current user may run, with its owner.
pub fn runnable(name: &str, version: Option<i32>) -> Result<(Oid, Workflow), WorkflowError> {
    let unknown = || WorkflowError::Unknown { name: name.to_owned(), version };
    let (owner, workflow) = {
        let _owner = store::as_owner();
        let spi = Session::open();
        (workflows::owner(&spi, name).ok_or_else(unknown)?, workflows::get(&spi, name, version))
    };
    // Most callers are the owner, and need no look at the grants.
    if !catalog::acts_as(owner) {
        let grantees = {
            let _owner = store::as_owner();
            workflows::grantees(&Session::open(), name)
        };
        if !grantees.iter().any(|grantee| *grantee == Oid::INVALID || catalog::acts_as(*grantee)) {
            return Err(unknown());
        }
    }
    workflow.map(|workflow| (owner, workflow)).ok_or_else(unknown)
}

/// What is registered under a name that the current user may run; `None` for any other text.
pub fn definition_of(name: &str) -> Result<Option<Definition>, WorkflowError> {
    if !is_workflow_name(name) {
        return Ok(None);
    }
    match runnable(name, None) {
        Ok((_, workflow)) => Ok(Some(workflow.definition)),
        Err(WorkflowError::Unknown { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

fn check_input(name: &str, version: i32, schema: &str, input: &Value) -> Result<(), WorkflowError> {
    schema::fits(schema, input).map_err(|misfit| match misfit {
        Misfit::Violates { violations, more } => {
            WorkflowError::InputViolates { name: name.to_owned(), version, violations, more }
        }
        Misfit::TooMuchWork => WorkflowError::TooMuchWork { name: name.to_owned(), version },
        Misfit::Schema(violation) => WorkflowError::Schema { argument: "input_schema", violation },
    })
}

fn run_in_new_transaction(call: &Call<'_>) -> Result<String, WorkflowError> {
    // What can be refused is refused here, with the caller's own words.
    runnable(call.name, call.version)?;
    let text = "SELECT df.run($1, $2::pg_catalog.text::pg_catalog.jsonb, $3, $4, $5) AS id";
    let params = [
        json!(call.name),
        json!(call.input),
        json!(call.version),
        json!(call.label),
        json!(call.idempotency_key),
    ];
    Ok(launch::start_elsewhere(text, &params)?)
}
