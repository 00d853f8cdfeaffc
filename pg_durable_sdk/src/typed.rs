//! Which type a part's result is read as.

use crate::{Output, Part, Schedule, Signal, Step, Workflow};

/// A part of a workflow, with the type that its result is read as.
///
/// That of a [`Step`] or [`Workflow`] is what its `returns` says; any other result is an [`Output`].
/// [`Workflow::step`] takes it on: a workflow returns what its last step does.
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

impl<T> TypedPart for Step<T> {
    type Result = T;
}

impl<T> TypedPart for &Step<T> {
    type Result = T;
}

impl<T> TypedPart for Workflow<T> {
    type Result = T;
}

impl<T> TypedPart for &Workflow<T> {
    type Result = T;
}

impl TypedPart for Signal {
    type Result = Output;
}

impl TypedPart for Schedule {
    type Result = Output;
}

impl TypedPart for Part {
    type Result = Output;
}
