//! `df.workers()`.

use pg_durable_board::{Duty, Hindrance, Hold, RoleId, Target, Trouble, WallInfo, WorkerInfo, WorkerKind};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use super::level;
use crate::engine::wake;
use crate::pg::catalog::{self, Access};
use crate::pg::text::Text;
use crate::pg::{clock, gucs, process, shmem};

type Row = (
    Option<Text>,
    Option<i32>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<TimestampWithTimeZone>,
    Option<i64>,
    Option<Text>,
);

/// How long a failure to get a worker slot is worth telling.
const RECENT_US: i64 = 60_000_000;

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn workers() -> TableIterator<
    'static,
    (
        name!(kind, Option<Text>),
        name!(pid, Option<i32>),
        name!(role, Option<Text>),
        name!(database, Option<Text>),
        name!(state, Option<Text>),
        name!(instance_id, Option<Text>),
        name!(node_id, Option<Text>),
        name!(since, Option<TimestampWithTimeZone>),
        name!(steps, Option<i64>),
        name!(note, Option<Text>),
    ),
> {
    TableIterator::new(rows())
}

fn rows() -> Vec<Row> {
    let Some(board) = shmem::try_board() else {
        return vec![missing("launcher", None, "the library is not preloaded")];
    };
    let (workers, exhausted_at) = (board.workers(), board.launcher.exhausted_at());
    let notes_of_tenants = |worker: &WorkerInfo| match (worker.kind, worker.database) {
        (WorkerKind::Scheduler { hold, .. }, Some(database)) => {
            let hindered = board.hindrances.of_database(database, clock::now());
            // Where nothing is carried out nobody waits for room.
            let left = (hold == Hold::Free).then(|| board.queues.waiting_for_room(database));
            (hindered, left.unwrap_or_default())
        }
        (WorkerKind::Launcher | WorkerKind::Scheduler { .. } | WorkerKind::Executor, _) => Default::default(),
    };
    let of_tenants: Vec<_> = workers.iter().map(notes_of_tenants).collect();
    let walls: Vec<WallInfo> = board.wall_infos(clock::now());
    drop(board);
    let sees_all = level::of_current_user().is_some();
    let mut rows: Vec<Row> = workers
        .into_iter()
        .zip(of_tenants)
        .map(|(worker, (hindered, left))| row(worker, &hindered, &left, &walls, exhausted_at, sees_all))
        .collect();
    let has_launcher = rows.iter().any(|row| row.0.as_deref() == Some("launcher"));
    if catalog::is_standby() {
        rows.push(missing("launcher", None, "a standby: nothing runs before it is promoted"));
    } else if process::is_binary_upgrade() {
        rows.push(missing("launcher", None, "the server serves an upgrade"));
    } else if !has_launcher {
        rows.push(missing("launcher", None, "the launcher does not run: see the server log"));
    } else if let Some(note) = why_no_scheduler(exhausted_at) {
        let here = catalog::database_name(catalog::my_database());
        rows.push(missing("scheduler", here, &format!("no scheduler here: {note}")));
    }
    rows
}

fn row(
    worker: WorkerInfo,
    hindered: &[(RoleId, Hindrance)],
    left: &[RoleId],
    walls: &[WallInfo],
    exhausted_at: i64,
    sees_all: bool,
) -> Row {
    let notes: Vec<String> = match worker.kind {
        WorkerKind::Launcher => {
            let met = walls.iter().filter(|info| info.is_met(clock::now()));
            let met = met.map(|info| info.wall.consequence().to_owned());
            launcher_note(exhausted_at).into_iter().chain(met).collect()
        }
        WorkerKind::Scheduler { queued, hold, misses_roles, trouble } => {
            let notes = scheduler_note(queued, hold, misses_roles, trouble).into_iter();
            notes.chain(hindered.iter().map(hindrance_note)).chain(share_note(left)).collect()
        }
        WorkerKind::Executor => {
            let waits = process::waits_for_standby(worker.pid);
            waits.then(|| "its commit waits for the synchronous standby".to_owned()).into_iter().collect()
        }
    };
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let role = worker.role.map(|role| pg_sys::Oid::from(role.0));
    let database = worker.database.map(|database| pg_sys::Oid::from(database.0));
    // Of others' instances nobody without a level learns the ids here.
    let target = worker.target.filter(|_| sees_all || role.is_some_and(catalog::acts_as));
    let branch = target.filter(|target| target.branch != Target::EVERY_BRANCH);
    (
        Some(Text(worker.kind.as_str().to_owned())),
        Some(worker.pid),
        role.and_then(catalog::role_name).map(Text),
        database.and_then(catalog::database_name).map(Text),
        Some(Text(worker.state.to_owned())),
        target.map(|target| Text(wake::instance_id(target.instance))),
        branch.and(worker.node).map(|node| Text(pg_durable_graph::NodeId(node).to_string())),
        clock::to_sql(worker.since),
        Some(worker.steps as i64),
        note.map(Text),
    )
}

/// What stands in the way of a database's work, or of its scheduler.
fn scheduler_note(
    queued: u32,
    hold: Hold,
    misses_roles: bool,
    trouble: Option<(Duty, Trouble)>,
) -> Option<String> {
    let trouble = trouble.map(|(duty, trouble)| {
        let secs = ((trouble.again_at - clock::now()).max(0) + 999_999) / 1_000_000;
        format!(
            "{} has failed {} times with {}, and is tried again in {secs} s: see the server log",
            duty.as_str(),
            trouble.attempts,
            String::from_utf8_lossy(&trouble.sqlstate),
        )
    });
    let hold = hold.note().map(str::to_owned);
    let missing = misses_roles.then(|| {
        "held: workflows of roles that do not exist here: create the roles and SELECT df.adopt()".to_owned()
    });
    let queued = (queued > 0).then(|| format!("{queued} ready, waiting for an executor"));
    let notes: Vec<String> = [hold, missing, trouble, queued].into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Why this database has no scheduler, where it has none; who asks has one come.
fn why_no_scheduler(exhausted_at: i64) -> Option<&'static str> {
    let here = wake::here();
    let board = shmem::board();
    let (has_scheduler, is_released) =
        (board.databases.has_scheduler(here), board.databases.is_released(here));
    drop(board);
    if has_scheduler {
        return None;
    }
    if is_released {
        return Some("released with df.release(), until something is started or signalled here");
    }
    wake::announce();
    if !shmem::board().databases.is_served(here) {
        return Some("as many databases as the engine can serve are served");
    }
    Some(match catalog::access(catalog::my_database()) {
        Some(Access::Closed) => "the database takes no connections",
        Some(Access::Template) => "the database is a template",
        Some(Access::Invalid) => "the database is invalid: its DROP was interrupted",
        Some(Access::Open) | None if is_recent(exhausted_at) => "no worker slot was free",
        Some(Access::Open) | None => "it has been asked to come",
    })
}

fn is_recent(exhausted_at: i64) -> bool {
    exhausted_at != 0 && exhausted_at + RECENT_US > clock::now()
}

fn launcher_note(exhausted_at: i64) -> Option<String> {
    let there = process::max_worker_processes();
    if is_recent(exhausted_at) {
        return Some(format!(
            "no worker slot was free: raise max_worker_processes (now {there}) and restart"
        ));
    }
    let wanted = gucs::max_executors() as i32 + 3;
    (there < wanted).then(|| {
        format!("max_worker_processes ({there}) keeps pg_durable.max_executors from being reached: {wanted} would do")
    })
}

/// Whose work in a database waits, and for what.
fn hindrance_note((role, hindrance): &(RoleId, Hindrance)) -> String {
    let role = catalog::role_name(pg_sys::Oid::from(role.0)).unwrap_or_default();
    format!("work of role \"{role}\" waits: {}", hindrance.why())
}

/// Whose work is in the tables because more of it would not leave others their share of the board.
fn share_note(left: &[RoleId]) -> Option<String> {
    /// How many are named.
    const NAMED: usize = 5;
    let names = left
        .iter()
        .take(NAMED)
        .map(|role| format!("\"{}\"", catalog::role_name(pg_sys::Oid::from(role.0)).unwrap_or_default()));
    let names: Vec<String> = names.collect();
    let more = match left.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!left.is_empty())
        .then(|| format!("board share used up: more work of {}{more} waits in the tables", names.join(", ")))
}

fn missing(kind: &str, database: Option<String>, note: &str) -> Row {
    (
        Some(Text(kind.to_owned())),
        None,
        None,
        database.map(Text),
        Some(Text("missing".to_owned())),
        None,
        None,
        None,
        None,
        Some(Text(note.to_owned())),
    )
}
