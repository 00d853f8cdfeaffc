//! Background workers: registering, starting and becoming one.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::pg_sys;

use super::encoding;

/// A worker to be started.
#[derive(Debug, Clone)]
pub struct Worker {
    /// What `pg_stat_activity.backend_type` shows.
    pub kind: &'static str,
    /// What the server log calls it.
    pub name: String,
    /// The entry point in this library.
    pub entry: &'static str,
    /// Handed to the entry point.
    pub argument: u64,
    /// After how long the postmaster starts it again when it ends; `None` never.
    pub restart: Option<Duration>,
}

/// A worker that was started.
pub struct Handle(*mut pg_sys::BackgroundWorkerHandle);

/// The worker's library cannot be registered at this time: no worker slot is free.
#[derive(Debug, thiserror::Error)]
#[error("no background worker slot is free")]
pub struct NoWorkerSlot;

impl Worker {
    /// Registers the worker at server start. From `_PG_init` only.
    pub fn register(&self) {
        let mut worker = self.description();
        // SAFETY: the description is complete; the postmaster copies it.
        unsafe { pg_sys::RegisterBackgroundWorker(&mut worker) }
    }

    /// Starts the worker now; this process is woken when its state changes.
    pub fn start(&self) -> Result<Handle, NoWorkerSlot> {
        let mut worker = self.description();
        // SAFETY: reads a variable of this process.
        worker.bgw_notify_pid = unsafe { pg_sys::MyProcPid };
        let mut handle = std::ptr::null_mut();
        // SAFETY: the description is complete; the handle is palloc'd in a context that outlives the transaction.
        let is_registered = unsafe {
            let context = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let is_registered = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle);
            pg_sys::MemoryContextSwitchTo(context);
            is_registered
        };
        if is_registered { Ok(Handle(handle)) } else { Err(NoWorkerSlot) }
    }

    fn description(&self) -> pg_sys::BackgroundWorker {
        let mut worker = pg_sys::BackgroundWorker::default();
        fill(&mut worker.bgw_name, &self.name);
        fill(&mut worker.bgw_type, self.kind);
        fill(&mut worker.bgw_library_name, "pg_durable");
        fill(&mut worker.bgw_function_name, self.entry);
        worker.bgw_flags =
            (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as c_int;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = match self.restart {
            Some(after) => after.as_secs() as c_int,
            None => pg_sys::BGW_NEVER_RESTART,
        };
        worker.bgw_main_arg = pg_sys::Datum::from(self.argument);
        worker
    }
}

impl Handle {
    /// Whether the worker has ended, or never started.
    pub fn is_stopped(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle stays valid until it is dropped.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
            || status == pg_sys::BgwHandleStatus::BGWH_POSTMASTER_DIED
    }
}

impl Handle {
    /// Ends the worker.
    pub fn terminate(&self) {
        // SAFETY: the handle stays valid until it is dropped; a worker that has gone is left alone.
        unsafe { pg_sys::TerminateBackgroundWorker(self.0) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: allocated by `start`, freed once.
        unsafe { pg_sys::pfree(self.0.cast()) }
    }
}

fn fill(field: &mut [c_char], text: &str) {
    let text = CString::new(text).unwrap_or_default();
    let bytes = text.as_bytes();
    let length = bytes.len().min(field.len() - 1);
    for (place, byte) in field.iter_mut().zip(&bytes[..length]) {
        *place = *byte as c_char;
    }
}

unsafe extern "C" {
    fn die(signal: c_int);
    fn SignalHandlerForConfigReload(signal: c_int);
}

/// Takes the signals that a backend takes. First thing in an entry point.
pub fn take_signals() {
    // SAFETY: both handlers only set flags and the latch. SIGINT and SIGUSR1 are set up by the server for
    // workers with a database connection.
    unsafe {
        for (signal, handler) in [
            (libc::SIGTERM, on_terminate as *const ()),
            (libc::SIGHUP, SignalHandlerForConfigReload as *const ()),
        ] {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

static WAS_TOLD_TO_END: AtomicBool = AtomicBool::new(false);

/// `die`, which also remembers who sent the signal. A handler of one argument is called rightly with three.
unsafe extern "C" fn on_terminate(
    signal: c_int,
    info: *mut libc::siginfo_t,
    _context: *mut core::ffi::c_void,
) {
    // SAFETY: the kernel hands over a valid description; `die` is made for signal handlers.
    unsafe {
        if (*info).si_pid() != libc::getpid() {
            WAS_TOLD_TO_END.store(true, Ordering::Relaxed);
        }
        die(signal);
    }
}

/// Whether somebody else has told this process to end, or the postmaster is no more.
pub fn was_told_to_end() -> bool {
    // SAFETY: asks the kernel; a process whose parent has died gets another one.
    WAS_TOLD_TO_END.load(Ordering::Relaxed) || unsafe { libc::getppid() != pg_sys::PostmasterPid }
}

/// Has this process told to end, as by `pg_terminate_backend`, when the postmaster dies: a step that computes without
/// ever waiting would not notice, and hold up the restart.
pub fn leave_with_postmaster() {
    // SAFETY: asks the kernel for a signal that this process handles.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
    }
}

/// Connects to a database as a role; `None` for both connects to the shared catalogs only, and `None` for the
/// role as the bootstrap superuser. Ends the process where the role may not connect.
pub fn connect(database: Option<pg_sys::Oid>, role: Option<pg_sys::Oid>) {
    // A role that may not log in may still run the steps it was allowed to submit.
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    let flags = pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    let flags = 0;
    // SAFETY: called once in the life of the process, with signals unblocked.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            database.unwrap_or(pg_sys::InvalidOid),
            role.unwrap_or(pg_sys::InvalidOid),
            flags,
        );
    }
}

/// This process's id.
pub fn my_pid() -> i32 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::MyProcPid }
}

/// Interrupts the statement that a process runs, as `pg_cancel_backend` does.
pub fn cancel_statement(pid: i32) {
    // SAFETY: a signal whose handler only sets flags; a process that has gone makes it fail without effect.
    unsafe {
        libc::kill(pid, libc::SIGINT);
    }
}

/// Whether the commit of another process waits for a synchronous standby.
pub fn waits_for_standby(pid: i32) -> bool {
    // SAFETY: the place of a process is never unmapped; one that has ended in between says nothing that matters, and a
    // number that is read while it changes is the old one or the new one.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        !process.is_null()
            && std::ptr::read_volatile(&raw const (*process).syncRepState) == pg_sys::SYNC_REP_WAITING as i32
    }
}

/// Interrupts the statement that this process runs, where it serves interrupts next.
pub fn cancel_own_statement() {
    // SAFETY: what the signal's handler does, plain variables of this process.
    unsafe {
        pg_sys::QueryCancelPending = 1;
        pg_sys::InterruptPending = 1;
    }
}

/// Does something during which a cancellation waits: it means a step's statements, and what the engine does between
/// them is short.
pub fn without_cancellation<T>(work: impl FnOnce() -> T) -> T {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            // Runs while an error unwinds too, which has set it to zero already.
            // SAFETY: a plain variable of this process.
            unsafe { pg_sys::QueryCancelHoldoffCount = 0 }
        }
    }
    // SAFETY: as above. Nothing of the engine's holds cancellations off for longer.
    unsafe { pg_sys::QueryCancelHoldoffCount = 1 }
    let _guard = Guard;
    work()
}

/// Forgets a cancellation that arrived while nothing was running.
pub fn forget_cancellation() {
    // SAFETY: plain variables that only signal handlers of this process set.
    unsafe { pg_sys::QueryCancelPending = 0 }
}

/// Calls `on_exit` once when this process leaves in an orderly way, while it still has shared memory. A function that
/// was given before is not called twice.
pub fn before_exit(on_exit: fn()) {
    let is_first = ON_EXIT.with_borrow_mut(|known| {
        let is_first = known.is_empty();
        if !known.iter().any(|known| std::ptr::fn_addr_eq(*known, on_exit)) {
            known.push(on_exit);
        }
        is_first
    });
    if is_first {
        // SAFETY: the callback is a function of this library, which is never unloaded.
        unsafe { pg_sys::before_shmem_exit(Some(call_on_exit), pg_sys::Datum::from(0usize)) }
    }
}

thread_local! {
    static ON_EXIT: std::cell::RefCell<Vec<fn()>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn call_on_exit(_code: c_int, _arg: pg_sys::Datum) {
    for on_exit in ON_EXIT.take() {
        on_exit();
    }
}

/// Ends the process in an orderly way.
#[allow(unreachable_code, reason = "the bindings of PostgreSQL 18 do not say that proc_exit does not return")]
pub fn exit() -> ! {
    // SAFETY: runs the exit callbacks and does not return.
    unsafe { pg_sys::proc_exit(0) };
    std::process::abort()
}

thread_local! {
    static RUNS_STEPS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this process carries out steps: the caller of an SQL function is one.
pub fn is_executor() -> bool {
    RUNS_STEPS.get()
}

/// This process carries out steps, its own or those of an executor of another database.
pub fn run_steps() {
    RUNS_STEPS.set(true);
}

/// Sets a placeholder setting of the session that RESET ALL keeps.
pub fn set_session_default(name: &str, value: &str) {
    let (name, value) = (encoding::from_utf8(name), encoding::from_utf8(value));
    // SAFETY: copies both texts.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Whether the server serves pg_upgrade.
pub fn is_binary_upgrade() -> bool {
    // SAFETY: a variable that the postmaster sets at its start.
    unsafe { pg_sys::IsBinaryUpgrade }
}

/// How many worker processes the server allows in all.
pub fn max_worker_processes() -> i32 {
    // SAFETY: reads a setting.
    unsafe { pg_sys::max_worker_processes }
}

/// Whether the server lets a worker be born as a role that may not log in.
pub const RUNS_NOLOGIN_ROLES: bool = cfg!(any(feature = "pg17", feature = "pg18"));
