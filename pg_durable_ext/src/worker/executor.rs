//! An executor: born as the role whose steps it runs.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::engine::board::Taken;
use crate::engine::run::Executor;
use crate::pg::{activity, clock, gucs, inflight, latch, process, shmem};

thread_local! {
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
    static IS_STEP: Cell<bool> = const { Cell::new(false) };
}

/// Whether this process is an executor: the caller of an SQL function is a step.
pub fn is_executor() -> bool {
    IS_STEP.get()
}

/// This process runs steps on behalf of an executor of another database.
pub fn pose_as_step() {
    IS_STEP.set(true);
}

/// The life of the executor for whom this slot was reserved.
pub fn run(slot: usize) {
    process::take_signals();
    process::leave_with_postmaster();
    inflight::forget_on_crash_of_others(slot);
    SLOT.set(Some(slot));
    IS_STEP.set(true);
    process::before_exit(leave);
    let (database, role) =
        shmem::board().enter_executor(slot, process::my_pid(), latch::my_proc_number(), clock::now());
    process::connect(Some(database), Some(role));
    process::set_session_default("df.in_workflow", "true");
    shmem::board().ready_executor(slot);
    let mut executor = Executor::new(slot, database, role);
    activity::show_name("pg_durable executor");
    let mut idle_since: Option<Instant> = None;
    loop {
        latch::check_interrupts();
        let taken = shmem::board().take(slot, executor.preference(), clock::now());
        match taken {
            Taken::Work(work) => {
                idle_since = None;
                executor.advance(work);
                activity::report_statistics(false);
                if executor.is_tainted {
                    break;
                }
            }
            Taken::Retire => break,
            Taken::Nothing => {
                let since = *idle_since.get_or_insert_with(|| {
                    executor.forget();
                    activity::show_name("pg_durable executor");
                    activity::report_statistics(true);
                    Instant::now()
                });
                let Some(left) = gucs::executor_idle_timeout().checked_sub(since.elapsed()) else { break };
                latch::wait(Some(left.max(Duration::from_millis(1))));
            }
        }
    }
    process::exit();
}

fn leave() {
    if let Some(slot) = SLOT.get() {
        inflight::note(slot, None);
        shmem::board().leave_executor(slot, clock::now()).send();
    }
}
