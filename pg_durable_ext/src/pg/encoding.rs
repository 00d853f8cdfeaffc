//! Text between the database's encoding and UTF-8.

use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

/// A C string of the server as UTF-8; what does not convert is replaced.
///
/// # Safety
/// `text` is a valid C string in the database's encoding.
pub unsafe fn to_utf8(text: *const c_char) -> String {
    // SAFETY: promised by the caller; the conversion returns its argument or a new C string.
    unsafe {
        let length = CStr::from_ptr(text).to_bytes().len() as i32;
        let converted = pg_sys::pg_server_to_any(text, length, pg_sys::pg_enc::PG_UTF8 as i32);
        CStr::from_ptr(converted).to_string_lossy().into_owned()
    }
}

/// UTF-8 text as a C string in the database's encoding; raises where a character has no equivalent.
pub fn from_utf8(text: &str) -> CString {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // SAFETY: `text` is a C string; the conversion returns its argument or a new C string.
    unsafe {
        let length = text.as_bytes().len() as i32;
        let converted = pg_sys::pg_any_to_server(text.as_ptr(), length, pg_sys::pg_enc::PG_UTF8 as i32);
        if std::ptr::eq(converted, text.as_ptr()) { text } else { CStr::from_ptr(converted).to_owned() }
    }
}
