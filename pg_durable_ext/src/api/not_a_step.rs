//! Functions whose text result looks like a step and is none: `df.setvar` and the like return `'OK'`.

use std::cell::RefCell;

use super::error::ApiError;
use crate::pg::clock;

thread_local! {
    static LAST: RefCell<Option<(&'static str, i64)>> = const { RefCell::new(None) };
}

/// Remembers that such a function ran in this statement.
pub fn note(name: &'static str) {
    LAST.with_borrow_mut(|last| *last = Some((name, clock::statement_started_at())));
}

/// Refuses plain text as a step in a statement in which such a function ran: it is that function's result.
pub fn refuse_result(text: &str) -> Result<(), ApiError> {
    if text.starts_with('{') {
        return Ok(());
    }
    LAST.with_borrow(|last| match last {
        Some((name, at)) if *at == clock::statement_started_at() => {
            Err(ApiError::NotAStep((*name).to_owned()))
        }
        _ => Ok(()),
    })
}
