//! Which type a part's result is read as.
//!
//! A leaf's type implements [`TypedPart`] and `From` for [`Part`], in its own file. It is then a step, a branch, and
//! what a word of `#[workflow]` may stand for: nothing else knows which types there are.

use crate::{Output, Part};

/// A part of a workflow, with the type that its result is read as.
///
/// That of a [`Step`](crate::Step) or [`Workflow`](crate::Workflow) is what its `returns` says; any other result is
/// an [`Output`]. [`Workflow::step`](crate::Workflow::step) takes it on: a workflow returns what its last step does.
///
/// ```
/// use pg_durable_sdk::{TypedPart, Workflow, sql};
///
/// fn twice<P: TypedPart + Clone>(part: P) -> Workflow<P::Result> {
///     Workflow::new().step(part.clone()).step(part)
/// }
/// let counted: Workflow<i64> = twice(sql("SELECT count(*) FROM orders").returns::<i64>());
/// ```
pub trait TypedPart: Into<Part> {
    /// What the result is read as.
    type Result;
}

impl TypedPart for Part {
    type Result = Output;
}
