//! What can be wrong with a graph, and where in it.

use crate::document::Unreadable;
use crate::limits::{MAX_BRACKETS, MAX_DEPTH, MAX_NODES, MAX_PARAM_DEPTH, PARAMS_MAX, TEXT_MAX};
use crate::schedule::ScheduleError;

/// A graph that is refused: the problem, and the node that has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct GraphError {
    problem: Problem,
    path: Option<String>,
}

impl GraphError {
    /// A problem of the node at this path.
    pub(crate) fn at(path: String, problem: Problem) -> GraphError {
        GraphError { problem, path: Some(path) }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Which node has the problem, in the terms of the wire form (`root.left.condition_node`); `None` when it
    /// is not one node's.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Whether the graph may well be right, but exceeds one of our limits.
    pub fn is_limit(&self) -> bool {
        matches!(
            self.problem,
            Problem::TooDeep
                | Problem::TooManyBrackets
                | Problem::TooLong
                | Problem::TooManyNodes
                | Problem::TooManyParams(_)
                | Problem::ParamsTooDeep
        )
    }

    /// What to do about it, where the message alone does not say.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.problem {
            Problem::UnknownType { .. } => Some("The name of a node type is written in capitals."),
            Problem::Unavailable(_) => {
                Some("Call the service outside the workflow and hand the answer in with df.signal().")
            }
            Problem::Embedded { .. } => {
                Some("Make the graph with the df functions, or move the member out of the query string.")
            }
            Problem::InvalidResultName(_) => {
                Some("Use letters, digits and underscores, and begin with a letter.")
            }
            Problem::NoParam { .. } => {
                Some("Give a value for each $n, or write '$n' in quotes where it is text.")
            }
            Problem::TooManyParams(_) => Some("Bind one array or JSON document instead of many values."),
            Problem::TooLong => Some("Keep large values in a table, and have the step read them."),
            Problem::ParamsUnreadable(unreadable) => unreadable.hint(),
            Problem::ParamsTooDeep => Some("Bind the innermost part, or its JSON as text."),
            Problem::TooFewBranches(_) => {
                Some("With a single branch there is nothing to wait for: use it as it is.")
            }
            Problem::NotPartialIf => {
                Some("The operators ?> and !> have the precedence of ~>: put each operand in parentheses.")
            }
            Problem::ErrorWord { .. } => Some(
                "Write a SQLSTATE as 23505, the beginning of some as 23*, or one of all, transient, timeout and http.",
            ),
            Problem::FailureCode(_) => {
                Some("Use five digits and capital letters that begin with none of 00, 01 and 02: P0001, say.")
            }
            Problem::Policy { .. } => None,
            Problem::Schedule(error) => error.hint(),
            Problem::Malformed { .. }
            | Problem::InvalidStep(_)
            | Problem::Child(_)
            | Problem::ChildNotObject
            | Problem::ConditionNotObject
            | Problem::ExtraNotObject
            | Problem::ParamsNotArray
            | Problem::NotAllowed { .. }
            | Problem::Required { .. }
            | Problem::ConfigNotJson { .. }
            | Problem::ConfigNotObject(_)
            | Problem::Config { .. }
            | Problem::TooDeep
            | Problem::TooManyBrackets
            | Problem::TooManyNodes
            | Problem::NegativeSleep
            | Problem::SleepTooLong
            | Problem::EmptySignalName
            | Problem::TimeoutNotPositive
            | Problem::TimeoutTooLong
            | Problem::EmptyResultName => None,
        }
    }
}

impl From<Problem> for GraphError {
    fn from(problem: Problem) -> GraphError {
        GraphError { problem, path: None }
    }
}

/// The kinds of [`GraphError`]. The texts are those of the reference system wherever it has one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A `node_type` that nobody knows.
    #[error("Unknown node_type '{node_type}'. Valid types: {valid}")]
    UnknownType {
        /// What the object says it is.
        node_type: String,
        /// What there is.
        valid: String,
    },
    /// A `node_type` of the reference system that this version cannot carry out.
    #[error("node type {0} is not available in this version of pg_durable")]
    Unavailable(String),
    /// The outermost object has a member of the wrong type.
    #[error("Malformed Durofut JSON with node_type '{node_type}': {reason}")]
    Malformed {
        /// What the object says it is.
        node_type: String,
        /// What is wrong with it.
        reason: String,
    },
    /// [`Problem::Malformed`], as the building functions word it.
    #[error("Invalid Durofut JSON: failed to deserialize workflow step: {0}")]
    InvalidStep(String),
    /// An inner object has a member that is missing or of the wrong type.
    #[error("failed to deserialize Durofut child: {0}")]
    Child(String),
    /// `left_node` or `right_node` is something else.
    #[error("Durofut children must be JSON objects")]
    ChildNotObject,
    /// `condition_node` is something else.
    #[error("condition_node must be a Durofut JSON object")]
    ConditionNotObject,
    /// `extra_nodes` is not an array, or an entry of it is something else.
    #[error("extra_nodes entries must be Durofut JSON objects")]
    ExtraNotObject,
    /// A member that nodes of this type do not have.
    #[error("{member} is not valid for {node_type} nodes")]
    NotAllowed {
        /// The member.
        member: &'static str,
        /// The type of its node.
        node_type: &'static str,
    },
    /// A member that nodes of this type must have.
    #[error("{member} is required in {node_type} nodes")]
    Required {
        /// The member.
        member: &'static str,
        /// The type of its node.
        node_type: &'static str,
    },
    /// A child inside the `query` string, as versions of the reference system before 0.2.6 wrote it.
    #[error("{member} in {node_type} must be a first-class Durofut field, not embedded in query")]
    Embedded {
        /// The member.
        member: &'static str,
        /// The type of its node.
        node_type: &'static str,
    },
    /// A `query` that has to be JSON and is not.
    #[error("query in {node_type} must be valid JSON config: {reason}")]
    ConfigNotJson {
        /// The type of the node.
        node_type: &'static str,
        /// What the JSON parser says.
        reason: String,
    },
    /// A `query` that has to be a JSON object and is not.
    #[error("query in {0} must be a JSON config object")]
    ConfigNotObject(&'static str),
    /// A `query` whose content is wrong.
    #[error("query in {node_type} {reason}")]
    Config {
        /// The type of the node.
        node_type: &'static str,
        /// What is wrong, continuing the sentence.
        reason: String,
    },
    /// Nodes inside nodes inside nodes.
    #[error(
        "Graph exceeds maximum nesting depth of {MAX_DEPTH}. Simplify the workflow or break it into multiple instances."
    )]
    TooDeep,
    /// Brackets inside brackets, whoever's they are.
    #[error(
        "the graph's JSON has more than {MAX_BRACKETS} brackets open at once: graphs may be nested {MAX_DEPTH} levels deep, values in params {MAX_PARAM_DEPTH}"
    )]
    TooManyBrackets,
    /// A text that is too long.
    #[error("the graph's text is longer than {} MB", TEXT_MAX / (1024 * 1024))]
    TooLong,
    /// A graph that is too large.
    #[error(
        "Workflow exceeds maximum node count of {MAX_NODES}. Simplify the workflow or break it into multiple instances."
    )]
    TooManyNodes,
    /// A sleep into the past.
    #[error("Sleep duration must be non-negative")]
    NegativeSleep,
    /// A sleep that nobody will see the end of.
    #[error("Sleep duration must not exceed 100 years")]
    SleepTooLong,
    /// A bad cron expression or time zone.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A signal without a name.
    #[error("Signal name cannot be empty")]
    EmptySignalName,
    /// A wait that is over before it begins.
    #[error("Timeout must be positive")]
    TimeoutNotPositive,
    /// A wait that nobody will see the end of.
    #[error("Timeout must not exceed 100 years")]
    TimeoutTooLong,
    /// `|=> ''`.
    #[error("df.as: result name cannot be empty")]
    EmptyResultName,
    /// A name that `$name` could not refer to.
    #[error("df.as: result name '{0}' is not a valid identifier \u{2014} must match [a-zA-Z_][a-zA-Z0-9_]*")]
    InvalidResultName(String),
    /// A JOIN or RACE of one branch or none.
    #[error("{0} needs at least two branches")]
    TooFewBranches(&'static str),
    /// A `$n` without a value.
    #[error("there is no value for ${number}: params has {count}")]
    NoParam {
        /// The `n` of `$n`.
        number: usize,
        /// How many values there are.
        count: usize,
    },
    /// More values than a statement can bind.
    #[error("params has {0} values, more than the {PARAMS_MAX} that a statement can bind")]
    TooManyParams(usize),
    /// A value with arrays or objects inside each other without end.
    #[error("params holds a value that is nested more than {MAX_PARAM_DEPTH} levels deep")]
    ParamsTooDeep,
    /// `jsonb` holds it, and we do not.
    #[error("params {0}")]
    ParamsUnreadable(Unreadable),
    /// `params` is something else.
    #[error("params must be an array")]
    ParamsNotArray,
    /// A word that stands for no SQLSTATEs.
    #[error("{member} has '{word}', which stands for no failures")]
    ErrorWord {
        /// Where the word stands.
        member: &'static str,
        /// The word.
        word: String,
    },
    /// A part of what a RETRY or CATCH does that it cannot do.
    #[error("{member} {reason}")]
    Policy {
        /// The part.
        member: &'static str,
        /// What is wrong, continuing the sentence.
        reason: &'static str,
    },
    /// A SQLSTATE that no failure can have.
    #[error("'{0}' is no SQLSTATE that a failure can have")]
    FailureCode(String),
    /// `!>` after something that is not `?>`.
    #[error("Invalid if-then-else: left side of !> must be a ?> expression")]
    NotPartialIf,
}
