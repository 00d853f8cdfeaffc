//! Catching PostgreSQL errors in our background workers.

use std::panic::{AssertUnwindSafe, UnwindSafe};

use pgrx::PgTryBuilder;
use pgrx::pg_sys::panic::CaughtError;

/// An error as PostgreSQL reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// Five characters.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
}

/// Runs `work`; an error of PostgreSQL or a panic of ours comes back as a value.
///
/// The caller then aborts the transaction, which is the only thing that may be done with it.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    let work = AssertUnwindSafe(work);
    let run: Box<dyn FnOnce() -> Result<T, Caught> + UnwindSafe> = Box::new(AssertUnwindSafe(|| {
        let work = work;
        Ok((work.0)())
    }));
    PgTryBuilder::new(run)
        .catch_others(|error| Err(Caught::of(error)))
        .catch_rust_panic(|error| Err(Caught::of(error)))
        .execute()
}

impl Caught {
    fn of(error: CaughtError) -> Caught {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = error;
        let facts = super::portal::take_error_facts();
        let code = facts.as_ref().map_or(report.sql_error_code() as i32, |facts| facts.code);
        Caught {
            sqlstate: sqlstate_text(code),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
            context: facts.and_then(|facts| facts.context),
        }
    }

    /// Whether the statement was cancelled from outside: by `pg_cancel_backend`, a time-out or the engine.
    pub fn is_cancellation(&self) -> bool {
        self.sqlstate == "57014"
    }
}

/// The five characters of a packed error code.
fn sqlstate_text(packed: i32) -> String {
    (0..5).map(|place| char::from(((packed >> (6 * place)) & 0x3F) as u8 + b'0')).collect()
}
