//! `df.check()`.

use pg_durable_graph::{Failure, Graph};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::argument;
use super::definition::{self, DefinitionError};
use super::registry::{self, WorkflowError};
use crate::check::{self, Finding};
use crate::pg::json::Jsonb;
use crate::pg::role;
use crate::pg::text::Text;
use crate::store::vars;

/// Why there are no findings.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    #[error("{}", .0.message)]
    Failed(Failure),
}

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn graph_check(
    graph: Option<Text>,
    input_schema: Option<Jsonb>,
) -> Result<
    TableIterator<
        'static,
        (name!(path, Option<Text>), name!(sqlstate, String), name!(message, Text), name!(hint, Option<Text>)),
    >,
    ErrorReport,
> {
    let text = argument::given(graph, "graph")?;
    let findings = findings(&text, input_schema.as_ref().map(|schema| schema.0.as_str()))?;
    Ok(TableIterator::new(
        findings
            .into_iter()
            .map(|finding| {
                let hint = finding.hint.map(Text);
                (Some(Text(finding.path)), finding.sqlstate, Text(finding.message), hint)
            })
            .collect::<Vec<_>>(),
    ))
}

fn findings(text: &str, input_schema: Option<&str>) -> Result<Vec<Finding>, CheckError> {
    let registered = registry::definition_of(text)?;
    let graph = registered.as_ref().map_or(text, |definition| &definition.graph);
    let schema =
        input_schema.or(registered.as_ref().and_then(|definition| definition.input_schema.as_deref()));
    definition::refuse_empty(graph)?;
    let schema: Option<Value> = match schema {
        Some(schema) => {
            registry::check_schema("input_schema", schema)?;
            serde_json::from_str(schema).ok()
        }
        None => None,
    };
    let graph = match Graph::from_json(graph) {
        Ok(graph) => graph,
        Err(error) => {
            return Ok(vec![Finding {
                path: error.path().unwrap_or("root").to_owned(),
                sqlstate: if error.is_limit() { "54000" } else { "22023" }.to_owned(),
                message: error.to_string(),
                hint: error.hint().map(str::to_owned),
            }]);
        }
    };
    let variables = vars::of_role(role::current_user());
    check::check(&graph, schema.as_ref(), &variables).map_err(CheckError::Failed)
}
