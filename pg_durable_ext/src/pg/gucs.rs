//! The settings.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// When a checkpoint is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum Durability {
    /// At every step, as any commit of the role would be.
    #[name = c"step"]
    Step,
    /// Before anything leaves the system and at the end of the instance.
    #[name = c"barrier"]
    Barrier,
}

impl Durability {
    /// As the setting and `df.instances.durability` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Durability::Step => "step",
            Durability::Barrier => "barrier",
        }
    }

    /// What [`as_str`](Self::as_str) gave.
    pub fn parse(text: &str) -> Option<Durability> {
        [Durability::Step, Durability::Barrier].into_iter().find(|known| known.as_str() == text)
    }
}

/// Who may have steps run in another database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum CrossDatabase {
    /// Nobody.
    #[name = c"off"]
    Off,
    /// Superusers, and who may execute `df.cross_database()`.
    #[name = c"granted"]
    Granted,
    /// Who may connect there.
    #[name = c"on"]
    On,
}

static BARRIER_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(200);
static CHECKPOINT_DURABILITY: GucSetting<Durability> = GucSetting::<Durability>::new(Durability::Step);
static CLUSTER_NAME: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static CROSS_DATABASE: GucSetting<CrossDatabase> = GucSetting::<CrossDatabase>::new(CrossDatabase::Granted);
static DRAIN_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(60);
static ENABLED: GucSetting<bool> = GucSetting::<bool>::new(true);
static ENABLE_SUPERUSER_INSTANCES: GucSetting<bool> = GucSetting::<bool>::new(false);
static EXECUTOR_IDLE_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30);
static LIST_INSTANCES_MAX_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(1000);
static LOG_WORKFLOW_SQL: GucSetting<bool> = GucSetting::<bool>::new(true);
static LOOP_MIN_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MAX_EXECUTORS: GucSetting<i32> = GucSetting::<i32>::new(16);
static MAX_NEW_TRANSACTION_STARTS: GucSetting<i32> = GucSetting::<i32>::new(2);
static MAX_RESULT_SIZE: GucSetting<i32> = GucSetting::<i32>::new(1024);
static MAX_UNFINISHED_INSTANCES: GucSetting<i32> = GucSetting::<i32>::new(0);
static NEW_TRANSACTION_START_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5);
static RECONCILE_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(3600);
static ATTEMPTS_KEPT: GucSetting<i32> = GucSetting::<i32>::new(20);
static RETRY_CONFLICTS: GucSetting<i32> = GucSetting::<i32>::new(5);
static REQUIRE_LOGIN: GucSetting<bool> = GucSetting::<bool>::new(false);
static RETENTION_DAYS: GucSetting<i32> = GucSetting::<i32>::new(30);
static SWEEP_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(30);
static TEST_CLOCK: GucSetting<bool> = GucSetting::<bool>::new(false);

/// A setting that is a whole number.
struct Number {
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<i32>,
    least: i32,
    most: i32,
    context: GucContext,
    flags: GucFlags,
}

/// By name.
const NUMBERS: [Number; 15] = [
    Number {
        name: c"pg_durable.barrier_interval",
        short: c"How often a checkpoint in the middle of an instance of durability barrier is flushed all the same.",
        long: c"In milliseconds; 0 at every checkpoint. It then waits for synchronous standbys too.",
        setting: &BARRIER_INTERVAL,
        least: 0,
        most: 3_600_000,
        context: GucContext::Suset,
        flags: GucFlags::UNIT_MS,
    },
    Number {
        name: c"pg_durable.drain_timeout",
        short: c"How long steps may go on after pg_durable.enabled was switched off.",
        long: c"In seconds; those that run longer are interrupted, rolled back, and done again later.",
        setting: &DRAIN_TIMEOUT,
        least: 0,
        most: 86_400,
        context: GucContext::Sighup,
        flags: GucFlags::UNIT_S,
    },
    Number {
        name: c"pg_durable.executor_idle_timeout",
        short: c"After how long without work an executor leaves.",
        long: c"In seconds.",
        setting: &EXECUTOR_IDLE_TIMEOUT,
        least: 1,
        most: 86_400,
        context: GucContext::Sighup,
        flags: GucFlags::UNIT_S,
    },
    Number {
        name: c"pg_durable.list_instances_max_limit",
        short: c"The largest limit_count that df.list_instances() and df.list() accept.",
        long: c"In rows.",
        setting: &LIST_INSTANCES_MAX_LIMIT,
        least: 1,
        most: 1_000_000,
        context: GucContext::Suset,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.loop_min_interval",
        short: c"The least time between the generations of a loop that cannot end by itself and never waits.",
        long: c"In milliseconds; 0 lets such a loop spin. Other loops are not held back.",
        setting: &LOOP_MIN_INTERVAL,
        least: 0,
        most: 3_600_000,
        context: GucContext::Suset,
        flags: GucFlags::UNIT_MS,
    },
    Number {
        name: c"pg_durable.max_executors",
        short: c"How many executors may run at once in the whole server.",
        long:
            c"Each takes one of max_worker_processes. A quarter of them is kept for roles that have none yet.",
        setting: &MAX_EXECUTORS,
        least: 1,
        most: pg_durable_board::EXECUTORS_MAX as i32,
        context: GucContext::Sighup,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.max_new_transaction_starts",
        short: c"How many df.start(transaction_mode => 'new') may be under way at once.",
        long: c"Each takes one of max_worker_processes while it commits.",
        setting: &MAX_NEW_TRANSACTION_STARTS,
        least: 1,
        most: 1000,
        context: GucContext::Postmaster,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.max_result_size",
        short: c"The largest result of a step that is stored.",
        long: c"In kilobytes of JSON; a step with a larger one fails.",
        setting: &MAX_RESULT_SIZE,
        least: 1,
        most: 200 * 1024,
        context: GucContext::Suset,
        flags: GucFlags::UNIT_KB,
    },
    Number {
        name: c"pg_durable.max_unfinished",
        short: c"How many unfinished instances the submitting role may have.",
        long: c"0: any number. A start that would be one more is refused. Meant for ALTER ROLE.",
        setting: &MAX_UNFINISHED_INSTANCES,
        least: 0,
        most: i32::MAX,
        context: GucContext::Suset,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.new_transaction_start_timeout",
        short: c"How long df.start(transaction_mode => 'new') waits for its turn.",
        long: c"In seconds.",
        setting: &NEW_TRANSACTION_START_TIMEOUT,
        least: 1,
        most: 3600,
        context: GucContext::Postmaster,
        flags: GucFlags::UNIT_S,
    },
    Number {
        name: c"pg_durable.reconcile_interval",
        short: c"How often terminal instances older than pg_durable.retention_days are deleted.",
        long: c"In seconds; 0 never.",
        setting: &RECONCILE_INTERVAL,
        least: 0,
        most: 86_400,
        context: GucContext::Sighup,
        flags: GucFlags::UNIT_S,
    },
    Number {
        name: c"pg_durable.retention_days",
        short: c"How long terminal instances are kept.",
        long: c"In days; 0 deletes them at the next pass.",
        setting: &RETENTION_DAYS,
        least: 0,
        most: 36_500,
        context: GucContext::Sighup,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.retry_conflicts",
        short: c"How often a step that fails with a serialization failure or a deadlock is tried again.",
        long: c"0 never. A step that has committed inside is not tried again.",
        setting: &RETRY_CONFLICTS,
        least: 0,
        most: 100,
        context: GucContext::Userset,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.attempts_kept",
        short: c"How many failed attempts at a node df.attempts() shows.",
        long: c"Older ones are forgotten when another one fails; 0 keeps none.",
        setting: &ATTEMPTS_KEPT,
        least: 0,
        most: 1000,
        context: GucContext::Sighup,
        flags: GucFlags::empty(),
    },
    Number {
        name: c"pg_durable.sweep_interval",
        short: c"How often to look for instances whose start no process announced.",
        long: c"In seconds. Done only while prepared transactions may hold such starts.",
        setting: &SWEEP_INTERVAL,
        least: 1,
        most: 3600,
        context: GucContext::Sighup,
        flags: GucFlags::UNIT_S,
    },
];

/// Defines the settings. From `_PG_init` only.
pub fn register() {
    GucRegistry::define_enum_guc(
        c"pg_durable.checkpoint_durability",
        c"When checkpoints are flushed to disk.",
        c"step: at every step, as the role's commits are. barrier: at the end of an instance and before anything \
          leaves the system; a crash then loses the last steps and their effects together.",
        &CHECKPOINT_DURABILITY,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"pg_durable.cluster_name",
        c"The name by which instances know the cluster where they are at home.",
        c"The same on all servers of a cluster; a copy that is to stay quiet gets another one. Empty: the system identifier counts.",
        &CLUSTER_NAME,
        GucContext::Postmaster,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"pg_durable.cross_database",
        c"Who may have the steps of a workflow run in another database.",
        c"off: nobody. granted: superusers, and roles that may execute df.cross_database(). on: whoever may connect \
          there. Lines of pg_hba.conf are for clients and do not count.",
        &CROSS_DATABASE,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_durable.enabled",
        c"Whether steps are carried out.",
        c"Off: workflows are accepted and timers kept, steps that run finish within pg_durable.drain_timeout, and no other begins.",
        &ENABLED,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_durable.enable_superuser_instances",
        c"Lets superusers start workflows.",
        c"Off: df.start() by a superuser is refused, and instances of superusers are not run.",
        &ENABLE_SUPERUSER_INSTANCES,
        GucContext::Postmaster,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_bool_guc(
        c"pg_durable.log_workflow_sql",
        c"Writes failed steps to the server log with their error message.",
        c"Off: the log names the instance and node only.",
        &LOG_WORKFLOW_SQL,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_durable.require_login",
        c"Runs the workflows of roles that may log in only.",
        c"On: df.start() by a role without LOGIN is refused, and its instances wait until it has it. PostgreSQL 15 and \
          16 always demand it.",
        &REQUIRE_LOGIN,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_durable.test_clock",
        c"Lets df.advance_clock() move the engine's clock.",
        c"For servers that serve tests: sleeps, time-outs and schedules end when a test says so.",
        &TEST_CLOCK,
        GucContext::Postmaster,
        GucFlags::default(),
    );
    for Number { name, short, long, setting, least, most, context, flags } in NUMBERS {
        GucRegistry::define_int_guc(name, short, long, setting, least, most, context, flags);
    }
    // SAFETY: reserves a prefix that is this library's own.
    unsafe { pgrx::pg_sys::MarkGUCPrefixReserved(c"pg_durable".as_ptr()) }
}

/// `pg_durable.barrier_interval`.
pub fn barrier_interval() -> Duration {
    Duration::from_millis(BARRIER_INTERVAL.get() as u64)
}

/// `pg_durable.checkpoint_durability`.
pub fn checkpoint_durability() -> Durability {
    CHECKPOINT_DURABILITY.get()
}

/// `pg_durable.cluster_name`; empty where there is none.
pub fn cluster_name() -> String {
    CLUSTER_NAME.get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `pg_durable.cross_database`.
pub fn cross_database() -> CrossDatabase {
    CROSS_DATABASE.get()
}

/// `pg_durable.drain_timeout`.
pub fn drain_timeout() -> Duration {
    Duration::from_secs(DRAIN_TIMEOUT.get() as u64)
}

/// `pg_durable.enabled`.
pub fn enabled() -> bool {
    ENABLED.get()
}

/// `pg_durable.enable_superuser_instances`.
pub fn enable_superuser_instances() -> bool {
    ENABLE_SUPERUSER_INSTANCES.get()
}

/// `pg_durable.executor_idle_timeout`.
pub fn executor_idle_timeout() -> Duration {
    Duration::from_secs(EXECUTOR_IDLE_TIMEOUT.get() as u64)
}

/// `pg_durable.log_workflow_sql`.
pub fn log_workflow_sql() -> bool {
    LOG_WORKFLOW_SQL.get()
}

/// `pg_durable.list_instances_max_limit`.
pub fn list_instances_max_limit() -> i32 {
    LIST_INSTANCES_MAX_LIMIT.get()
}

/// `pg_durable.loop_min_interval`, in microseconds.
pub fn loop_min_interval_us() -> i64 {
    i64::from(LOOP_MIN_INTERVAL.get()) * 1000
}

/// `pg_durable.max_executors`.
pub fn max_executors() -> usize {
    MAX_EXECUTORS.get() as usize
}

/// `pg_durable.max_new_transaction_starts`.
pub fn max_new_transaction_starts() -> usize {
    MAX_NEW_TRANSACTION_STARTS.get() as usize
}

/// `pg_durable.max_result_size`, in bytes.
pub fn max_result_size() -> usize {
    MAX_RESULT_SIZE.get() as usize * 1024
}

/// The name of the setting that [`max_unfinished`] reads.
pub const MAX_UNFINISHED: &str = "pg_durable.max_unfinished";

/// `pg_durable.max_unfinished`; 0 is any number.
pub fn max_unfinished() -> u32 {
    MAX_UNFINISHED_INSTANCES.get() as u32
}

/// `pg_durable.new_transaction_start_timeout`.
pub fn new_transaction_start_timeout() -> Duration {
    Duration::from_secs(NEW_TRANSACTION_START_TIMEOUT.get() as u64)
}

/// `pg_durable.reconcile_interval`; `None` when switched off.
pub fn reconcile_interval() -> Option<Duration> {
    let secs = RECONCILE_INTERVAL.get() as u64;
    (secs > 0).then(|| Duration::from_secs(secs))
}

/// `pg_durable.require_login`.
pub fn require_login() -> bool {
    REQUIRE_LOGIN.get()
}

/// `pg_durable.attempts_kept`.
pub fn attempts_kept() -> u32 {
    ATTEMPTS_KEPT.get() as u32
}

/// `pg_durable.retry_conflicts`.
pub fn retry_conflicts() -> u32 {
    RETRY_CONFLICTS.get() as u32
}

/// `pg_durable.retention_days`.
pub fn retention_days() -> i32 {
    RETENTION_DAYS.get()
}

/// `pg_durable.sweep_interval`.
pub fn sweep_interval() -> Duration {
    Duration::from_secs(SWEEP_INTERVAL.get() as u64)
}

/// `pg_durable.test_clock`.
pub fn test_clock() -> bool {
    TEST_CLOCK.get()
}
