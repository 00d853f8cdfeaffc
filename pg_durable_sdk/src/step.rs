//! A step that runs SQL.

use crate::Part;
use pg_durable_graph::kind::{NodeKind, Sql};

/// A step that runs SQL; made by [`sql`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Step {
    query: String,
    name: Option<String>,
}

/// A step that runs one or more SQL statements, separated by `;`, in one transaction.
///
/// `$name`, `$name.column`, `$name?` and `$name.*` stand for the results of earlier steps; they are sent as
/// parameters and never become SQL text. The result of the last statement is the step's.
///
/// ```
/// use pg_durable_sdk::{Workflow, sql};
///
/// let workflow = Workflow::new()
///     .step(sql("SELECT id, region FROM shops WHERE open LIMIT 1").named("shop"))
///     .step(sql("INSERT INTO visits (shop, region) VALUES ($shop.id, $shop.region)"));
/// # assert!(workflow.graph().is_ok());
/// ```
pub fn sql(query: impl Into<String>) -> Step {
    Step { query: query.into(), name: None }
}

impl Step {
    /// Names the result, so that later steps find it as `$name`. A later name replaces an earlier one.
    ///
    /// A name is made of ASCII letters, digits and underscores and does not begin with a digit.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl From<Step> for Part {
    fn from(step: Step) -> Self {
        Part::leaf(Ok(NodeKind::Sql(Sql { query: step.query }))).named(step.name)
    }
}
