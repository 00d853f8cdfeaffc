//! Looking at a graph as its steps would be run, without running them: what `df.check` tells.

mod sample;
mod shape;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pg_durable_graph::kind::Text;
use pg_durable_graph::progress::Bindings;
use pg_durable_graph::template::{self, Context, Field, INPUT, Reference, ReferenceError, Source, Template};
use pg_durable_graph::{Column, Failure, Graph, NodeId, columns, vars};
use serde_json::Value;

use crate::engine::statement::{self, Values};
use crate::pg::{latch, xact};
use shape::{Shape, Shapes};

/// SQLSTATE of what cannot be checked: a warning.
pub const NOT_CHECKABLE: &str = "01000";

/// Something to be told about a graph.
#[derive(Debug, Clone)]
pub struct Finding {
    pub path: String,
    pub sqlstate: String,
    pub message: String,
    pub hint: Option<String>,
}

/// Looks at all steps of a graph in the order in which they are carried out, as the current user. An error that is not the
/// graph's (the session is cancelled, say) comes back as such.
pub fn check(
    graph: &Graph,
    input_schema: Option<&Value>,
    variables: &HashMap<String, Option<String>>,
) -> Result<Vec<Finding>, Failure> {
    let mut findings: Vec<Finding> = graph
        .lint()
        .into_iter()
        .map(|error| Finding {
            path: error.path,
            sqlstate: "22023".to_owned(),
            message: error.message,
            hint: error.hint,
        })
        .collect();
    let known_bad: HashSet<String> = findings.iter().map(|finding| finding.path.clone()).collect();
    // The path of a late step in a long chain is long.
    let is_known_bad = |id: NodeId| !known_bad.is_empty() && known_bad.contains(&graph.path(id));
    let mut checker = Checker {
        graph,
        variables,
        input: input_schema.map_or(Value::Null, sample::of_schema),
        shapes: Shapes::new(graph),
        defines: false,
        findings: Vec::new(),
    };
    for (id, node) in graph.iter() {
        latch::check_interrupts();
        let Some(leaf) = node.kind.leaf().filter(|_| !is_known_bad(id)) else { continue };
        for text in leaf.texts() {
            match text {
                Text::Sql { text, params } => checker.step(id, text, params)?,
                Text::Plain(text) => checker.text(id, text)?,
            }
        }
    }
    findings.extend(checker.findings);
    Ok(findings)
}

struct Checker<'a> {
    graph: &'a Graph,
    variables: &'a HashMap<String, Option<String>>,
    /// A sample of the input; NULL where nothing is known of it.
    input: Value,
    shapes: Shapes<'a>,
    /// An earlier step may have made objects or given rights.
    defines: bool,
    findings: Vec<Finding>,
}

/// What a step's references stand for, as samples.
struct Samples {
    bindings: Bindings,
    input: Value,
    /// Some of it may be of any type.
    is_vague: bool,
    /// Some of it stands in text, where the sample may matter.
    is_text: bool,
    /// Columns that are asked for, with a `?` that would hide that there are none.
    hidden: Vec<ReferenceError>,
}

impl Checker<'_> {
    fn step(&mut self, id: NodeId, text: &str, params: &[Value]) -> Result<(), Failure> {
        let text = self.substitute(text)?;
        let samples = self.samples(id, &Template::parse(&text, |name| self.is_known(name)));
        for error in &samples.hidden {
            let failure = Failure::from(error.clone());
            self.findings.push(Finding {
                path: self.graph.path(id),
                sqlstate: failure.sqlstate,
                message: failure.message,
                hint: Some(format!(
                    "With a question mark it is NULL in every run. {}",
                    failure.hint.unwrap_or_default()
                )),
            });
        }
        let values = Values { bindings: Some(&samples.bindings), input: Some(&samples.input), params };
        let defines = Cell::new(self.defines);
        let probed = xact::without_trace(|| statement::probe_text(&text, &values, &defines));
        self.defines = defines.get();
        let failure = match probed.flatten() {
            Ok(probe) => {
                self.findings.extend(repeated(self.graph, id, probe.columns.as_deref().unwrap_or_default()));
                let shape = probe
                    .columns
                    .map_or(Shape::Open, |columns| Shape::Rows { columns, is_vague: samples.is_vague });
                self.shapes.insert(id, shape);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if matches!(&failure.sqlstate[..2], "57" | "53" | "58" | "XX") {
            return Err(failure);
        }
        let path = self.graph.path(id);
        let finding = match self.excuse(&failure, &samples) {
            Some((why, hint)) => Finding {
                path,
                sqlstate: NOT_CHECKABLE.to_owned(),
                message: format!("cannot be checked, {why}: {}", failure.message),
                hint: Some(hint.to_owned()),
            },
            None => {
                Finding { path, sqlstate: failure.sqlstate, message: failure.message, hint: failure.hint }
            }
        };
        self.findings.push(finding);
        Ok(())
    }

    /// Why an error may well not happen when the step is run.
    fn excuse(&self, failure: &Failure, samples: &Samples) -> Option<(&'static str, &'static str)> {
        /// Undefined table, column, function, object, schema, parameter type; no right.
        const OF_OBJECTS: [&str; 6] = ["42P01", "42703", "42883", "42704", "3F000", "42501"];
        /// Ambiguous or undefined function, mismatch, indeterminate or ambiguous types, no cast.
        const OF_TYPES: [&str; 7] = ["42725", "42883", "42804", "42P18", "42P08", "42846", "42809"];
        let code = failure.sqlstate.as_str();
        if self.defines && OF_OBJECTS.contains(&code) {
            return Some((
                "an earlier step may make what it needs",
                "Check it in a database where those steps have been run.",
            ));
        }
        if samples.is_vague && OF_TYPES.contains(&code) {
            return Some((
                "it depends on types that only a run shows",
                "Cast the reference, as in $name.member::int, or give an input schema.",
            ));
        }
        if samples.is_text && code.starts_with("22") && code != "22023" {
            return Some((
                "it depends on a value inside quotes or a body",
                "Use the reference outside of quotes, where it is a parameter.",
            ));
        }
        None
    }

    /// Checks the references of text that is not SQL.
    fn text(&mut self, id: NodeId, text: &str) -> Result<(), Failure> {
        let text = self.substitute(text)?;
        let template = Template::parse_text(&text, |name| self.is_known(name));
        let samples = self.samples(id, &template);
        let lookup = |name: &str| match samples.bindings.get(name) {
            Some(outcome) => Some(Source::Result(outcome)),
            None => (name == INPUT).then_some(Source::Input(&samples.input)),
        };
        if let Err(error) = template::render_text(&template, lookup) {
            let Failure { sqlstate, message, hint, .. } = error.into();
            let path = self.graph.path(id);
            self.findings.push(Finding { path, sqlstate, message, hint });
        }
        Ok(())
    }

    fn substitute(&self, text: &str) -> Result<String, Failure> {
        let value = |name: &str| match name {
            "sys_instance_id" => Some("00000000".into()),
            "sys_label" => Some("check".into()),
            _ => self.variables.get(name).map(|value| value.as_deref().unwrap_or_default().into()),
        };
        Ok(vars::substitute(text, value)?.into_owned())
    }

    fn is_known(&self, name: &str) -> bool {
        name == INPUT || self.shapes.has_name(name)
    }

    fn samples(&self, at: NodeId, template: &Template) -> Samples {
        let mut samples = Samples {
            bindings: HashMap::new(),
            input: self.input.clone(),
            is_vague: false,
            is_text: false,
            hidden: Vec::new(),
        };
        let mut outcomes: HashMap<String, pg_durable_graph::Outcome> = HashMap::new();
        for (reference, context) in template.references() {
            samples.is_text |= context != Context::Code;
            if reference.name == INPUT && !self.shapes.has_name(INPUT) {
                samples.is_vague |= sample::reach(&self.input, &mut samples.input, path_of(reference));
                continue;
            }
            let shape = self.shapes.of_name(&reference.name, path_of(reference).first().copied(), at);
            samples.hidden.extend(hidden(reference, &shape));
            let known = shape.sample();
            let outcome = outcomes.entry(reference.name.clone()).or_insert_with(|| known.clone());
            samples.is_vague |= match &shape {
                Shape::Rows { is_vague, .. } => {
                    *is_vague | reach_in_row(&known.value, &mut outcome.value, path_of(reference))
                }
                Shape::Document(_) | Shape::Open => {
                    sample::reach(&known.value, &mut outcome.value, path_of(reference))
                }
            };
        }
        samples.bindings = outcomes.into_iter().map(|(name, outcome)| (name, Arc::new(outcome))).collect();
        samples
    }
}

/// Why a `?` makes NULL of a column: there is none of the name, whatever the rows hold.
fn hidden(reference: &Reference, shape: &Shape) -> Option<ReferenceError> {
    let Shape::Rows { columns, .. } = shape else { return None };
    let column = *path_of(reference).first()?;
    let is_missing = reference.nullable && columns::of_member(columns, column).is_none();
    is_missing.then(|| ReferenceError::NoField {
        reference: reference.clone(),
        field: column.to_owned(),
        available: columns::members(columns),
    })
}

/// A warning of columns whose name a reference, or who reads the result of the whole, could not tell apart.
fn repeated(graph: &Graph, step: NodeId, columns: &[Column]) -> Option<Finding> {
    /// What the server calls a column without a name: only a reference to the first column is meant for it.
    const NAMELESS: &str = "?column?";
    let is_named = graph.node(step).result_name.is_some();
    let name = columns::repeated(columns).into_iter().find(|name| is_named || *name != NAMELESS)?;
    let members = columns::ambiguous(columns, name);
    Some(Finding {
        path: graph.path(step),
        sqlstate: NOT_CHECKABLE.to_owned(),
        message: format!("{} columns have the name '{name}'", members.len()),
        hint: Some(format!("Name each with AS. In the result they are {}.", members.join(", "))),
    })
}

/// The members that a reference follows.
fn path_of(reference: &Reference) -> Vec<&str> {
    match &reference.field {
        Field::First | Field::Rows => Vec::new(),
        Field::Column(column) => vec![column],
        Field::Deep(path) => path.iter().map(String::as_str).collect(),
    }
}

/// [`sample::reach`] into the only row; without a path into its first column.
fn reach_in_row(known: &Value, value: &mut Value, path: Vec<&str>) -> bool {
    let known = &known["rows"][0];
    let row = &mut value["rows"][0];
    let Some(first) = known.as_object().and_then(|row| row.keys().next()) else { return false };
    // A column as a whole has its type, if it is there at all.
    let is_part = path.len() > 1;
    let path = if path.is_empty() { vec![first.as_str()] } else { path };
    sample::reach(known, row, path) && is_part
}
