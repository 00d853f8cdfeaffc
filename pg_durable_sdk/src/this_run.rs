//! The instance that a step belongs to, as its own SQL sees it.

/// What [`run`] stands for in a text.
#[derive(Debug)]
#[non_exhaustive]
pub struct ThisRun {
    /// The id of the instance, a text.
    pub id: String,
}

/// The instance that a step will belong to: in [`sql!`](macro@crate::sql), `{run.id}` is its id.
///
/// It is for captures only, and is a word of [`#[workflow]`](macro@crate::workflow), where it needs no import. A variable
/// named `run` takes its place, as it does anywhere in Rust.
///
/// ```
/// use pg_durable_sdk::{Workflow, run, sql};
///
/// let workflow = Workflow::new().step(sql!("INSERT INTO outbox (run, task) VALUES ({run.id}, 'pack')"));
/// # workflow.graph()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run() -> ThisRun {
    unreachable!("`run` is captured in a text, and never called")
}
