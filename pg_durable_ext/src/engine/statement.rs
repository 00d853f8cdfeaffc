//! A text with what its references and `$n` stand for: planned, or run in the current transaction.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use pg_durable_graph::limits::EXPANDED_MAX;
use pg_durable_graph::progress::Bindings;
use pg_durable_graph::template::{self, Context, INPUT, Piece, ReferenceError, Resolved, Source, Template};
use pg_durable_graph::vars::{self, TooLong};
use pg_durable_graph::{Column, Failure, NodeId, columns};
use pgrx::pg_sys;
use serde_json::Value;

use super::instance::Instance;
use crate::pg::inference::{Parameter, Typing};
use crate::pg::portal::{self, Script, ScriptResult};
use crate::pg::probe::{self, Probe};
use crate::pg::statement::Literals;
use crate::pg::{gucs, value, xact};

/// What references and `$n` of a step's text stand for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values<'a> {
    /// The named results that the step sees.
    pub bindings: Option<&'a Bindings>,
    /// The instance's input.
    pub input: Option<&'a Value>,
    /// The bound values of `$1`, `$2`, …
    pub params: &'a [Value],
}

impl<'a> Values<'a> {
    /// What `$name` stands for.
    pub fn get(&self, name: &str) -> Option<Source<'a>> {
        let result = self.bindings.and_then(|bindings| bindings.get(name)).map(|found| Source::Result(found));
        result.or_else(|| self.input.filter(|_| name == INPUT).map(Source::Input))
    }
}

/// A text that is no SQL with its variables and references put in, as a node sees them.
pub fn expand(instance: &Instance, node: NodeId, text: &str) -> Result<String, Failure> {
    let text = vars::substitute(text, |name| instance.var(name).map(Into::into))?;
    let values = Values { bindings: instance.bindings(node), input: instance.input(), params: &[] };
    let lookup = |name: &str| values.get(name);
    let template = Template::parse_text(&text, |name| lookup(name).is_some());
    Ok(template::render_text(&template, lookup)?)
}

/// Plans a text with references, and does not run it. See [`probe::probe`].
pub fn probe_text(text: &str, values: &Values<'_>, defines: &Cell<bool>) -> Result<Probe, Failure> {
    let template = template_of(text, values);
    if !template.has_references() {
        return Ok(probe::probe(text, &[], None, defines)?);
    }
    xact::read_standard_strings();
    let bound = bind(&template, values)?;
    Ok(probe::probe(&bound.text, &bound.parameters, Some(&bound.literals), defines)?)
}

/// A text cut at what `values` knows.
pub fn template_of(text: &str, values: &Values<'_>) -> Template {
    // `$input` is known even where there is none, for the sake of the error.
    let is_known = |name: &str| name == INPUT || values.get(name).is_some();
    Template::parse_bound(text, values.params.len(), is_known)
}

/// Runs a text with references in the current transaction. A PostgreSQL error unwinds.
pub fn run_text(text: &str, values: &Values<'_>) -> Result<ScriptResult, Failure> {
    let template = template_of(text, values);
    let result_max = gucs::max_result_size();
    if !template.has_references() {
        let script = Script { text, parameters: &[], literals: None, result_max };
        return Ok(portal::run(&script)?);
    }
    xact::read_standard_strings();
    let bound = bind(&template, values)?;
    let script = Script {
        text: &bound.text,
        parameters: &bound.parameters,
        literals: Some(&bound.literals),
        result_max,
    };
    Ok(portal::run(&script)?)
}

/// A text with parameters in place of references and `$n`.
pub struct Bound {
    pub text: String,
    /// The same with literals, for statements that take no parameters.
    pub literals: Literals,
    pub parameters: Vec<Parameter>,
    numbers: HashMap<String, usize>,
}

impl Bound {
    fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
        self.literals.text.push_str(text);
    }

    /// Puts a parameter, one for all places with the same `key`; `place` makes from its `$n` what stands in the text.
    fn push_parameter(
        &mut self,
        key: String,
        literal: &str,
        parameter: impl FnOnce() -> Parameter,
        place: impl FnOnce(String) -> String,
    ) {
        let start = self.literals.text.len();
        self.literals.text.push_str(literal);
        let number = *self.numbers.entry(key).or_insert_with(|| {
            self.parameters.push(parameter());
            self.parameters.len()
        });
        let placed = place(format!("${number}"));
        self.text.push_str(&placed);
        self.literals.places.push((start..self.literals.text.len(), placed));
    }
}

/// Puts parameters in place of references, and in a second text literals, for statements that take no parameters.
fn bind(template: &Template, values: &Values<'_>) -> Result<Bound, Failure> {
    let mut bound = Bound {
        text: String::new(),
        literals: Literals::default(),
        parameters: Vec::new(),
        numbers: HashMap::new(),
    };
    for piece in &template.pieces {
        if bound.text.len().max(bound.literals.text.len()) > EXPANDED_MAX {
            return Err(TooLong.into());
        }
        let (reference, context) = match piece {
            Piece::Text(text) => {
                bound.push_text(text);
                continue;
            }
            Piece::Param(number) => {
                let value = number.checked_sub(1).and_then(|place| values.params.get(place));
                let value = value.ok_or_else(|| no_param(*number, values.params.len()))?;
                let parameter = || Parameter { value: value.clone(), typing: Typing::ByContext };
                let literal = template::sql_literal(value);
                bound.push_parameter(format!("${number}"), &literal, parameter, |place| place);
                continue;
            }
            Piece::Reference { reference, context } => (reference, *context),
        };
        let found = match values.get(&reference.name) {
            Some(source) => template::resolve(reference, source, context)?,
            // Only the input can be missing here. In quotes and bodies the text may well be meant.
            None if context != Context::Code => {
                bound.push_text(&reference.to_string());
                continue;
            }
            None if reference.nullable => Resolved::Part(None).into(),
            None => return Err(ReferenceError::NoInput(reference.clone()).into()),
        };
        let resolved = &found.resolved;
        if context.is_quoted() {
            bound.push_text(&context.escape(&resolved.text()));
        } else if context == Context::Body {
            bound.push_text(&literal(resolved, &reference.name, template::body_literal));
        } else {
            // What is left to the server, a field of a composite type, wants parentheses before it.
            let around = |text: String| if found.rest.is_empty() { text } else { format!("({text})") };
            let literal = around(literal(resolved, &reference.name, template::sql_literal));
            bound.push_parameter(
                reference.to_string(),
                &literal,
                || parameter(resolved),
                |place| match resolved {
                    Resolved::Rows { rows, columns } => row_source(&place, &reference.name, rows, *columns),
                    Resolved::Value { .. }
                    | Resolved::Document(_)
                    | Resolved::Part(_)
                    | Resolved::Null { .. } => around(place),
                },
            );
        }
        bound.push_text(&found.rest);
    }
    Ok(bound)
}

fn no_param(number: usize, count: usize) -> Failure {
    Failure::new("42P02", format!("there is no value for ${number}: the step binds {count}"))
        .hint("Give a value for each $n, or write '$n' in quotes where it is text.")
}

fn parameter(resolved: &Resolved<'_>) -> Parameter {
    let known = |value: Value, type_oid| Parameter { value, typing: Typing::Known(type_oid) };
    match resolved {
        Resolved::Value { value, type_name } => {
            let type_oid = match type_name {
                Some(name) => value::type_of_name(name),
                None => type_of_json(value),
            };
            known((*value).clone(), type_oid)
        }
        Resolved::Document(value) | Resolved::Part(Some(value @ Value::Object(_))) => {
            known((*value).clone(), pg_sys::JSONBOID)
        }
        Resolved::Part(part) => {
            Parameter { value: part.cloned().unwrap_or_default(), typing: Typing::ByContext }
        }
        Resolved::Null { type_name } => {
            let type_oid = type_name.map_or(pg_sys::TEXTOID, value::type_of_name);
            Parameter { value: Value::Null, typing: Typing::Null(type_oid) }
        }
        Resolved::Rows { rows, .. } => known(Value::Array(rows.to_vec()), pg_sys::JSONBOID),
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
    let columns: Vec<(String, Cow<'_, Column>)> = match columns {
        Some(columns) => {
            columns::members(columns).into_iter().zip(columns.iter().map(Cow::Borrowed)).collect()
        }
        // Rows that did not come from SQL: their fields as JSON.
        None => match rows.first().and_then(Value::as_object) {
            Some(first) => first
                .keys()
                .map(|key| (key.clone(), Cow::Owned(Column::new(key, "pg_catalog.jsonb"))))
                .collect(),
            None => Vec::new(),
        },
    };
    let name = quote(name);
    if columns.is_empty() {
        return format!("(SELECT NULL WHERE false) AS {name}");
    }
    let typed: Vec<String> =
        columns.iter().map(|(member, column)| format!("{} {}", quote(member), column.type_name)).collect();
    let records = format!("pg_catalog.jsonb_to_recordset({rows_text}) AS");
    if columns.iter().all(|(_, column)| column.json_nulls.is_empty()) {
        return format!("{records} {name}({})", typed.join(", "));
    }
    // It takes every null for NULL; where a column has that of JSON, it is put in again by the number of the row.
    let names: Vec<String> = columns.iter().map(|(member, _)| quote(member)).collect();
    let values: Vec<String> = columns
        .iter()
        .zip(&names)
        .map(|((_, column), name)| {
            if column.json_nulls.is_empty() {
                return name.clone();
            }
            let rows: Vec<String> = column.json_nulls.iter().map(|row| (row + 1).to_string()).collect();
            let rows = format!("'{{{}}}'::pg_catalog.int8[]", rows.join(","));
            let null = format!("'null'::{}", column.type_name);
            format!("CASE WHEN ordinality OPERATOR(pg_catalog.=) ANY ({rows}) THEN {null} ELSE {name} END AS {name}")
        })
        .collect();
    format!(
        "(SELECT {} FROM (SELECT * FROM ROWS FROM ({records} ({})) WITH ORDINALITY AS r({}, ordinality)) AS r) AS {name}",
        values.join(", "),
        typed.join(", "),
        names.join(", "),
    )
}

fn literal(resolved: &Resolved<'_>, name: &str, quote: impl Fn(&Value) -> String) -> String {
    match resolved {
        Resolved::Value { value: Value::Null, .. } => quote(&Value::from("null")),
        Resolved::Value { value, .. } | Resolved::Part(Some(value)) => quote(value),
        Resolved::Document(value) => quote(&Value::String(value.to_string())),
        Resolved::Null { .. } | Resolved::Part(None) => "NULL".to_owned(),
        Resolved::Rows { rows, columns } => {
            let json = quote(&Value::String(Value::Array(rows.to_vec()).to_string()));
            row_source(&format!("{json}::pg_catalog.jsonb"), name, rows, *columns)
        }
    }
}
