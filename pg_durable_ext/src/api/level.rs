//! What the current user may see and do beside what is its own: the levels of `df.grant_fleet`.

use pg_durable_graph::rights::Level;
use pgrx::prelude::*;

use crate::pg::membership::Roles;
use crate::pg::{catalog, role};

/// The highest level that the current user has been granted over the instances of all roles.
pub fn of_current_user() -> Option<Level> {
    let user = role::current_user();
    Level::ALL.into_iter().rev().find(|level| catalog::may_execute(user, marker(*level)))
}

/// The function whose EXECUTE is the level.
fn marker(level: Level) -> &'static std::ffi::CStr {
    match level {
        Level::Metadata => c"fleet_metadata",
        Level::Read => c"fleet_read",
        Level::Operate => c"fleet_operate",
    }
}

/// For the views; 0 for none.
#[pg_extern]
fn fleet_level() -> i32 {
    of_current_user().map_or(0, Level::number)
}

/// For the policies.
#[pg_extern]
fn fleet_roles() -> Roles {
    Roles::of_current_user()
}
