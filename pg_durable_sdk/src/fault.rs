//! What is wrong with a workflow before anything is sent.

use pg_durable_graph::{Graph, GraphError, NodeId, lint::LintError};
use serde::Serialize;
use std::fmt;

/// One thing that is wrong with a workflow, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The node, as a path through the wire form such as `root.left.condition_node`.
    pub path: String,
    /// The SQLSTATE, where the server found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where the message alone does not say.
    pub hint: Option<String>,
}

/// A workflow that cannot be started as it is: everything that the builder sees to be wrong with it.
///
/// ```
/// use pg_durable_sdk::{Workflow, sql};
/// use std::time::Duration;
///
/// let error = Workflow::new()
///     .step(sql("SELECT 1"))
///     .wait_for_schedule("0 25 * * *")
///     .graph()
///     .unwrap_err();
/// assert_eq!(error.faults()[0].path, "root.right");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowError {
    /// Never empty.
    faults: Vec<Fault>,
}

impl WorkflowError {
    /// Everything that is wrong, in the order of the graph; never empty.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The path of the first node that is wrong.
    pub fn path(&self) -> &str {
        &self.faults[0].path
    }

    /// What to do about the first fault, where its message alone does not say.
    pub fn hint(&self) -> Option<&str> {
        self.faults[0].hint.as_deref()
    }

    /// Fails with these faults, if there are any.
    pub(crate) fn unless_empty(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { faults }) }
    }
}

impl fmt::Display for WorkflowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.faults.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.path, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for WorkflowError {}

/// A fault whose node may still move, as the graph around it grows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Misplaced {
    pub(crate) node: NodeId,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Misplaced {
    /// A fault of the root of a part.
    pub(crate) fn at_root(error: &GraphError) -> Self {
        Self { node: NodeId::ROOT, message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }

    pub(crate) fn moved_by(mut self, nodes: u32) -> Self {
        self.node.0 += nodes;
        self
    }

    pub(crate) fn placed_in(self, graph: &Graph) -> Fault {
        Fault { path: graph.path(self.node), sqlstate: None, message: self.message, hint: self.hint }
    }
}

impl From<&GraphError> for Fault {
    fn from(error: &GraphError) -> Self {
        Fault {
            path: error.path().unwrap_or("root").to_owned(),
            sqlstate: None,
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl From<LintError> for Fault {
    fn from(error: LintError) -> Self {
        Fault { path: error.path, sqlstate: None, message: error.message, hint: error.hint }
    }
}

impl From<Fault> for WorkflowError {
    fn from(fault: Fault) -> Self {
        WorkflowError { faults: vec![fault] }
    }
}
