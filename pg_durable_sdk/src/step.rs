//! A step that runs SQL.

use crate::{
    __private::{Statement, with_faults},
    Output, Part, ResultName, TypedPart,
    fault::Misplaced,
    name::{Named, SharedName},
};
use pg_durable_graph::kind::Sql;
use serde_json::Value;
use std::{fmt, marker::PhantomData};

/// A step that runs SQL, and the handle of its result; made by [`sql`].
///
/// `T` is the type that its result is read as, [`Output`] unless [`returns`](Self::returns) says otherwise.
/// A `&Step` is a part as well as a `Step`, so that a step can be added to a workflow and captured by a later
/// one. Clones stand for the same step.
#[must_use]
pub struct Step<T = Output> {
    query: String,
    /// What `$1`, `$2`, … of the query stand for.
    params: Vec<Value>,
    faults: Vec<Misplaced>,
    name: Option<String>,
    captured: SharedName,
    result: PhantomData<fn() -> T>,
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
    Step::of(query.into(), Vec::new(), Vec::new())
}

impl Step {
    fn of(query: String, params: Vec<Value>, faults: Vec<Misplaced>) -> Self {
        Self { query, params, faults, name: None, captured: SharedName::default(), result: PhantomData }
    }
}

impl Statement {
    /// The step that `sql!` is.
    pub fn sql(self) -> Step {
        Step::of(self.query, self.params, self.faults)
    }
}

impl<T> Step<T> {
    /// Names the result, so that later steps find it as `$name`. A later name replaces an earlier one.
    ///
    /// A name is made of ASCII letters, digits and underscores and does not begin with a digit.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let workflow = Workflow::new().step(sql("SELECT 1").named("one")).step(sql("SELECT $one + 1"));
    /// # assert!(workflow.graph().is_ok());
    /// ```
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says what the result is read as: by [`Run::result`](crate::Run::result) where it is the workflow's
    /// last step, and by captures of its fields. [`Output::read`] tells what fits.
    ///
    /// ```
    /// use pg_durable_sdk::{Step, sql};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Hold { id: i64, sku: String }
    ///
    /// let hold: Step<Hold> =
    ///     sql("UPDATE stock SET held = held + 1 WHERE sku = 'A-1' RETURNING id, sku").returns::<Hold>();
    /// let all: Step<Vec<Hold>> = sql("SELECT id, sku FROM holds").returns();
    /// ```
    pub fn returns<U>(self) -> Step<U> {
        Step {
            query: self.query,
            params: self.params,
            faults: self.faults,
            name: self.name,
            captured: self.captured,
            result: PhantomData,
        }
    }

    /// The name under which steps that capture this one refer to its result: its own, or that of the variable
    /// from which it is captured first. What `sql!` expands to calls this.
    #[doc(hidden)]
    pub fn captured_from(&self, variable: &str) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.captured.captured_from(variable))
    }
}

impl<T> Clone for Step<T> {
    fn clone(&self) -> Self {
        Self {
            query: self.query.clone(),
            params: self.params.clone(),
            faults: self.faults.clone(),
            name: self.name.clone(),
            captured: self.captured.clone(),
            result: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().or(self.captured.get());
        f.debug_struct("Step").field("query", &self.query).field("name", &name).finish()
    }
}

impl<T> From<Step<T>> for Part {
    fn from(step: Step<T>) -> Self {
        let part = Part::leaf(Sql::bound(step.query, step.params));
        let part = with_faults(part, step.faults);
        match step.name {
            Some(name) => part.named(Some(name)),
            None => part.capturable(step.captured),
        }
    }
}

impl<T> From<&Step<T>> for Part {
    fn from(step: &Step<T>) -> Self {
        step.clone().into()
    }
}

impl<T> TypedPart for Step<T> {
    type Result = T;
}

impl<T> TypedPart for &Step<T> {
    type Result = T;
}

impl<T> From<&Step<T>> for ResultName {
    fn from(step: &Step<T>) -> Self {
        Self(match &step.name {
            Some(name) => Named::As(name.clone()),
            None => Named::ByCapture(step.captured.clone()),
        })
    }
}
