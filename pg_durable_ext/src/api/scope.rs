//! Whose instances the current user may see, for what is read as the owner.
//!
//! It is what the policies of `df.instances` say, and the levels beside them.

use pg_durable_graph::rights::Sight;

use super::level;
use crate::pg::catalog;
use crate::pg::membership::Roles;
use crate::store::fleet::Scope;

/// The current user may not read the instances at all.
#[derive(Debug, thiserror::Error)]
#[error("permission denied for table instances")]
pub struct NotReadable;

/// Everybody's for whoever has a level that shows so much of them, else its own.
pub fn of_fleet(needs: Sight) -> Result<Scope, NotReadable> {
    let shows = |sight: Sight| needs == Sight::Shape || sight == Sight::Whole;
    if level::of_current_user().is_some_and(|level| shows(level.sight())) {
        return Ok(Scope::All);
    }
    own()
}

/// Whose texts and values are shown of what [`of_fleet`] shows.
pub fn of_texts() -> Scope {
    // Who may not read the tables and has the level metadata sees none.
    of_fleet(Sight::Whole).unwrap_or(Scope::Roles(Vec::new()))
}

/// What row security shows. Asks the catalogs.
pub fn own() -> Result<Scope, NotReadable> {
    const TABLE: &std::ffi::CStr = c"instances";
    if !catalog::may_select(TABLE) {
        return Err(NotReadable);
    }
    let is_row_secured = catalog::is_row_secured(TABLE);
    Ok(if is_row_secured { Scope::Roles(Roles::of_current_user().to_vec()) } else { Scope::All })
}
