//! How an instance stands and what has come of it: `df.status`, `df.result`, `df.error` and their like.

use pg_durable_graph::rights::Sight;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::visible;
use crate::pg::catalog;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::store;
use crate::store::seen::{self, Execution, LeftBehind};

/// What is refused of a question for generations.
#[derive(Debug, thiserror::Error)]
#[error("limit_count must be at least 1")]
pub struct LimitTooSmall;

#[pg_extern]
fn instance_status(instance_id: &str) -> Option<String> {
    visible::find(instance_id).map(|instance| instance.status)
}

#[pg_extern]
fn instance_result(instance_id: &str) -> Option<Text> {
    result(instance_id).map(|left| Text(left.result))
}

/// The result with what its JSON does not say: for readers with types.
#[pg_extern]
fn instance_whole_result(instance_id: &str) -> Option<Text> {
    let LeftBehind { result, layout } = result(instance_id)?;
    let layout = layout.as_deref().unwrap_or("null");
    Some(Text(format!(r#"{{"result":{result},"layout":{layout}}}"#)))
}

fn result(instance_id: &str) -> Option<LeftBehind> {
    match visible::read(|| seen::result(&Session::open(), instance_id)) {
        Some((result, Sight::Whole)) => Some(result),
        Some((_, Sight::Shape)) | None => called_result(instance_id),
    }
}

/// The result of an instance that the current user has called and that runs as the workflow's owner, whose the nodes are.
pub fn called_result(id: &str) -> Option<LeftBehind> {
    let found = {
        let _owner = store::as_owner();
        seen::called_result(&Session::open(), id)
    };
    found.filter(|(caller, _)| catalog::acts_as(*caller)).map(|(_, result)| result)
}

#[pg_extern]
fn workflow_called_result(instance_id: &str) -> Option<Text> {
    called_result(instance_id).map(|left| Text(left.result))
}

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn instance_error(
    instance_id: &str,
) -> TableIterator<
    'static,
    (
        name!(failed_node, Option<Text>),
        name!(sqlstate, Option<Text>),
        name!(message, Option<Text>),
        name!(detail, Option<Text>),
        name!(hint, Option<Text>),
        name!(context, Option<Text>),
    ),
> {
    let found = visible::read(|| seen::error(&Session::open(), instance_id));
    TableIterator::new(found.map(|(error, sight)| {
        let text = |text: Option<String>| text.filter(|_| sight == Sight::Whole).map(Text);
        (
            error.failed_node.map(Text),
            error.sqlstate.map(Text),
            text(error.message),
            text(error.detail),
            text(error.hint),
            text(error.context),
        )
    }))
}

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn instance_info(
    instance_id: &str,
) -> TableIterator<
    'static,
    (
        name!(instance_id, Option<Text>),
        name!(label, Option<Text>),
        name!(function_name, Option<Text>),
        name!(function_version, Option<Text>),
        name!(current_execution_id, Option<i64>),
        name!(status, Option<Text>),
        name!(output, Option<Text>),
    ),
> {
    let text = |text: &str| Some(Text(text.to_owned()));
    let found = visible::read(|| seen::info(&Session::open(), instance_id));
    TableIterator::new(found.map(|(info, sight)| {
        (
            text(instance_id),
            info.label.map(Text),
            text("pg_durable::orchestration::execute-function-graph"),
            text("1.0.0"),
            Some(info.generations),
            Some(Text(info.status)),
            info.output.filter(|_| sight == Sight::Whole).map(Text),
        )
    }))
}

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn instance_executions(
    instance_id: &str,
    limit_count: i32,
) -> Result<
    TableIterator<
        'static,
        (
            name!(execution_id, Option<i64>),
            name!(status, Option<Text>),
            name!(event_count, Option<i64>),
            name!(duration_ms, Option<i64>),
            name!(output, Option<Text>),
        ),
    >,
    ErrorReport,
> {
    if limit_count < 1 {
        return Err(LimitTooSmall.into());
    }
    let read = || {
        let rows = seen::executions(&Session::open(), instance_id, limit_count);
        (!rows.is_empty()).then_some(rows)
    };
    let (rows, sight) = visible::read(read).unwrap_or((Vec::new(), Sight::Shape));
    let row = move |row: Execution| {
        let output = row.output.filter(|_| sight == Sight::Whole);
        (Some(row.number), Some(Text(row.status)), row.events, row.duration_ms, output.map(Text))
    };
    Ok(TableIterator::new(rows.into_iter().map(row)))
}
