//! An executor: born as the role whose steps it runs.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pg_durable_board::Taken;
use pgrx::pg_sys::Oid;

use crate::engine::run::Executor;
use crate::engine::wake;
use crate::pg::{activity, clock, gucs, inflight, latch, process, shmem, timeout};

/// How long an executor is idle before it lets go of what it keeps at hand: the next work may come at once.
const SETTLE_AFTER: Duration = Duration::from_millis(500);

thread_local! {
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The life of the executor for whom this slot was reserved.
pub fn run(slot: usize) {
    process::take_signals();
    process::leave_with_postmaster();
    process::run_steps();
    process::before_exit(leave);
    let entered =
        shmem::board().executors.enter(slot, process::my_pid(), latch::my_proc_number(), clock::now());
    let Some(tenant) = entered else { process::exit() };
    SLOT.set(Some(slot));
    inflight::forget_on_crash_of_others(slot);
    process::connect(Some(Oid::from(tenant.database.0)), Some(Oid::from(tenant.role.0)));
    timeout::interrupt_for_transactions();
    process::set_session_default("df.in_workflow", "true");
    shmem::board().ready_executor(slot);
    let mut executor = Executor::new(slot, tenant);
    activity::show_name("pg_durable executor");
    let mut idle_since: Option<Instant> = None;
    let mut is_settled = false;
    loop {
        process::without_cancellation(latch::serve_interrupts);
        let taken = wake::ask(|board| board.take(slot, executor.preference(), clock::now()));
        match taken {
            Taken::Work(work) => {
                idle_since = None;
                is_settled = false;
                executor.advance(work);
                activity::report_statistics(false);
                if executor.is_tainted {
                    break;
                }
            }
            Taken::Retire => break,
            Taken::Nothing => {
                let idle_for = idle_since.get_or_insert_with(Instant::now).elapsed();
                if idle_for >= SETTLE_AFTER && !is_settled {
                    is_settled = true;
                    executor.forget();
                    activity::show_name("pg_durable executor");
                    activity::report_statistics(true);
                }
                let until = if is_settled { gucs::executor_idle_timeout() } else { SETTLE_AFTER };
                let left = until.saturating_sub(idle_for);
                if left.is_zero() {
                    break;
                }
                latch::wait(Some(left));
            }
        }
    }
    process::exit();
}

fn leave() {
    if let Some(slot) = SLOT.get() {
        if let Some(step) = inflight::take(slot)
            && !process::was_told_to_end()
        {
            wake::send(|board| board.suspect(step, clock::now()));
        }
        wake::send(|board| board.leave_executor(slot, clock::now()));
    }
}
