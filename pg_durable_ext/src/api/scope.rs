//! Whose instances the current user may see, for what is read as the owner.
//!
//! It is what the policies of `df.instances` say.

use crate::pg::{catalog, role};
use crate::store::fleet::Scope;

/// The current user may not read the instances at all.
#[derive(Debug, thiserror::Error)]
#[error("permission denied for table instances")]
pub struct NotReadable;

/// Asks the catalogs.
pub fn of_current_user() -> Result<Scope, NotReadable> {
    const TABLE: &std::ffi::CStr = c"instances";
    if !catalog::may_read(TABLE) {
        return Err(NotReadable);
    }
    Ok(if catalog::is_row_secured(TABLE) { Scope::Roles(vec![role::current_user()]) } else { Scope::All })
}
