//! `df.explain()`.

use pg_durable_graph::explain::{self, InstanceHeader};
use pg_durable_graph::rights::Sight;
use pg_durable_graph::{Failure, Graph};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::definition::DefinitionError;
use super::looking::Looking;
use super::node::Shown;
use super::registry::{self, WorkflowError};
use super::visible;
use crate::engine::wake;
use crate::pg::encoding;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::pg::xact;
use crate::store::{EngineError, seen};

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    #[error("the nodes of instance {0} are its owner's")]
    OwnersNodes(String),
    #[error("the texts of instance {0} are not shown to the current role")]
    HiddenTexts(String),
    #[error("Instance not found: {0}")]
    UnknownInstance(String),
    #[error(
        "Cannot explain input: not a valid Durofut JSON, instance ID, SQL statement, or DSL expression.\nHint: DSL expressions use df.*() functions and operators like ~>, |=>, &, |."
    )]
    Unexplainable,
    #[error("Failed to evaluate expression: {}", .0.message)]
    Expression(Failure),
    #[error("{}", .0.message)]
    Ended(Failure),
    #[error("Expression returned NULL")]
    ExpressionNull,
    #[error("the stored instance cannot be read")]
    Stored(#[from] EngineError),
}

#[pg_extern]
fn instance_explain(input: Text) -> Result<Text, ErrorReport> {
    let text = explained(&input)?;
    Ok(Text(if encoding::is_utf8() { text } else { explain::in_ascii(&text) }))
}

fn explained(input: &str) -> Result<String, ErrorReport> {
    let input = input.trim();
    let lower = input.to_ascii_lowercase();
    if wake::instance_number(&lower).is_some() {
        return Ok(instance(&lower)?);
    }
    if let Some(definition) = registry::definition_of(input)? {
        let graph = Graph::from_json(&definition.graph).map_err(DefinitionError::from)?;
        return Ok(explain::explain(&graph, |_| None));
    }
    match graph(input) {
        // Clients of the reference system look for the message in the text.
        Err(
            error
            @ (ExplainError::Definition(_) | ExplainError::Expression(_) | ExplainError::ExpressionNull),
        ) => Ok(told(&error)),
        other => Ok(other?),
    }
}

/// What is wrong with a graph, as text.
fn told(error: &ExplainError) -> String {
    let hint = match error {
        ExplainError::Definition(DefinitionError::Graph(source)) => source.hint().map(str::to_owned),
        ExplainError::Expression(failure) => failure.hint.clone(),
        _ => None,
    };
    match hint {
        Some(hint) => format!("{error}\nHint: {hint}"),
        None => error.to_string(),
    }
}

fn instance(id: &str) -> Result<String, ExplainError> {
    let Some(shown) = Shown::load(id)? else {
        return Err(match visible::find(id) {
            Some(_) => ExplainError::OwnersNodes(id.to_owned()),
            None => ExplainError::UnknownInstance(id.to_owned()),
        });
    };
    if shown.sight == Sight::Shape {
        return Err(ExplainError::HiddenTexts(id.to_owned()));
    }
    let nodes = shown.nodes();
    let mut status = shown.instance.status.clone();
    if let Some(first) = status.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let info = visible::read(|| seen::info(&Session::open(), id));
    let output = info.and_then(|(info, _)| info.output);
    let header = InstanceHeader {
        id: &shown.instance.id,
        label: shown.instance.label.as_deref(),
        status: &status,
        output: output.as_deref(),
    };
    Ok(explain::explain_instance(&header, &shown.graph, |node| Some(nodes[node.index()].mark)))
}

fn graph(input: &str) -> Result<String, ExplainError> {
    /// What an SQL statement may begin with.
    const VERBS: [&str; 16] = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP", "CALL", "DO", "TRUNCATE",
        "GRANT", "REVOKE", "EXPLAIN", "VACUUM", "REINDEX",
    ];
    let is_json = input.starts_with('{');
    let verb = input.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_statement = VERBS.contains(&verb.to_ascii_uppercase().as_str());
    let is_expression =
        ["~>", "|=>", "?>", "!>", "@>", "df."].iter().any(|operator| input.contains(operator));
    let text = if is_json {
        input.to_owned()
    } else if is_expression && !is_statement {
        // Evaluated with the caller's rights; df.start(...) gives back its graph instead of starting it.
        let evaluated = xact::without_trace(|| {
            let _looking = Looking::begin();
            Session::open().evaluate(input)
        });
        match evaluated {
            Ok(text) => text.ok_or(ExplainError::ExpressionNull)?,
            // Whoever has cancelled it, or ends the session, is not to be told what the graph looks like.
            Err(failure) if failure.sqlstate.starts_with("57") => return Err(ExplainError::Ended(failure)),
            Err(failure) => return Err(ExplainError::Expression(failure)),
        }
    } else if is_statement {
        input.to_owned()
    } else {
        return Err(ExplainError::Unexplainable);
    };
    let graph = Graph::from_json(&text).map_err(DefinitionError::from)?;
    Ok(explain::explain(&graph, |_| None))
}
