//! Session state: nothing of one step reaches the next.

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    fn Async_UnlistenAll();
    fn ResetSequenceCaches();
}

/// Whether the session may carry out another step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hygiene {
    /// As good as new.
    Clean,
    /// A step changed who the session is: the process ends and a new one is born.
    Tainted,
}

/// Undoes what a step may have left in the session: settings, cursors, prepared statements, LISTEN, advisory
/// locks, temporary tables, sequence caches. Outside a transaction.
pub fn clean(session_user: pg_sys::Oid) -> Hygiene {
    // SAFETY: reads variables of this process.
    let is_same_user = unsafe {
        pg_sys::GetSessionUserId() == session_user
            && pg_sys::GetUserId() == session_user
            && pg_sys::GetOuterUserId() == session_user
    };
    if !is_same_user {
        return Hygiene::Tainted;
    }
    // SAFETY: the parts of DISCARD ALL that need no transaction, in its order; plans of the engine's own are
    // kept apart from prepared statements and survive.
    unsafe {
        pg_sys::PortalHashTableDeleteAll();
        pg_sys::ResetAllOptions();
        pg_sys::DropAllPreparedStatements();
        pg_sys::LockReleaseAll(pg_sys::USER_LOCKMETHOD as u16, true);
        pg_sys::ffi::pg_guard_ffi_boundary(|| ResetSequenceCaches());
    }
    // SAFETY: cheap tests whether the two parts that need a transaction have anything to do.
    let (has_temp, is_listening) = unsafe {
        let mut namespace = pg_sys::InvalidOid;
        let mut toast = pg_sys::InvalidOid;
        pg_sys::GetTempNamespaceState(&mut namespace, &mut toast);
        (namespace != pg_sys::InvalidOid, MAY_LISTEN.replace(false))
    };
    if has_temp || is_listening {
        let transaction = super::xact::Transaction::begin_internal();
        // SAFETY: inside a transaction, as both demand.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| Async_UnlistenAll());
            pg_sys::ResetTempTableNamespace();
        }
        transaction.commit();
    }
    Hygiene::Clean
}

thread_local! {
    static MAY_LISTEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Remembers that a step ran something other than a plain query, so that it may be listening.
pub fn note_utility() {
    MAY_LISTEN.set(true);
}
