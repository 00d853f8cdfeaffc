//! Text between the database's encoding and UTF-8.

use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

/// A C string of the server as UTF-8; what does not convert is replaced.
///
/// # Safety
/// `text` is a valid C string in the database's encoding.
pub unsafe fn to_utf8(text: *const c_char) -> String {
    // SAFETY: promised by the caller.
    let bytes = unsafe { CStr::from_ptr(text) };
    if bytes.to_bytes().is_ascii() {
        return bytes.to_string_lossy().into_owned();
    }
    converting(|| {
        // SAFETY: the conversion returns its argument or a new C string.
        unsafe {
            let length = bytes.to_bytes().len() as i32;
            let converted = pg_sys::pg_server_to_any(text, length, pg_sys::pg_enc::PG_UTF8 as i32);
            CStr::from_ptr(converted).to_string_lossy().into_owned()
        }
    })
}

/// [`to_utf8`] for an argument of a function.
pub fn of_server(text: &CStr) -> String {
    // SAFETY: a C string that the server hands over is in the database's encoding.
    unsafe { to_utf8(text.as_ptr()) }
}

/// The bytes of a C string of the server in UTF-8, as far as they convert: its own, or a copy in the current memory.
///
/// # Safety
/// `text` is a valid C string in the database's encoding; the bytes are used while it, and that memory, live.
pub unsafe fn utf8_bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: promised by the caller.
    unsafe { utf8_bytes_of(text, CStr::from_ptr(text).to_bytes().len()) }
}

/// [`utf8_bytes`] of a text of this length, which need not be terminated.
///
/// # Safety
/// As there; `text` has so many bytes.
pub unsafe fn utf8_bytes_of<'a>(text: *const c_char, len: usize) -> &'a [u8] {
    // SAFETY: the conversion returns its argument or a new C string.
    unsafe {
        let converted = pg_sys::pg_server_to_any(text, len as i32, pg_sys::pg_enc::PG_UTF8 as i32);
        if std::ptr::eq(converted, text) {
            std::slice::from_raw_parts(text.cast(), len)
        } else {
            CStr::from_ptr(converted).to_bytes()
        }
    }
}

/// UTF-8 text as a C string in the database's encoding; raises where a character has no equivalent. What stands for a
/// character that was lost already has one everywhere: a question mark.
pub fn from_utf8(text: &str) -> CString {
    // As every step does it, without a second copy: what Rust holds is valid for the server but for the zero byte.
    if is_utf8()
        && let Ok(text) = CString::new(text)
    {
        return text;
    }
    let lost = if is_utf8() { "\u{fffd}" } else { "?" };
    let text = if is_utf8() { text.replace('\0', lost) } else { text.replace(['\0', '\u{fffd}'], lost) };
    let text = CString::new(text).unwrap_or_default();
    if text.as_bytes().is_ascii() {
        return text;
    }
    converting(|| {
        // SAFETY: `text` is a C string; the conversion returns its argument or a new C string.
        unsafe {
            let length = text.as_bytes().len() as i32;
            let converted = pg_sys::pg_any_to_server(text.as_ptr(), length, pg_sys::pg_enc::PG_UTF8 as i32);
            if std::ptr::eq(converted, text.as_ptr()) {
                text.clone()
            } else {
                CStr::from_ptr(converted).to_owned()
            }
        }
    })
}

/// The server looks conversions up in its catalogs, so that there has to be a transaction; and none that this process
/// may be about to clean up is touched.
fn converting<T>(convert: impl FnOnce() -> T) -> T {
    // SAFETY: reads the state of this process's transaction.
    let is_within = unsafe { pg_sys::IsTransactionOrTransactionBlock() };
    if is_within || needs_no_catalog() {
        return convert();
    }
    // SAFETY: only background workers of ours come here without a transaction.
    unsafe { pg_sys::StartTransactionCommand() };
    let guard = AbortGuard;
    let converted = convert();
    std::mem::forget(guard);
    // SAFETY: commits what was begun above.
    unsafe { pg_sys::CommitTransactionCommand() };
    converted
}

/// Aborts the transaction when an error unwinds.
struct AbortGuard;

impl Drop for AbortGuard {
    fn drop(&mut self) {
        // SAFETY: aborting is allowed in any transaction state.
        unsafe { pg_sys::AbortCurrentTransaction() }
    }
}

fn needs_no_catalog() -> bool {
    is_utf8() || encoding() == pg_sys::pg_enc::PG_SQL_ASCII as i32
}

/// Whether the database's encoding is UTF-8.
pub fn is_utf8() -> bool {
    encoding() == pg_sys::pg_enc::PG_UTF8 as i32
}

fn encoding() -> i32 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetDatabaseEncoding() }
}
