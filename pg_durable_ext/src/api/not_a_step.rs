//! Functions whose text result looks like a step and is none: `df.setvar` and the like return `'OK'`.

use std::cell::RefCell;

use crate::pg::clock;

/// Text that is another function's result was given as a step.
#[derive(Debug, thiserror::Error)]
#[error("df.{0} cannot be used as a workflow step. Call df.{0} before df.start().")]
pub struct NotAStep(&'static str);

thread_local! {
    static LAST: RefCell<Option<(&'static str, i64)>> = const { RefCell::new(None) };
}

/// Remembers that such a function ran in this statement.
pub fn note(name: &'static str) {
    LAST.with_borrow_mut(|last| *last = Some((name, clock::statement_started_at())));
}

/// Refuses plain text as a step in a statement in which such a function ran: it is that function's result.
pub fn refuse_result(text: &str) -> Result<(), NotAStep> {
    if text.starts_with('{') {
        return Ok(());
    }
    LAST.with_borrow(|last| match last {
        Some((name, at)) if *at == clock::statement_started_at() => Err(NotAStep(name)),
        _ => Ok(()),
    })
}
