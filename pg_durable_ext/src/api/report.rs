//! Our errors as PostgreSQL's: SQLSTATE, DETAIL and HINT.

use pg_durable_graph::GraphError;
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use super::error::ApiError;

impl From<ApiError> for ErrorReport {
    fn from(error: ApiError) -> Self {
        let message = error.to_string();
        let report = |code| ErrorReport::new(code, message.clone(), "");
        match &error {
            ApiError::Graph(source) => of_graph(report(code_of(source)), source),
            ApiError::InvalidGraph(source) => of_graph(report(code_of(source)), source),
            ApiError::EmptyGraph => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_hint("Pass SQL, or a graph made with the df functions and operators."),
            ApiError::SleepNegative
            | ApiError::SleepTooLong
            | ApiError::TimeoutNotPositive
            | ApiError::EmptyInstanceId
            | ApiError::EmptySignalName => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            ApiError::NullArgument(argument) => report(Code::ERRCODE_NULL_VALUE_NOT_ALLOWED)
                .set_hint(format!("Pass a value for {argument}.")),
            ApiError::TransactionMode(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            ApiError::Durability(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_hint("Use step, which flushes every checkpoint, or barrier, which flushes at the end."),
            ApiError::NoTestClock => report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
                .set_hint("A server for tests is started with pg_durable.test_clock = on."),
            ApiError::ClockBackwards | ApiError::ClockTooFar => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            ApiError::WorkflowName(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE).set_hint(
                "A name begins with a letter, goes on with letters, digits and _ - . / :, and has at most 200 bytes. It must not look like the id of an instance.",
            ),
            ApiError::WorkflowVersion | ApiError::RunAs(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            ApiError::Schema { violation, .. } => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_detail(violation.to_string())
                .set_hint("Pass a JSON Schema. Schemas of other documents cannot be referred to: put them under $defs."),
            ApiError::NotOwner { .. } => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint("Choose another name, or have its owner, or a member of that role, do it."),
            ApiError::VersionTaken { difference, .. } => report(Code::ERRCODE_DUPLICATE_OBJECT)
                .set_detail(difference.clone())
                .set_hint("Register it as a new version; without a version it becomes the next one."),
            ApiError::UnknownWorkflow { .. } => report(Code::ERRCODE_UNDEFINED_OBJECT).set_hint(
                "SELECT name, version FROM df.workflows shows what you may run. Its owner lets you run it with df.grant_run().",
            ),
            ApiError::InputViolates { name, version, violations, more } => {
                let mut lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
                if *more > 0 {
                    lines.push(format!("and {more} more"));
                }
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE).set_detail(lines.join("\n")).set_hint(format!(
                    "What it takes is in df.workflows: SELECT input_schema FROM df.workflows WHERE name = '{name}' AND version = {version}.",
                ))
            }
            ApiError::OwnerGone { .. } => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("Have a superuser unregister the workflow, and register it anew."),
            ApiError::OwnerUsage { owner, .. } => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint(format!("SELECT df.grant_usage('{}') gives it the right again.", owner.replace('\'', "''"))),
            ApiError::UnknownRole(_) => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("Name a role as it is in pg_roles, without quotes, or public."),
            ApiError::OwnersNodes(_) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE).set_hint(
                "The workflow runs as its owner: you see status, result and error, and may signal, await and cancel it.",
            ),
            ApiError::InputTooDeep => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED)
                .set_hint("Pass the innermost part as text, or keep the document in a table and pass its key."),
            ApiError::UnknownDatabase(_) => {
                report(Code::ERRCODE_INVALID_CATALOG_NAME).set_hint("List the databases with \\l in psql.")
            }
            ApiError::NoConnections(_) => report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
                .set_hint("Choose a database whose datallowconn is true."),
            ApiError::NoConnect { .. } => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint("Grant CONNECT on that database to the role."),
            ApiError::NoLogin(role) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint(format!("ALTER ROLE {role} LOGIN, or run on PostgreSQL 17 or later, where it is not needed.")),
            ApiError::SuperuserInstances(_) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint("Start workflows as a role that has just the rights they need."),
            ApiError::NotPreloaded => report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE).set_hint(
                "Add 'pg_durable' to shared_preload_libraries in postgresql.conf and restart the server.",
            ),
            ApiError::NotFound(_) => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("List your instances with df.list_instances(); these functions take an id, not a label."),
            ApiError::UnknownInstance(_) => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("List your instances with df.list_instances(); these functions take an id, not a label."),
            ApiError::Terminal { .. } => report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
                .set_detail("Signals are delivered only to pending and running instances."),
            ApiError::AwaitTimeout { .. } => report(Code::ERRCODE_QUERY_CANCELED)
                .set_hint("SELECT * FROM df.workers() tells whether the engine is well; df.instance_nodes() what the instance waits for. An instance begins when the transaction that started it commits, so it cannot be awaited in the same one."),
            ApiError::InWorkflow(_) => report(Code::ERRCODE_FEATURE_NOT_SUPPORTED),
            ApiError::OneSnapshot => report(Code::ERRCODE_INVALID_TRANSACTION_STATE)
                .set_hint("Wait in a transaction at isolation level READ COMMITTED."),
            ApiError::TooManyWaiters => report(Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
                .set_hint("Wait for several instances at once with df.await_any()."),
            ApiError::NotAStep(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            ApiError::LaunchLimit { .. } => report(Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
                .set_hint("Raise pg_durable.max_new_transaction_starts, or start in the caller's transaction."),
            ApiError::NewTransaction(failure) | ApiError::Check(failure) => {
                let mut made = report(code_of_text(&failure.sqlstate));
                if let Some(detail) = &failure.detail {
                    made = made.set_detail(detail.clone());
                }
                if let Some(hint) = &failure.hint {
                    made = made.set_hint(hint.clone());
                }
                made
            }
            ApiError::CannotExplain | ApiError::NoNodes(_) | ApiError::ExpressionNull => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
            }
            ApiError::Stored(source) => {
                report(Code::ERRCODE_DATA_CORRUPTED).set_detail(format!("{source}."))
            }
        }
    }
}

fn code_of(error: &GraphError) -> Code {
    if error.is_limit() {
        Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED
    } else {
        Code::ERRCODE_INVALID_PARAMETER_VALUE
    }
}

fn of_graph(mut report: ErrorReport, error: &GraphError) -> ErrorReport {
    if let Some(path) = error.path() {
        report = report.set_detail(format!("The node is at {path}."));
    }
    match error.hint() {
        Some(hint) => report.set_hint(hint),
        None => report,
    }
}

/// The code of five characters.
fn code_of_text(text: &str) -> Code {
    let packed =
        text.bytes().rev().fold(0, |packed: i32, byte| (packed << 6) | i32::from((byte - b'0') & 0x3F));
    Code::from(packed)
}
