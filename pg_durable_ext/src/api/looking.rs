//! Evaluating an expression to see what it makes: nothing may start in it.

use std::cell::Cell;

thread_local! {
    static IS_LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether `df.explain` is evaluating an expression, in which nothing may start.
pub fn is_looking() -> bool {
    IS_LOOKING.get()
}

/// While it lives, [`is_looking`].
#[must_use]
pub struct Looking(());

impl Looking {
    pub fn begin() -> Looking {
        IS_LOOKING.set(true);
        Looking(())
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // Runs while an error unwinds too: the next statement must not be affected.
        IS_LOOKING.set(false);
    }
}
