//! What the current user may see: everything else does not exist.

use pgrx::pg_sys::Oid;

use crate::engine::wake;
use crate::pg::spi::Session;
use crate::store::instances;

/// There is no such instance for the current user.
#[derive(Debug, thiserror::Error)]
#[error("Instance not found or access denied: {0}")]
pub struct NotFound(pub String);

/// The number and the submitter of an instance that the current user may see.
pub fn find(id: &str) -> Result<(u64, Oid), NotFound> {
    visible(id).ok_or_else(|| NotFound(id.to_owned()))
}

/// [`find`] for those who have something else to say where there is none.
pub fn visible(id: &str) -> Option<(u64, Oid)> {
    let number = wake::instance_number(id)?;
    let spi = Session::open();
    Some((number, instances::visible(&spi, id)?.submitted_by))
}
