//! Where the server enters this library: at load, and at the start of each of our processes.

use pgrx::pg_sys;

use crate::engine::wake;
use crate::worker;

#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    keep_backtraces_out_of_errors();
    // SAFETY: a variable that the postmaster sets while it loads shared_preload_libraries.
    if !unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        return;
    }
    super::gucs::register();
    super::shmem::register();
    super::hooks::register(wake::extension_dropped);
    super::utility::register(super::utility::Listener {
        leave_alone: wake::leave_alone,
        come_back: wake::come_back,
        databases_changed: wake::databases_changed,
    });
    // While a cluster is being upgraded nothing may write to it but the upgrade.
    if !super::process::is_binary_upgrade() {
        worker::launcher::register();
    }
}

/// pgrx puts a Rust backtrace into the DETAIL of every error that passes through it, where the environment of the server
/// asks for backtraces. A client's DETAIL is not the place; who wants them sets RUST_LIB_BACKTRACE for the server.
fn keep_backtraces_out_of_errors() {
    const NAME: &str = "RUST_LIB_BACKTRACE";
    if std::env::var_os(NAME).is_none() {
        // SAFETY: a server process has one thread, and this is it.
        unsafe { std::env::set_var(NAME, "0") }
    }
}

#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_durable_launcher_main(_argument: pg_sys::Datum) {
    worker::launcher::run();
}

#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_durable_scheduler_main(argument: pg_sys::Datum) {
    worker::scheduler::run(pg_durable_board::DatabaseId(argument.value() as u32));
}

#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_durable_executor_main(argument: pg_sys::Datum) {
    worker::executor::run(argument.value());
}

#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_durable_runner_main(argument: pg_sys::Datum) {
    worker::runner::run(argument.value() as u32);
}
