//! The extension's sequences.

use std::ffi::CStr;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

unsafe extern "C-unwind" {
    fn nextval_internal(relation: pg_sys::Oid, check_permissions: bool) -> i64;
}

/// The next number of a sequence of the extension, as `nextval` gives it; inside a transaction, as the owner.
pub fn next(name: &CStr) -> u64 {
    let Some(sequence) = super::catalog::relation(name) else { return 0 };
    // SAFETY: the relation is a sequence of the extension's; raises where it has been dropped since.
    unsafe { pg_guard_ffi_boundary(|| nextval_internal(sequence, true)) as u64 }
}
