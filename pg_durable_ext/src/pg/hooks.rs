//! Noticing that the extension is dropped.
//!
//! Who was hooked in before is called from a frame that holds nothing to be destroyed, and from no guard of ours: its
//! errors pass as they would without us, with everything that they carry.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::pg_sys;

static PREVIOUS: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
static ON_DROP: OnceLock<fn()> = OnceLock::new();

type AccessHook = unsafe extern "C-unwind" fn(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    sub_object: i32,
    arg: *mut core::ffi::c_void,
);

/// Calls `on_drop` in each transaction that drops the extension. From `_PG_init` only.
pub fn register(on_drop: fn()) {
    ON_DROP.get_or_init(|| on_drop);
    // SAFETY: hooks may be chained while the library is being loaded.
    unsafe {
        let previous = pg_sys::object_access_hook.map_or(std::ptr::null_mut(), |hook| hook as *mut ());
        PREVIOUS.store(previous, Ordering::Relaxed);
        pg_sys::object_access_hook = Some(on_access);
    }
}

unsafe extern "C-unwind" fn on_access(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    sub_object: i32,
    arg: *mut core::ffi::c_void,
) {
    let previous = PREVIOUS.load(Ordering::Relaxed);
    if !previous.is_null() {
        // SAFETY: the pointer was taken from a hook variable of this very type.
        unsafe {
            std::mem::transmute::<*mut (), AccessHook>(previous)(access, class, object, sub_object, arg)
        }
    }
    if access == pg_sys::ObjectAccessType::OAT_DROP && class == pg_sys::ExtensionRelationId {
        // SAFETY: guarded, so that a panic of ours becomes an error.
        unsafe { note_drop(object) }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn note_drop(extension: pg_sys::Oid) {
    if super::catalog::extension() == Some(extension)
        && let Some(on_drop) = ON_DROP.get()
    {
        on_drop();
    }
}
