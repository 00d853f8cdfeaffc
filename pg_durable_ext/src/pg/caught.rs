//! Catching PostgreSQL errors in our background workers.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, UnwindSafe};

use pg_durable_graph::Failure;
use pgrx::PgTryBuilder;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;

use super::encoding;

/// Runs `work`; an error of PostgreSQL or a panic of ours comes back as a value.
///
/// The caller then aborts the transaction, which is the only thing that may be done with it.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    let work = AssertUnwindSafe(work);
    let run: Box<dyn FnOnce() -> Result<T, Failure> + UnwindSafe> = Box::new(AssertUnwindSafe(|| {
        let work = work;
        Ok((work.0)())
    }));
    PgTryBuilder::new(run)
        .catch_others(|error| Err(failure(error)))
        .catch_rust_panic(|error| Err(failure(error)))
        .execute()
}

fn failure(error: CaughtError) -> Failure {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic { ereport: report, .. }) = error;
    let facts = take_error_facts();
    let code = facts.as_ref().map_or(report.sql_error_code() as i32, |facts| facts.code);
    let failure = Failure {
        sqlstate: sqlstate_text(code),
        message: report.message().to_owned(),
        detail: report.detail().map(str::to_owned),
        hint: report.hint().map(str::to_owned),
        context: None,
    };
    match facts {
        Some(ErrorFacts { message, detail, hint, context, .. }) if !encoding::is_utf8() => {
            Failure { message, detail, hint, context, ..failure }
        }
        Some(ErrorFacts { context, .. }) => Failure { context, ..failure },
        None => failure,
    }
}

/// The five characters of a packed error code.
fn sqlstate_text(packed: i32) -> String {
    (0..5).map(|place| char::from(((packed >> (6 * place)) & 0x3F) as u8 + b'0')).collect()
}

// Declared here without pgrx's guard, so that the error's context can be read before the guard drops it.
unsafe extern "C-unwind" {
    fn pg_re_throw() -> !;
}

thread_local! {
    static ERROR_FACTS: RefCell<Option<ErrorFacts>> = const { RefCell::new(None) };
}

/// What pgrx does not keep of an error.
struct ErrorFacts {
    /// The packed code: pgrx knows those of PostgreSQL only, not those that users make up.
    code: i32,
    /// These it takes for UTF-8, whatever the encoding of the database is.
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// The PL/pgSQL call stack, say.
    context: Option<String>,
}

/// The facts of the last error of a step, once.
fn take_error_facts() -> Option<ErrorFacts> {
    ERROR_FACTS.with_borrow_mut(Option::take)
}

/// Runs a C function under a guard that keeps the error's code and context, which pgrx's own guard does not.
///
/// # Safety
/// `call` does nothing but call a C function.
pub unsafe fn with_error_facts(call: impl FnOnce()) {
    // SAFETY: the outer boundary turns the re-thrown error into a panic; the inner one only reads it. Nothing
    // with a destructor lives in the frames that `siglongjmp` leaves.
    unsafe {
        let context_stack = pg_sys::error_context_stack;
        let exception_stack = pg_sys::PG_exception_stack;
        let memory = pg_sys::CurrentMemoryContext;
        let jumped = cee_scape::call_with_sigsetjmp(false, |buffer| {
            pg_sys::PG_exception_stack = std::mem::transmute::<*const cee_scape::SigJmpBufFields, *mut _>(
                buffer as *const cee_scape::SigJmpBufFields,
            );
            call();
            0
        });
        pg_sys::PG_exception_stack = exception_stack;
        pg_sys::error_context_stack = context_stack;
        if jumped != 0 {
            pg_sys::MemoryContextSwitchTo(memory);
            let error = pg_sys::CopyErrorData();
            let text = |text: *const std::ffi::c_char| (!text.is_null()).then(|| encoding::to_utf8(text));
            let facts = ErrorFacts {
                code: (*error).sqlerrcode,
                message: text((*error).message).unwrap_or_default(),
                detail: text((*error).detail),
                hint: text((*error).hint),
                context: text((*error).context),
            };
            ERROR_FACTS.with_borrow_mut(|kept| *kept = Some(facts));
            pg_sys::FreeErrorData(error);
            pg_re_throw();
        }
    }
}
