//! `df.workers()`.

use pg_durable_board::{Target, WorkerKind};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use crate::engine::wake;
use crate::pg::{catalog, clock, gucs, process, shmem};

type Row = (
    Option<String>,
    Option<i32>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<TimestampWithTimeZone>,
    Option<i64>,
    Option<String>,
);

/// How long a failure to get a worker slot is worth telling.
const RECENT_US: i64 = 60_000_000;

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn workers() -> TableIterator<
    'static,
    (
        name!(kind, Option<String>),
        name!(pid, Option<i32>),
        name!(role, Option<String>),
        name!(database, Option<String>),
        name!(state, Option<String>),
        name!(instance_id, Option<String>),
        name!(node_id, Option<String>),
        name!(since, Option<TimestampWithTimeZone>),
        name!(steps, Option<i64>),
        name!(note, Option<String>),
    ),
> {
    TableIterator::new(rows())
}

fn rows() -> Vec<Row> {
    let Some(board) = shmem::try_board() else { return vec![missing("the library is not preloaded")] };
    let (workers, exhausted_at) = (board.workers(), board.launcher.exhausted_at());
    drop(board);
    let mut rows: Vec<Row> = workers
        .into_iter()
        .map(|worker| {
            let note = match worker.kind {
                WorkerKind::Launcher => launcher_note(exhausted_at),
                WorkerKind::Scheduler { queued, .. } => {
                    (queued > 0).then(|| format!("{queued} ready, waiting for an executor"))
                }
                WorkerKind::Executor => None,
            };
            let role = worker.role.map(|role| pg_sys::Oid::from(role.0));
            let database = worker.database.map(|database| pg_sys::Oid::from(database.0));
            // Of others' instances nobody learns the ids here.
            let target = worker.target.filter(|_| role.is_some_and(catalog::acts_as));
            let branch = target.filter(|target| target.branch != Target::EVERY_BRANCH);
            (
                Some(worker.kind.as_str().to_owned()),
                Some(worker.pid),
                role.and_then(catalog::role_name),
                database.and_then(catalog::database_name),
                Some(worker.state.to_owned()),
                target.map(|target| wake::instance_id(target.instance)),
                branch.and(worker.node).map(|node| pg_durable_graph::NodeId(node).to_string()),
                clock::to_sql(worker.since),
                Some(worker.steps as i64),
                note,
            )
        })
        .collect();
    if rows.is_empty() {
        rows.push(missing("the launcher does not run: see the server log"));
    }
    rows
}

fn launcher_note(exhausted_at: i64) -> Option<String> {
    let there = process::max_worker_processes();
    if exhausted_at != 0 && exhausted_at + RECENT_US > clock::now() {
        return Some(format!(
            "no worker slot was free: raise max_worker_processes (now {there}) and restart"
        ));
    }
    let wanted = gucs::max_executors() as i32 + 3;
    (there < wanted).then(|| {
        format!("max_worker_processes ({there}) keeps pg_durable.max_executors from being reached: {wanted} would do")
    })
}

fn missing(note: &str) -> Row {
    (
        Some("launcher".to_owned()),
        None,
        None,
        None,
        Some("missing".to_owned()),
        None,
        None,
        None,
        None,
        Some(note.to_owned()),
    )
}
