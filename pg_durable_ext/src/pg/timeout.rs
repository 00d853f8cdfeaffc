//! `transaction_timeout`, from PostgreSQL 17 on: the server ends the process for it, which would carry out the step again and
//! again. An executor's step is interrupted instead.

use std::sync::atomic::{AtomicBool, Ordering};

use pg_durable_graph::Failure;

const TRANSACTION_TIMEOUT: &str = "25P04";

static IS_OVER: AtomicBool = AtomicBool::new(false);

/// From now on the time-out interrupts the statement. In a process that has connected.
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub fn interrupt_for_transactions() {
    use pgrx::pg_sys;

    /// `TRANSACTION_TIMEOUT` of `utils/timeout.h`, the same in PostgreSQL 17 and 18.
    const ID: i32 = 8;

    unsafe extern "C-unwind" {
        fn RegisterTimeout(id: i32, handler: Option<unsafe extern "C-unwind" fn()>) -> i32;
    }

    /// As a cancellation's handler: nothing but flags and the latch.
    unsafe extern "C-unwind" fn on_time() {
        IS_OVER.store(true, Ordering::Relaxed);
        // SAFETY: in a signal handler of this process, which has its latch.
        unsafe {
            pg_sys::QueryCancelPending = 1;
            pg_sys::InterruptPending = 1;
            pg_sys::SetLatch(pg_sys::MyLatch);
        }
    }

    // SAFETY: the time-out has been set up with the server's own handler, in whose place this one comes.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| RegisterTimeout(ID, Some(on_time))) };
}

/// There is no such time-out before PostgreSQL 17.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub fn interrupt_for_transactions() {}

/// Forgets a time-out that came when nothing was running.
pub fn forget() {
    IS_OVER.store(false, Ordering::Relaxed);
}

/// The error as it is to be told: the server calls it a cancellation.
pub fn explain(failure: Failure) -> Failure {
    if failure.is_cancellation() && IS_OVER.swap(false, Ordering::Relaxed) {
        return Failure::new(TRANSACTION_TIMEOUT, "canceling step due to transaction timeout");
    }
    failure
}

/// Whether [`explain`] has said so.
pub fn is_transaction_timeout(failure: &Failure) -> bool {
    failure.sqlstate == TRANSACTION_TIMEOUT
}
