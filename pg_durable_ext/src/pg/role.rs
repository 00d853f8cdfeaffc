//! Acting as the extension's owner.

use pgrx::pg_sys;

/// While it lives, SQL runs as the owner of the extension's tables.
#[must_use]
pub struct OwnerGuard {
    user: pg_sys::Oid,
    sec_context: i32,
}

impl OwnerGuard {
    /// Switches to `owner`.
    pub fn assume(owner: pg_sys::Oid) -> OwnerGuard {
        let mut user = pg_sys::Oid::INVALID;
        let mut sec_context = 0;
        // SAFETY: saves, then sets, what `drop` restores.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut sec_context);
            let context = sec_context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
            pg_sys::SetUserIdAndSecContext(owner, context);
        }
        OwnerGuard { user, sec_context }
    }
}

impl Drop for OwnerGuard {
    fn drop(&mut self) {
        // Runs while an ERROR unwinds too: it cannot raise, and a caller that catches the error must not keep
        // the role.
        // SAFETY: restores exactly what `assume` saved.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.sec_context) }
    }
}

/// The role that has logged in, with whose settings the session began.
pub fn authenticated_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetAuthenticatedUserId() }
}

/// The current user, whom privileges are checked for.
pub fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetUserId() }
}
