//! What a function of the SQL API refuses. `report.rs` gives each its SQLSTATE and HINT.

use pg_durable_graph::GraphError;

use super::schema::Violation;
use crate::engine::failure::{EngineError, Failure};

/// See the module. The texts are those that clients of the reference system match.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    Graph(GraphError),
    #[error("{}", invalid_graph(.0))]
    InvalidGraph(GraphError),
    #[error("Invalid durable function: it is empty")]
    EmptyGraph,
    #[error("Sleep duration must be non-negative")]
    SleepNegative,
    #[error("Sleep duration must be at most 100 years")]
    SleepTooLong,
    #[error("Timeout must be positive")]
    TimeoutNotPositive,
    #[error("{0} must not be NULL")]
    NullArgument(&'static str),
    #[error("invalid transaction_mode \"{0}\" for df.start(): expected 'caller' or 'new'")]
    TransactionMode(String),
    #[error("invalid durability \"{0}\" for df.start(): expected 'step' or 'barrier'")]
    Durability(String),
    #[error("{}", .0.message)]
    Check(Failure),
    #[error("the engine's clock cannot be moved in this server")]
    NoTestClock,
    #[error("the clock cannot be moved backwards")]
    ClockBackwards,
    #[error("the clock cannot be moved that far")]
    ClockTooFar,
    #[error("invalid name of a workflow: \"{0}\"")]
    WorkflowName(String),
    #[error("the version of a workflow must be at least 1")]
    WorkflowVersion,
    #[error("invalid run_as \"{0}\" for df.register(): expected 'caller' or 'owner'")]
    RunAs(String),
    #[error("{argument} is not a JSON Schema that can be used")]
    Schema { argument: &'static str, violation: Violation },
    #[error("workflow \"{name}\" belongs to {owner}")]
    NotOwner { name: String, owner: String },
    #[error("version {version} of workflow \"{name}\" is registered with another definition")]
    VersionTaken { name: String, version: i32, difference: String },
    #[error("{} does not exist, or may not be run by the current role", workflow_version(.name, *.version))]
    UnknownWorkflow { name: String, version: Option<i32> },
    #[error("input of {} does not fit its schema", workflow_version(.name, Some(*.version)))]
    InputViolates { name: String, version: i32, violations: Vec<Violation>, more: usize },
    #[error("the owner of workflow \"{name}\" does not exist any more")]
    OwnerGone { name: String },
    #[error("the owner of workflow \"{name}\", {owner}, may not use pg_durable any more")]
    OwnerUsage { name: String, owner: String },
    #[error("role \"{0}\" does not exist")]
    UnknownRole(String),
    #[error("the nodes of instance {0} are its owner's")]
    OwnersNodes(String),
    #[error("the input is nested more than 127 levels deep")]
    InputTooDeep,
    #[error("database \"{0}\" does not exist")]
    UnknownDatabase(String),
    #[error("database \"{0}\" does not take connections")]
    NoConnections(String),
    #[error("role \"{role}\" may not connect to database \"{database}\"")]
    NoConnect { role: String, database: String },
    #[error(
        "current_user \"{0}\" does not have LOGIN privilege. The background worker must connect as this role to execute SQL. Grant LOGIN to this role or call df.start() as a role with LOGIN."
    )]
    NoLogin(String),
    #[error(
        "pg_durable: superuser instances are disabled. current_user \"{0}\" is a superuser, but pg_durable.enable_superuser_instances is off. Set pg_durable.enable_superuser_instances = on to allow this."
    )]
    SuperuserInstances(String),
    #[error("pg_durable must be loaded via shared_preload_libraries.")]
    NotPreloaded,
    #[error("Instance ID cannot be empty")]
    EmptyInstanceId,
    #[error("Signal name cannot be empty")]
    EmptySignalName,
    #[error("Instance not found or access denied: {0}")]
    NotFound(String),
    #[error("Instance not found: {0}")]
    UnknownInstance(String),
    #[error("instance {id} is already {status}")]
    Terminal { id: String, status: String },
    #[error(
        "Timeout after {secs}s waiting for instance {id} (status: {status}). Check if background worker is running."
    )]
    AwaitTimeout { id: String, secs: i32, status: String },
    #[error("{0}")]
    InWorkflow(&'static str),
    #[error("waiting is in vain in a transaction that sees one snapshot only")]
    OneSnapshot,
    #[error("too many sessions wait for instances")]
    TooManyWaiters,
    #[error("df.{0} cannot be used as a workflow step. Call df.{0} before df.start().")]
    NotAStep(String),
    #[error(
        "pg_durable: transaction_mode => 'new' launch limit reached (max_new_transaction_starts={limit}). Timed out after {secs}s waiting for a launch slot before opening the session."
    )]
    LaunchLimit { limit: usize, secs: u64 },
    #[error("df.start() on new transaction failed: {}", .0.message)]
    NewTransaction(Failure),
    #[error(
        "Cannot explain input: not a valid Durofut JSON, instance ID, SQL statement, or DSL expression.\nHint: DSL expressions use df.*() functions and operators like ~>, |=>, &, |."
    )]
    CannotExplain,
    #[error("Expression returned NULL")]
    ExpressionNull,
    #[error("No nodes found for instance '{0}'")]
    NoNodes(String),
    #[error("the stored instance cannot be read")]
    Stored(#[from] EngineError),
}

fn workflow_version(name: &str, version: Option<i32>) -> String {
    match version {
        Some(version) => format!("version {version} of workflow \"{name}\""),
        None => format!("workflow \"{name}\""),
    }
}

fn invalid_graph(error: &GraphError) -> String {
    match error.path() {
        Some(path) => format!("Invalid durable function graph: {path}: {error}"),
        None => format!("Invalid durable function: {error}"),
    }
}

impl From<GraphError> for ApiError {
    fn from(error: GraphError) -> ApiError {
        ApiError::Graph(error)
    }
}
