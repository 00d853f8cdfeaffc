//! Waiting, and waking other processes.

use std::time::Duration;

use pg_durable_board::ProcNumber;
use pgrx::pg_sys;

/// This process's place.
pub fn my_proc_number() -> ProcNumber {
    // SAFETY: a process with shared memory has its PGPROC.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    unsafe {
        (*pg_sys::MyProc).pgprocno
    }
    // SAFETY: as above.
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    unsafe {
        pg_sys::MyProcNumber
    }
}

/// Wakes a process. Spurious wake-ups are part of a latch's contract, so a place that meanwhile belongs to
/// another process does no harm.
pub fn wake(place: ProcNumber) {
    // SAFETY: the process array has this place for the life of the server.
    unsafe {
        let process = (*pg_sys::ProcGlobal).allProcs.add(place as usize);
        pg_sys::SetLatch(&raw mut (*process).procLatch);
    }
}

/// Waits until woken or until the time is over; ends the process when the postmaster has died.
pub fn wait(timeout: Option<Duration>) {
    let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH;
    let mut timeout_ms = -1;
    if let Some(timeout) = timeout {
        events |= pg_sys::WL_TIMEOUT;
        // Rounded up: waking a fraction early would spin until the moment has come.
        timeout_ms = timeout.as_micros().div_ceil(1000).min(i32::MAX as u128) as core::ffi::c_long;
    }
    // SAFETY: waits on the process's own latch.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, timeout_ms, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}

/// Serves interrupts: cancellation and termination. Anywhere, also in the middle of a client's statement.
pub fn check_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Serves interrupts and, where due, takes a changed configuration. In the main loop of a process of ours only: a client's
/// settings stay as they are for the length of its statement.
pub fn serve_interrupts() {
    check_interrupts();
    // SAFETY: plain variables, and the function that the main loop of any background process calls.
    unsafe {
        if pg_sys::ConfigReloadPending != 0 {
            pg_sys::ConfigReloadPending = 0;
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}
