//! Having the server look at a workflow before it runs.

use crate::{
    CheckError, Client, Define, Fault, ServerError, Workflow, WorkflowError,
    connection::{Parameter, text},
};
use serde_json::Value;
use tokio_postgres::{Row, types::Type};

/// The SQLSTATE of what only a run can tell.
const NOTE: &str = "01000";

/// What [`Client::check`] takes: a `&Workflow`, or what stands for a [`Definition`](crate::Definition).
pub trait Checkable {
    /// The graph as JSON, or what the builder sees to be wrong; and the JSON Schema of the input, where it has
    /// one.
    fn to_check(self) -> (Result<String, WorkflowError>, Option<Value>);
}

impl<T> Checkable for &Workflow<T> {
    fn to_check(self) -> (Result<String, WorkflowError>, Option<Value>) {
        (self.graph().map(|graph| graph.to_json()), None)
    }
}

impl<D: Define> Checkable for D {
    fn to_check(self) -> (Result<String, WorkflowError>, Option<Value>) {
        let definition = self.define();
        let (graph, _) = definition.workflow().to_check();
        (graph, Some(definition.input_schema()))
    }
}

/// Checking.
impl Client {
    /// Asks the server to parse and plan every SQL step as the current role, without running it: whether tables,
    /// columns and rights are there, and whether types fit, with those of earlier steps' results and of the
    /// input.
    ///
    /// Errs with everything that is wrong. Returns what only a run can tell, such as a step that needs a table
    /// which an earlier one creates; most workflows have nothing of that. Nothing is changed, and nothing stays
    /// locked.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{CheckError, Client, Definition, Workflow, sql};
    /// # async fn check(client: &Client, fulfil: fn() -> Definition<i64, i64>) -> Result<(), CheckError> {
    /// let workflow = Workflow::new().step(sql("INSERT INTO visits (shop) VALUES (7)"));
    /// match client.check(&workflow).await {
    ///     Err(CheckError::Workflow(error)) => {
    ///         for fault in error.faults() {
    ///             eprintln!("{}: {} ({:?})", fault.path, fault.message, fault.sqlstate);
    ///         }
    ///     }
    ///     checked => {
    ///         checked?.iter().for_each(|note| println!("{}: {}", note.path, note.message));
    ///     }
    /// }
    /// client.check(fulfil).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(&self, workflow: impl Checkable) -> Result<Vec<Fault>, CheckError> {
        const SQL: &str = "SELECT path, sqlstate, message, hint FROM df.check($1, $2)";
        let (graph, schema) = workflow.to_check();
        let graph = graph?;
        let parameters: [Parameter<'_>; 2] = [text(&graph), (&schema, Type::JSONB)];
        let rows = self.query_again(SQL, &parameters).await?;
        let found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let (notes, faults) = found.into_iter().partition(|it| it.sqlstate.as_deref() == Some(NOTE));
        WorkflowError::unless_empty(faults)?;
        Ok(notes)
    }
}

fn read(row: &Row) -> Result<Fault, ServerError> {
    Ok(Fault {
        path: row.try_get(0)?,
        sqlstate: row.try_get(1)?,
        message: row.try_get(2)?,
        hint: row.try_get(3)?,
    })
}
