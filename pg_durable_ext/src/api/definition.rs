//! Definitions of workflows, as callers hand them over.

use pg_durable_graph::{Graph, GraphError};

use super::not_a_step::{self, NotAStep};

/// Why a text defines no workflow.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("Invalid durable function: it is empty")]
    Empty,
    #[error(transparent)]
    NotAStep(#[from] NotAStep),
    #[error("{}", message(.0))]
    Graph(#[from] GraphError),
}

/// Reads a graph in wire form, or the SQL of a single step.
pub fn read(text: &str) -> Result<Graph, DefinitionError> {
    refuse_empty(text)?;
    Ok(Graph::from_json(text)?)
}

/// Refuses what is no text to read a graph from.
pub fn refuse_empty(text: &str) -> Result<(), DefinitionError> {
    if text.trim().is_empty() {
        return Err(DefinitionError::Empty);
    }
    Ok(not_a_step::refuse_result(text)?)
}

fn message(error: &GraphError) -> String {
    match error.path() {
        Some(path) => format!("Invalid durable function graph: {path}: {error}"),
        None => format!("Invalid durable function: {error}"),
    }
}
