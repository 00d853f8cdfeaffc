//! SQL: the user's statements and the checkpoint, in one transaction.

use std::cell::Cell;
use std::collections::HashMap;

use pg_durable_graph::kind::Sql;
use pg_durable_graph::progress::Bindings;
use pg_durable_graph::template::{self, Context, Piece, Resolved, Template};
use pg_durable_graph::{Column, NodeId, Outcome, vars};
use pgrx::pg_sys;
use serde_json::Value;

use super::After;
use crate::engine::failure::{Failure, Stop};
use crate::engine::instance::{Flush, Instance};
use crate::pg::caught::{self, Caught};
use crate::pg::portal::{self, Literals, Parameter, Script, ScriptResult};
use crate::pg::spi::Session;
use crate::pg::xact::{self, Transaction};
use crate::pg::{activity, gucs, value};
use crate::store;

/// Which part of the step's transaction is under way: an error in the user's part is the step's failure, one while
/// storing the outcome may be the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Statements,
    Checkpoint,
    Commit,
}

/// Runs the step. `is_abandoned` tells whether a cancellation came from the engine.
pub fn carry_out(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    is_abandoned: impl Fn() -> bool,
) -> Result<After, Stop> {
    let text = vars::substitute(&sql.query, |name| instance.var(name).map(Into::into)).into_owned();
    activity::show_statement(&text);
    let phase = Cell::new(Phase::Statements);
    let done = match instance.database.clone() {
        None => caught::catch(|| here(instance, leaf, &text, &phase)),
        Some(database) => {
            let bindings = instance.bindings(leaf).cloned().unwrap_or_default();
            match crate::pg::remote::run(&database, &text, &bindings) {
                Ok(result) => {
                    instance.note_delivery(true);
                    return crate::engine::run::complete_as(instance, leaf, outcome(result)?, Flush::AsRole);
                }
                Err(failure) if failure.sqlstate == "57014" && is_abandoned() => return Err(Stop::Abandoned),
                Err(failure) => return Err(Stop::Failed { node: leaf, failure }),
            }
        }
    };
    portal::disarm_statement_timeout();
    done.unwrap_or_else(|caught| {
        if caught.is_cancellation() && is_abandoned() {
            return Err(Stop::Abandoned);
        }
        Err(match phase.get() {
            Phase::Statements => Stop::Failed { node: leaf, failure: caught.into() },
            Phase::Checkpoint | Phase::Commit if is_servers(&caught, phase.get()) => {
                Stop::Unstored(caught.into())
            }
            Phase::Checkpoint | Phase::Commit => Stop::Failed { node: leaf, failure: caught.into() },
        })
    })
}

fn here(instance: &mut Instance, leaf: NodeId, text: &str, phase: &Cell<Phase>) -> Result<After, Stop> {
    let transaction = Transaction::begin();
    let empty = HashMap::new();
    let result = run_text(text, instance.bindings(leaf).unwrap_or(&empty))
        .map_err(|failure| Stop::Failed { node: leaf, failure })?;
    instance.note_delivery(result.has_committed);
    let outcome = outcome(result)?;
    phase.set(Phase::Checkpoint);
    let after = {
        let _writable = xact::Writable::enter();
        let _owner = store::as_owner();
        let spi = Session::open();
        let branch = instance.progress.graph().branch(leaf);
        let next = instance.progress.complete(leaf, outcome);
        instance.settle(&spi, branch, next, Flush::AsRole)?
    };
    phase.set(Phase::Commit);
    transaction.commit();
    Ok(after)
}

/// Whether an error says more about the server than about the step: the step is then tried again later.
fn is_servers(caught: &Caught, phase: Phase) -> bool {
    let class = &caught.sqlstate[..2];
    let is_resource = matches!(class, "53" | "58" | "XX") || caught.sqlstate.starts_with("57P");
    // A serialisation failure or deadlock that comes up behind the user's statements: the transaction has left nothing
    // behind, and the same may well succeed now.
    let is_conflict = class == "40";
    is_resource || is_conflict || (phase == Phase::Checkpoint && class != "57")
}

fn outcome(result: ScriptResult) -> Result<Outcome, Stop> {
    let value = serde_json::from_str(&result.json)
        .map_err(|error| Stop::Unstored(Failure::new("XX000", format!("result is not JSON: {error}"))))?;
    Ok(Outcome { value, columns: Some(result.columns) })
}

/// Runs a text with references in the current transaction. A PostgreSQL error unwinds.
pub fn run_text(text: &str, bindings: &Bindings) -> Result<ScriptResult, Failure> {
    let template = Template::parse(text, |name| bindings.contains_key(name));
    let result_max = gucs::max_result_size();
    if !template.has_references() {
        let script = Script { text, parameters: &[], literals: None, result_max };
        return Ok(portal::run(&script)?);
    }
    xact::read_standard_strings();
    let bound = bind(&template, bindings)?;
    let script = Script {
        text: &bound.text,
        parameters: &bound.parameters,
        literals: Some(&bound.literals),
        result_max,
    };
    Ok(portal::run(&script)?)
}

struct Bound {
    text: String,
    literals: Literals,
    parameters: Vec<Parameter>,
}

/// Puts parameters in place of references, and in a second text literals, for statements that take no parameters.
fn bind(template: &Template, bindings: &Bindings) -> Result<Bound, Failure> {
    let mut bound = Bound { text: String::new(), literals: Literals::default(), parameters: Vec::new() };
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for piece in &template.pieces {
        let (reference, context) = match piece {
            Piece::Text(text) => {
                bound.text.push_str(text);
                bound.literals.text.push_str(text);
                continue;
            }
            Piece::Reference { reference, context } => (reference, *context),
        };
        let outcome = bindings.get(&reference.name).expect("the template knows bound names only");
        let resolved = template::resolve(reference, outcome)?;
        let quoted = match context {
            Context::Code => None,
            Context::Literal | Context::EscapeLiteral => Some(context.escape(&resolved.text()).into_owned()),
            Context::Body => Some(literal(&resolved, &reference.name, template::body_literal)),
        };
        if let Some(text) = quoted {
            bound.text.push_str(&text);
            bound.literals.text.push_str(&text);
            continue;
        }
        let start = bound.literals.text.len();
        bound.literals.text.push_str(&literal(&resolved, &reference.name, template::sql_literal));
        let number = *numbers.entry(reference.to_string()).or_insert_with(|| {
            bound.parameters.push(parameter(&resolved));
            bound.parameters.len()
        });
        let parameter = match &resolved {
            Resolved::Rows { rows, columns } => {
                row_source(&format!("${number}"), &reference.name, rows, *columns)
            }
            Resolved::Value { .. } | Resolved::Document(_) | Resolved::Null { .. } => format!("${number}"),
        };
        bound.text.push_str(&parameter);
        bound.literals.places.push((start..bound.literals.text.len(), parameter));
    }
    Ok(bound)
}

fn parameter(resolved: &Resolved<'_>) -> Parameter {
    match resolved {
        Resolved::Value { value, type_name } => {
            let type_oid = match type_name {
                Some(name) => value::type_of_name(name),
                None => type_of_json(value),
            };
            Parameter { value: (*value).clone(), type_oid }
        }
        Resolved::Document(value) => Parameter { value: (*value).clone(), type_oid: pg_sys::JSONBOID },
        Resolved::Null { type_name } => {
            Parameter { value: Value::Null, type_oid: type_name.map_or(pg_sys::TEXTOID, value::type_of_name) }
        }
        Resolved::Rows { rows, .. } => {
            Parameter { value: Value::Array(rows.to_vec()), type_oid: pg_sys::JSONBOID }
        }
    }
}

/// The type of a value that did not come from SQL.
fn type_of_json(value: &Value) -> pg_sys::Oid {
    match value {
        Value::Bool(_) => pg_sys::BOOLOID,
        Value::Number(number) if number.is_i64() => pg_sys::INT8OID,
        Value::Number(_) => pg_sys::NUMERICOID,
        Value::String(_) | Value::Null => pg_sys::TEXTOID,
        Value::Array(_) | Value::Object(_) => pg_sys::JSONBOID,
    }
}

fn row_source(rows_text: &str, name: &str, rows: &[Value], columns: Option<&[Column]>) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = match columns {
        Some(columns) => {
            columns.iter().map(|column| format!("{} {}", quote(&column.name), column.type_name)).collect()
        }
        // Rows that did not come from SQL: their fields as JSON.
        None => match rows.first().and_then(Value::as_object) {
            Some(first) => first.keys().map(|key| format!("{} pg_catalog.jsonb", quote(key))).collect(),
            None => Vec::new(),
        },
    };
    if columns.is_empty() {
        return format!("(SELECT NULL WHERE false) AS {}", quote(name));
    }
    format!("pg_catalog.jsonb_to_recordset({rows_text}) AS {}({})", quote(name), columns.join(", "))
}

fn literal(resolved: &Resolved<'_>, name: &str, quote: impl Fn(&Value) -> String) -> String {
    match resolved {
        Resolved::Value { value, .. } => quote(value),
        Resolved::Document(value) => quote(&Value::String(value.to_string())),
        Resolved::Null { .. } => "NULL".to_owned(),
        Resolved::Rows { rows, columns } => {
            let json = quote(&Value::String(Value::Array(rows.to_vec()).to_string()));
            row_source(&format!("{json}::pg_catalog.jsonb"), name, rows, *columns)
        }
    }
}
