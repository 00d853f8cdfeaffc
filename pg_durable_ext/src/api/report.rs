//! Our errors as PostgreSQL's: SQLSTATE, DETAIL and HINT.

use pg_durable_graph::document::Unreadable;
use pg_durable_graph::{Failure, GraphError};
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use super::argument::ArgumentError;
use super::bell::BellError;
use super::check::CheckError;
use super::clock::ClockError;
use super::definition::DefinitionError;
use super::explain::ExplainError;
use super::fleet::FleetError;
use super::graph::BuildError;
use super::home::AdoptError;
use super::launch::LaunchError;
use super::maintenance::MaintenanceError;
use super::not_a_step::NotAStep;
use super::outcome::LimitTooSmall;
use super::registry::WorkflowError;
use super::schema::Violation;
use super::scope::NotReadable;
use super::signal::SignalError;
use super::variable::InWorkflow;
use super::visible::{NotFound, SteerError};
use super::wait::WaitError;
use crate::engine::start::{NotPreloaded, StartError};
use crate::pg::catalog;
use crate::store::EngineError;

/// What to do where an id is not known.
const LIST_INSTANCES: &str =
    "List your instances with df.list_instances(); these functions take an id, not a label.";

fn report(code: Code, error: &impl std::error::Error) -> ErrorReport {
    ErrorReport::new(code, error.to_string(), "")
}

impl From<ArgumentError> for ErrorReport {
    fn from(error: ArgumentError) -> ErrorReport {
        match &error {
            ArgumentError::Null(argument) => report(Code::ERRCODE_NULL_VALUE_NOT_ALLOWED, &error)
                .set_hint(format!("Pass a value for {argument}.")),
            ArgumentError::TransactionMode(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error),
            ArgumentError::Durability(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
                .set_hint("Use step, which flushes every checkpoint, or barrier, which flushes at the end."),
        }
    }
}

impl From<BellError> for ErrorReport {
    fn from(error: BellError) -> ErrorReport {
        match &error {
            BellError::NoBell(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
                .set_hint("A bell is 16 hex digits, of which the first is 8 or more."),
            BellError::NotPreloaded(NotPreloaded) => NotPreloaded.into(),
        }
    }
}

impl From<BuildError> for ErrorReport {
    fn from(error: BuildError) -> ErrorReport {
        match error {
            BuildError::Argument(source) => source.into(),
            BuildError::NotAStep(source) => source.into(),
            BuildError::Graph(source) => of_graph(&source, &source),
            BuildError::OnExhausted(_) => report(Code::ERRCODE_FEATURE_NOT_SUPPORTED, &error)
                .set_hint("An instance that is to wait for a person can wait for a signal, in the handler of df.catch()."),
            BuildError::SleepNegative
            | BuildError::SleepTooLong
            | BuildError::TimeoutNotPositive
            | BuildError::Negative(_)
            | BuildError::Jitter(_) => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
            }
        }
    }
}

impl From<NotAStep> for ErrorReport {
    fn from(error: NotAStep) -> ErrorReport {
        report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
    }
}

impl From<DefinitionError> for ErrorReport {
    fn from(error: DefinitionError) -> ErrorReport {
        match &error {
            DefinitionError::Empty => report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
                .set_hint("Pass SQL, or a graph made with the df functions and operators."),
            DefinitionError::NotAStep(source) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE, source),
            DefinitionError::Graph(source) => of_graph(&error, source),
        }
    }
}

fn of_graph(error: &impl std::error::Error, source: &GraphError) -> ErrorReport {
    let code = if source.is_limit() {
        Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED
    } else {
        Code::ERRCODE_INVALID_PARAMETER_VALUE
    };
    let mut made = report(code, error);
    if let Some(path) = source.path() {
        made = made.set_detail(format!("The node is at {path}."));
    }
    with_hint(made, source.hint())
}

impl From<NotPreloaded> for ErrorReport {
    fn from(error: NotPreloaded) -> ErrorReport {
        report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &error).set_hint(
            "Add 'pg_durable' to shared_preload_libraries in postgresql.conf and restart the server.",
        )
    }
}

impl From<StartError> for ErrorReport {
    fn from(error: StartError) -> ErrorReport {
        let report = |code| report(code, &error);
        match &error {
            StartError::NotPreloaded(NotPreloaded) => NotPreloaded.into(),
            StartError::SuperuserInstances(_) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint("Start workflows as a role that has just the rights they need."),
            StartError::NoLogin(role) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE).set_hint(format!(
                "ALTER ROLE {} LOGIN; or, on PostgreSQL 17 and later, switch pg_durable.require_login off.",
                catalog::quoted(role)
            )),
            StartError::Database(barrier) => {
                report(code_of_text(barrier.sqlstate())).set_hint(barrier.hint())
            }
            StartError::Quota(quota) => report(Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED).set_hint(format!(
                "Wait until some have ended, or cancel them. A superuser may raise the limit: ALTER ROLE {} SET pg_durable.max_unfinished.",
                catalog::quoted(&quota.role)
            )),
            StartError::InputTooLarge => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED)
                .set_hint("Keep the document in a table and pass its key."),
            StartError::Input(unreadable) => {
                with_hint(report(code_of_unreadable(unreadable)), unreadable.hint())
            }
            StartError::OtherWorkflow { difference, .. } => {
                let report = report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                    .set_hint("Use a key of its own for each thing that is to happen once.");
                if difference.is_empty() { report } else { report.set_detail(difference) }
            }
            StartError::OneSnapshot => of_one_snapshot(&error),
        }
    }
}

fn of_one_snapshot(error: &impl std::error::Error) -> ErrorReport {
    report(Code::ERRCODE_INVALID_TRANSACTION_STATE, error)
        .set_hint("Wait in a transaction at isolation level READ COMMITTED.")
}

impl From<LaunchError> for ErrorReport {
    fn from(error: LaunchError) -> ErrorReport {
        let text = error.to_string();
        match error {
            LaunchError::InWorkflow => report(Code::ERRCODE_FEATURE_NOT_SUPPORTED, &error),
            LaunchError::Start(source) => source.into(),
            LaunchError::Standby => report(Code::ERRCODE_READ_ONLY_SQL_TRANSACTION, &error)
                .set_hint("Start it on the primary: a standby runs no workflows before it is promoted."),
            LaunchError::Limit { .. } => report(Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, &error).set_hint(
                "Raise pg_durable.max_new_transaction_starts, or start in the caller's transaction.",
            ),
            LaunchError::Failed(failure) => of_failure(text, failure),
        }
    }
}

/// What another session, or a look at a step, was told by PostgreSQL.
fn of_failure(message: String, failure: Failure) -> ErrorReport {
    let mut made = ErrorReport::new(code_of_text(&failure.sqlstate), message, "");
    if let Some(detail) = failure.detail {
        made = made.set_detail(detail);
    }
    with_hint(made, failure.hint)
}

fn with_hint(report: ErrorReport, hint: Option<impl Into<String>>) -> ErrorReport {
    match hint {
        Some(hint) => report.set_hint(hint),
        None => report,
    }
}

/// The code for a document that the engine does not read.
fn code_of_unreadable(unreadable: &Unreadable) -> Code {
    match unreadable {
        Unreadable::TooDeep => Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        Unreadable::Name | Unreadable::NotJson(_) => Code::ERRCODE_INVALID_PARAMETER_VALUE,
    }
}

/// The code of five characters.
fn code_of_text(text: &str) -> Code {
    let packed =
        text.bytes().rev().fold(0, |packed: i32, byte| (packed << 6) | i32::from((byte - b'0') & 0x3F));
    Code::from(packed)
}

impl From<WorkflowError> for ErrorReport {
    fn from(error: WorkflowError) -> ErrorReport {
        let text = error.to_string();
        let report = |code| ErrorReport::new(code, text.clone(), "");
        match error {
            WorkflowError::Argument(source) => source.into(),
            WorkflowError::Definition(source) => source.into(),
            WorkflowError::Start(source) => source.into(),
            WorkflowError::Launch(source) => source.into(),
            WorkflowError::Name(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE).set_hint(
                "A name begins with a letter, goes on with letters, digits and _ - . / :, and has at most 200 bytes. It must not look like the id of an instance.",
            ),
            WorkflowError::Version | WorkflowError::RunAs(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            WorkflowError::Schema { violation, .. } => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_detail(violation.to_string())
                .set_hint("Pass a JSON Schema. Schemas of other documents cannot be referred to: put them under $defs."),
            WorkflowError::NotOwner { .. } => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint("Choose another name, or have its owner, or a member of that role, do it."),
            WorkflowError::VersionTaken { difference, .. } => report(Code::ERRCODE_DUPLICATE_OBJECT)
                .set_detail(difference)
                .set_hint("Register it as a new version; without a version it becomes the next one."),
            WorkflowError::Unknown { .. } => report(Code::ERRCODE_UNDEFINED_OBJECT).set_hint(
                "SELECT name, version FROM df.workflows shows what you may run. Its owner lets you run it with df.grant_run().",
            ),
            WorkflowError::Signals => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_hint("Write {\"approval\": {\"type\": \"object\"}}."),
            WorkflowError::SignalSchema { violation, .. } => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE).set_detail(violation.to_string())
            }
            WorkflowError::InputViolates { name, version, violations, more } => {
                let lines = violation_lines(&violations, more);
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE).set_detail(lines).set_hint(format!(
                    "What it takes is in df.workflows: SELECT input_schema FROM df.workflows WHERE name = '{name}' AND version = {version}.",
                ))
            }
            WorkflowError::TooMuchWork { .. } => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED).set_hint(
                "References of the schema branch, so that each level of the input doubles the work: have it say at one place what a member must be, or pass a flatter input.",
            ),
            WorkflowError::OwnerGone { .. } => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("Have a superuser unregister the workflow, and register it anew."),
            WorkflowError::OwnerUsage { owner, .. } => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint(format!("SELECT df.grant_usage('{}') gives it the right again.", owner.replace('\'', "''"))),
            WorkflowError::UnknownRole(_) => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("Name a role as it is in pg_roles, without quotes, or public."),
            WorkflowError::OneSnapshot => of_one_snapshot(&error),
        }
    }
}

impl From<NotFound> for ErrorReport {
    fn from(error: NotFound) -> ErrorReport {
        report(Code::ERRCODE_UNDEFINED_OBJECT, &error).set_hint(LIST_INSTANCES)
    }
}

impl From<FleetError> for ErrorReport {
    fn from(error: FleetError) -> ErrorReport {
        let report = |code| report(code, &error);
        match &error {
            FleetError::NotReadable(NotReadable) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE)
                .set_hint("Ask for the right to use pg_durable: SELECT df.grant_usage('role')."),
            FleetError::Filter(source) if source.is_limit() => {
                report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED).set_hint(source.hint())
            }
            FleetError::Filter(source) => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE).set_hint(source.hint())
            }
            FleetError::Sort(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_hint("Sort by created_at, completed_at or id, with - before it for the greatest first."),
            FleetError::InstancesCursor(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_hint("Pass the next_cursor of an earlier page as it was."),
            FleetError::Cursor(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE)
                .set_hint("Pass the cursor of a row of an earlier page in the same order as it was."),
            FleetError::LimitTooSmall(_) => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            FleetError::InstancesLimit { .. } => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED),
            FleetError::LimitTooLarge { .. } => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED)
                .set_hint("Pass the last row's cursor as after to get the next page."),
            FleetError::UnknownRole(_) => report(Code::ERRCODE_UNDEFINED_OBJECT)
                .set_hint("Name a role as it is in pg_roles, without quotes."),
        }
    }
}

impl From<SteerError> for ErrorReport {
    fn from(error: SteerError) -> ErrorReport {
        let made = report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, &error);
        match error {
            SteerError::NotFound(source) => source.into(),
            SteerError::NotAllowed { .. } => made
                .set_detail("To see an instance is not enough to signal, cancel or wake it.")
                .set_hint("Have its owner or a member of that role do it, or a role with df.grant_fleet(role, 'operate')."),
        }
    }
}

impl From<LimitTooSmall> for ErrorReport {
    fn from(error: LimitTooSmall) -> ErrorReport {
        report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
    }
}

/// What a document violates, a line each.
fn violation_lines(violations: &[Violation], more: usize) -> String {
    let mut lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

impl From<SignalError> for ErrorReport {
    fn from(error: SignalError) -> ErrorReport {
        match &error {
            SignalError::Null(_) => report(Code::ERRCODE_NULL_VALUE_NOT_ALLOWED, &error),
            SignalError::EmptyInstanceId | SignalError::EmptyName | SignalError::KeyTooLong => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
            }
            SignalError::Violates { violations, more, .. } => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
                    .set_detail(violation_lines(violations, *more))
                    .set_hint("What it takes is in df.workflows, in the column signals.")
            }
            SignalError::TooMuchWork { .. } => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED, &error)
                .set_hint("References of the schema branch: have it say at one place what a member must be."),
            SignalError::Schema { violation, .. } => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error).set_detail(violation.to_string())
            }
            SignalError::TooLarge => report(Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED, &error)
                .set_hint("Keep the document in a table and send its key."),
            SignalError::Data(unreadable) => {
                with_hint(report(code_of_unreadable(unreadable), &error), unreadable.hint())
            }
            SignalError::Terminal { .. } => report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &error)
                .set_detail("Signals are delivered only to pending and running instances."),
        }
    }
}

impl From<WaitError> for ErrorReport {
    fn from(error: WaitError) -> ErrorReport {
        let report = |code| report(code, &error);
        match &error {
            WaitError::TimeoutNotPositive => report(Code::ERRCODE_INVALID_PARAMETER_VALUE),
            WaitError::UnknownInstance(_) => report(Code::ERRCODE_UNDEFINED_OBJECT).set_hint(LIST_INSTANCES),
            WaitError::Timeout { .. } => report(Code::ERRCODE_QUERY_CANCELED)
                .set_hint("SELECT * FROM df.workers() tells whether the engine is well; df.instance_nodes() what the instance waits for."),
            WaitError::StartedHere(_) | WaitError::SignalledHere(_) => {
                report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
                    .set_hint("Commit, and wait in the next transaction; or start it with transaction_mode => 'new'.")
            }
            WaitError::InWorkflow => report(Code::ERRCODE_FEATURE_NOT_SUPPORTED),
            WaitError::NotPreloaded(NotPreloaded) => NotPreloaded.into(),
            WaitError::OneSnapshot => of_one_snapshot(&error),
        }
    }
}

impl From<InWorkflow> for ErrorReport {
    fn from(error: InWorkflow) -> ErrorReport {
        report(Code::ERRCODE_FEATURE_NOT_SUPPORTED, &error)
    }
}

impl From<ExplainError> for ErrorReport {
    fn from(error: ExplainError) -> ErrorReport {
        match error {
            ExplainError::Definition(source) => source.into(),
            ExplainError::Workflow(source) => source.into(),
            ExplainError::OwnersNodes(_) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, &error).set_hint(
                "The workflow runs as its owner: you see status, result and error, and may signal, await and cancel it.",
            ),
            ExplainError::HiddenTexts(_) => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, &error)
                .set_detail("The level 'metadata' shows how far instances have come, without texts and values.")
                .set_hint("Read df.instance_nodes(), or ask for df.grant_fleet(role, 'read')."),
            ExplainError::UnknownInstance(_) => {
                report(Code::ERRCODE_UNDEFINED_OBJECT, &error).set_hint(LIST_INSTANCES)
            }
            ExplainError::Unexplainable | ExplainError::ExpressionNull => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
            }
            ExplainError::Expression(failure) | ExplainError::Ended(failure) => {
                of_failure(failure.message.clone(), failure)
            }
            ExplainError::Stored(source) => source.into(),
        }
    }
}

impl From<EngineError> for ErrorReport {
    fn from(error: EngineError) -> ErrorReport {
        ErrorReport::new(Code::ERRCODE_DATA_CORRUPTED, "the stored instance cannot be read", "")
            .set_detail(format!("{error}."))
    }
}

impl From<CheckError> for ErrorReport {
    fn from(error: CheckError) -> ErrorReport {
        let text = error.to_string();
        match error {
            CheckError::Definition(source) => source.into(),
            CheckError::Workflow(source) => source.into(),
            CheckError::Failed(failure) => of_failure(text, failure),
        }
    }
}

impl From<ClockError> for ErrorReport {
    fn from(error: ClockError) -> ErrorReport {
        match &error {
            ClockError::NotATestServer => report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &error)
                .set_hint("A server for tests is started with pg_durable.test_clock = on."),
            ClockError::Backwards | ClockError::TooFar => {
                report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error)
            }
            ClockError::Unkept(source) => {
                report(Code::ERRCODE_IO_ERROR, &error).set_detail(source.to_string())
            }
        }
    }
}

impl From<AdoptError> for ErrorReport {
    fn from(error: AdoptError) -> ErrorReport {
        match &error {
            AdoptError::NotAllowed => report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, &error)
                .set_detail("The workflows of this database came with a copy, and wait.")
                .set_hint("Ask the owner of the database to SELECT df.adopt()."),
        }
    }
}

impl From<MaintenanceError> for ErrorReport {
    fn from(error: MaintenanceError) -> ErrorReport {
        match &error {
            MaintenanceError::DrainNotAllowed | MaintenanceError::ReleaseNotAllowed => {
                report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, &error)
            }
            MaintenanceError::NotSwitchedOff => {
                report(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &error)
                    .set_detail("df.drain() waits for what runs; it switches nothing off.")
                    .set_hint("ALTER SYSTEM SET pg_durable.enabled = off; SELECT pg_reload_conf();")
            }
            MaintenanceError::TimeoutNegative => report(Code::ERRCODE_INVALID_PARAMETER_VALUE, &error),
        }
    }
}
