//! SQL: one or more statements as one step.

/// Runs SQL as the submitting role, in one transaction with its checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Sql {
    /// Statements separated by `;`, with `$name` references and `{name}` variables.
    pub query: String,
}

/// What a crash in the middle of a step means for the step's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Effect and checkpoint commit together.
    ExactlyOnce,
    /// The statement commits by itself, so a crash right after it runs it again.
    AtLeastOnce,
    /// A procedure or `DO` block: exactly once unless it commits inside.
    ExactlyOnceUnlessCommits,
}
