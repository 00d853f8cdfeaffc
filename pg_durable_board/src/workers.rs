//! Workers: every process of the engine, for `df.workers()`.

use crate::databases::{Databases, Hold};
use crate::executors::{ExecutorState, Executors};
use crate::ids::{DatabaseId, RoleId};
use crate::launcher::Launcher;
use crate::queues::Queues;
use crate::target::Target;
use crate::troubles::{Duty, Trouble};

/// A process of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerInfo {
    /// What it is for.
    pub kind: WorkerKind,
    /// 0 where it is still to come.
    pub pid: i32,
    /// As whom it was born; the launcher and schedulers as nobody.
    pub role: Option<RoleId>,
    /// Where it is; the launcher is nowhere.
    pub database: Option<DatabaseId>,
    /// In one word.
    pub state: &'static str,
    /// What it advances.
    pub target: Option<Target>,
    /// What it carries out of that.
    pub node: Option<u32>,
    /// Since when it does what it does.
    pub since: i64,
    /// How many steps it has begun.
    pub steps: u64,
}

/// What a process of the engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerKind {
    /// Keeps schedulers running.
    Launcher,
    /// Keeps executors running.
    Scheduler {
        /// How much work of its database is ready.
        queued: u32,
        /// Why none of it is carried out.
        hold: Hold,
        /// Whether instances of roles that do not exist there wait for them.
        misses_roles: bool,
        /// A duty that it has failed at, and how.
        trouble: Option<(Duty, Trouble)>,
    },
    /// Carries out steps.
    Executor,
}

impl WorkerKind {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerKind::Launcher => "launcher",
            WorkerKind::Scheduler { .. } => "scheduler",
            WorkerKind::Executor => "executor",
        }
    }
}

pub(crate) fn list(
    launcher: &Launcher,
    databases: &Databases,
    executors: &Executors,
    queues: &Queues,
) -> Vec<WorkerInfo> {
    let empty = WorkerInfo {
        kind: WorkerKind::Launcher,
        pid: launcher.process.pid,
        role: None,
        database: None,
        state: "running",
        target: None,
        node: None,
        since: launcher.process.since,
        steps: 0,
    };
    let launcher = launcher.process.is_there().then_some(empty);
    let schedulers = databases.served().filter(|entry| entry.scheduler.is_there());
    let schedulers = schedulers.map(|entry| WorkerInfo {
        kind: WorkerKind::Scheduler {
            queued: queues.queued(entry.id),
            hold: entry.hold(),
            misses_roles: entry.misses_roles(),
            trouble: entry.troubles().next(),
        },
        pid: entry.scheduler.pid,
        database: Some(entry.id),
        since: entry.scheduler.since,
        ..empty
    });
    let executors = executors.iter().map(|executor| WorkerInfo {
        kind: WorkerKind::Executor,
        pid: executor.process.pid,
        role: Some(executor.tenant.role),
        database: Some(executor.tenant.database),
        state: match executor.state {
            ExecutorState::Free => "free",
            ExecutorState::Starting => "starting",
            ExecutorState::Idle => "idle",
            ExecutorState::Busy => "running",
        },
        target: executor.lease(),
        node: executor.node(),
        since: executor.process.since,
        steps: executor.steps,
    });
    launcher.into_iter().chain(schedulers).chain(executors).collect()
}
