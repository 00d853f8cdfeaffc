//! Registered workflows: registering them, running them, and who may.

use pg_durable_graph::{Graph, difference, vars};
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::error::ApiError;
use super::instance::{self, Actor, Start};
use super::{not_a_step, schema};
use crate::engine::statement::Values;
use crate::engine::wake;
use crate::pg::json::Jsonb;
use crate::pg::spi::Session;
use crate::pg::{catalog, role};
use crate::store::workflows::{Definition, Workflow};
use crate::store::{self, workflows};

/// The longest name, in bytes.
const NAME_MAX: usize = 200;

#[expect(clippy::too_many_arguments, reason = "those of the SQL function")]
#[pg_extern]
fn workflow_register(
    name: Option<&str>,
    graph: Option<&str>,
    version: Option<i32>,
    input_schema: Option<Jsonb>,
    output_schema: Option<Jsonb>,
    run_as: Option<&str>,
    durability: Option<&str>,
    database: Option<&str>,
    description: Option<&str>,
) -> Result<i32, ErrorReport> {
    let name = name.ok_or(ApiError::NullArgument("name"))?;
    let text = graph.ok_or(ApiError::NullArgument("graph"))?;
    check_name(name)?;
    if version.is_some_and(|version| version < 1) {
        return Err(ApiError::WorkflowVersion.into());
    }
    if text.trim().is_empty() {
        return Err(ApiError::EmptyGraph.into());
    }
    not_a_step::refuse_result(text)?;
    let graph = Graph::from_json(text).map_err(ApiError::InvalidGraph)?;
    let definition = Definition {
        graph: graph.to_json(),
        input_schema: input_schema.map(|schema| checked_schema("input_schema", schema)).transpose()?,
        output_schema: output_schema.map(|schema| checked_schema("output_schema", schema)).transpose()?,
        run_as: match run_as.unwrap_or("caller").to_ascii_lowercase() {
            known if known == "caller" || known == "owner" => known,
            other => return Err(ApiError::RunAs(other).into()),
        },
        durability: durability.map(instance::durability).transpose()?.map(str::to_owned),
        database: database.map(str::to_owned),
    };
    Ok(register(name, version, &graph, definition, description)?)
}

fn register(
    name: &str,
    version: Option<i32>,
    graph: &Graph,
    definition: Definition,
    description: Option<&str>,
) -> Result<i32, ApiError> {
    let registrar = role::current_user();
    let owner = {
        let _owner = store::as_owner();
        workflows::claim(&Session::open(), name, registrar).ok_or(ApiError::OneSnapshot)?
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
            known.version.checked_add(1).ok_or(ApiError::WorkflowVersion)?
        }
        (Some(known), Some(difference)) => {
            let (name, version) = (name.to_owned(), known.version);
            return Err(ApiError::VersionTaken { name, version, difference });
        }
        (None, _) => version.unwrap_or(1),
    };
    let workflow = Workflow { version, definition, description: description.map(str::to_owned) };
    workflows::insert(&spi, name, &workflow, registrar);
    Ok(version)
}

/// A name can be told from ids of instances, and from what else `df.explain` takes.
fn check_name(name: &str) -> Result<(), ApiError> {
    if is_workflow_name(name) && wake::instance_number(&name.to_ascii_lowercase()).is_none() {
        Ok(())
    } else {
        Err(ApiError::WorkflowName(name.chars().take(NAME_MAX).collect()))
    }
}

fn is_workflow_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|part| part.is_alphanumeric() || matches!(part, '_' | '-' | '.' | '/' | ':'))
}

fn checked_schema(argument: &'static str, schema: Jsonb) -> Result<String, ApiError> {
    check_schema(argument, &schema.0).map(|()| schema.0)
}

/// Refuses what is no JSON Schema.
pub fn check_schema(argument: &'static str, schema: &str) -> Result<(), ApiError> {
    schema::check(schema).map_err(|violation| ApiError::Schema { argument, violation })
}

/// What the registered version has otherwise; `None` when it is the same.
fn difference_to(known: &Workflow, graph: &Graph, new: &Definition) -> Result<Option<String>, ApiError> {
    let old = &known.definition;
    let mut parts = Vec::new();
    let stored = Graph::from_json(&old.graph).map_err(ApiError::InvalidGraph)?;
    parts.extend(difference::of_graphs(&stored, graph));
    for (what, old, new) in [
        ("input_schema", &old.input_schema, &new.input_schema),
        ("output_schema", &old.output_schema, &new.output_schema),
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
fn workflow_unregister(name: Option<&str>, version: Option<i32>) -> Result<i32, ErrorReport> {
    let name = name.ok_or(ApiError::NullArgument("name"))?;
    let unknown = || ApiError::UnknownWorkflow { name: name.to_owned(), version };
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
fn lock(name: &str) -> Result<Option<Oid>, ApiError> {
    let locked = {
        let _owner = store::as_owner();
        workflows::lock(&Session::open(), name)
    };
    match locked {
        Some(owner) => check_owner(name, owner).map(|()| Some(owner)),
        None => Ok(None),
    }
}

fn check_owner(name: &str, owner: Oid) -> Result<(), ApiError> {
    if catalog::acts_as(owner) {
        return Ok(());
    }
    let owner = catalog::role_name(owner).unwrap_or_else(|| "a role that was dropped".to_owned());
    Err(ApiError::NotOwner { name: name.to_owned(), owner })
}

#[pg_extern]
fn workflow_grant(name: &str, p_role: &str) -> Result<(), ErrorReport> {
    let grantee = grantee(p_role)?;
    lock(name)?.ok_or_else(|| ApiError::UnknownWorkflow { name: name.to_owned(), version: None })?;
    let grantor = role::current_user();
    let _owner = store::as_owner();
    workflows::grant(&Session::open(), name, grantee, grantor);
    Ok(())
}

#[pg_extern]
fn workflow_revoke(name: &str, p_role: &str) -> Result<(), ErrorReport> {
    let grantee = grantee(p_role)?;
    lock(name)?.ok_or_else(|| ApiError::UnknownWorkflow { name: name.to_owned(), version: None })?;
    let _owner = store::as_owner();
    workflows::revoke(&Session::open(), name, grantee);
    Ok(())
}

/// The role of this name; the invalid oid is everybody.
fn grantee(name: &str) -> Result<Oid, ApiError> {
    if name == "public" {
        return Ok(Oid::INVALID);
    }
    catalog::role_oid(name).ok_or_else(|| ApiError::UnknownRole(name.to_owned()))
}

#[pg_extern]
fn workflow_run(
    name: Option<&str>,
    input: Option<Jsonb>,
    version: Option<i32>,
    label: Option<&str>,
    idempotency_key: Option<&str>,
    transaction_mode: Option<&str>,
) -> Result<String, ErrorReport> {
    let name = name.ok_or(ApiError::NullArgument("name"))?;
    let input = input.ok_or(ApiError::NullArgument("input"))?.0;
    let call = Call { name, input: &input, version, label, idempotency_key };
    let mode = transaction_mode.unwrap_or("caller");
    match mode.to_ascii_lowercase().as_str() {
        "caller" => Ok(run(&call)?),
        "new" => Ok(run_in_new_transaction(&call)?),
        _ => Err(ApiError::TransactionMode(mode.to_owned()).into()),
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
pub fn run(call: &Call<'_>) -> Result<String, ApiError> {
    let (owner, workflow) = runnable(call.name, call.version)?;
    let definition = &workflow.definition;
    let input: Value = serde_json::from_str(call.input).map_err(|_| ApiError::InputTooDeep)?;
    if let Some(schema) = &definition.input_schema {
        check_input(call.name, workflow.version, schema, &input)?;
    }
    if super::explain::is_looking() {
        return Ok(definition.graph.clone());
    }
    let start = Start {
        fut: &definition.graph,
        label: Some(call.label.unwrap_or(call.name)),
        database: definition.database.as_deref(),
        idempotency_key: call.idempotency_key,
        durability: definition.durability.as_deref(),
        input: Some(call.input),
    };
    let workflow_of = Some((call.name, workflow.version));
    let caller = role::current_user();
    if definition.run_as != "owner" || owner == caller {
        return instance::start_as(
            &start,
            &Actor { submitter: caller, called_by: None, workflow: workflow_of },
        );
    }
    let owner_name =
        catalog::role_name(owner).ok_or_else(|| ApiError::OwnerGone { name: call.name.to_owned() })?;
    if !catalog::may_use_schema(owner) {
        return Err(ApiError::OwnerUsage { name: call.name.to_owned(), owner: owner_name });
    }
    // The owner's variables are put in now: they must not stand in the instance's row, which the caller sees.
    let owners = instance::variables(owner);
    let graph = Graph::from_json(&definition.graph).map_err(ApiError::InvalidGraph)?;
    let graph = graph.map_texts(|text| {
        let value = |name: &str| match name {
            "sys_instance_id" | "sys_label" => None,
            _ => owners.get(name).map(|value| value.as_deref().unwrap_or_default().into()),
        };
        // The label is the caller's to choose, and variables are put in as they are: it must not get into the SQL.
        vars::substitute(text, value).replace("{sys_label}", call.name)
    });
    let graph = graph.to_json();
    // Keys of several callers must not meet under the one role that all of them start as.
    let caller_name = catalog::role_name(caller).unwrap_or_default();
    // Names of workflows hold no space, and the caller's is quoted, so that the three cannot run into each other.
    let caller_name = caller_name.replace('"', "\"\"");
    let key = call.idempotency_key.map(|key| format!("{} \"{caller_name}\" {key}", call.name));
    let start = Start { fut: &graph, idempotency_key: key.as_deref(), ..start };
    instance::start_as(&start, &Actor { submitter: owner, called_by: Some(caller), workflow: workflow_of })
}

/// A version of a workflow that the current user may run, with its owner.
pub fn runnable(name: &str, version: Option<i32>) -> Result<(Oid, Workflow), ApiError> {
    let unknown = || ApiError::UnknownWorkflow { name: name.to_owned(), version };
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
pub fn definition_of(name: &str) -> Result<Option<Definition>, ApiError> {
    if !is_workflow_name(name) {
        return Ok(None);
    }
    match runnable(name, None) {
        Ok((_, workflow)) => Ok(Some(workflow.definition)),
        Err(ApiError::UnknownWorkflow { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

fn check_input(name: &str, version: i32, schema: &str, input: &Value) -> Result<(), ApiError> {
    let (violations, more) = schema::violations(schema, input)
        .map_err(|violation| ApiError::Schema { argument: "input_schema", violation })?;
    if violations.is_empty() {
        return Ok(());
    }
    Err(ApiError::InputViolates { name: name.to_owned(), version, violations, more })
}

fn run_in_new_transaction(call: &Call<'_>) -> Result<String, ApiError> {
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
    instance::start_elsewhere(text, &Values { params: &params, ..Values::default() })
}

#[pg_extern]
fn workflow_called_result(instance_id: &str) -> Option<String> {
    let caller = role::current_user();
    let _owner = store::as_owner();
    workflows::called_result(&Session::open(), instance_id, caller)
}
