//! What the current user may see and steer: everything else does not exist.
//!
//! Row security says what it sees, and shows the rows of every role whose rights it has. Where that shows nothing, its
//! level decides (`level`). To steer takes a stake, which seeing is not.

use pg_durable_graph::rights::{Sight, Stake};
use pgrx::pg_sys::Oid;

use super::level;
use crate::engine::wake;
use crate::pg::catalog;
use crate::pg::spi::Session;
use crate::store;
use crate::store::seen::{self, VisibleInstance};

/// There is no such instance for the current user.
#[derive(Debug, thiserror::Error)]
#[error("Instance not found or access denied: {0}")]
pub struct NotFound(pub String);

/// Why somebody may not steer an instance.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error("instance {id} belongs to {owner}")]
    NotAllowed { id: String, owner: String },
}

/// Reads as the current user; where that finds nothing, and the user has a level, as the owner. Says how much of what was
/// found may be shown.
pub fn read<T>(read: impl Fn() -> Option<T>) -> Option<(T, Sight)> {
    // Who has a level may have no right to the tables. Who has neither is refused by the statement.
    if (may_select() || level::of_current_user().is_none())
        && let Some(found) = read()
    {
        return Some((found, Sight::Whole));
    }
    let sight = level::of_current_user()?.sight();
    let _owner = store::as_owner();
    read().map(|found| (found, sight))
}

fn may_select() -> bool {
    catalog::may_select(c"instances") && catalog::may_select(c"nodes")
}

/// An instance that the current user may see.
pub fn find(id: &str) -> Option<VisibleInstance> {
    wake::instance_number(id)?;
    read(|| seen::visible(&Session::open(), id)).map(|(instance, _)| instance)
}

/// The number and the submitter of an instance that the current user may signal, cancel and wake.
pub fn steered(id: &str) -> Result<(u64, Oid), SteerError> {
    let unknown = || NotFound(id.to_owned());
    let number = wake::instance_number(id).ok_or_else(unknown)?;
    let instance = find(id).ok_or_else(unknown)?;
    let stake = Stake {
        owns: catalog::acts_as(instance.submitted_by),
        called: instance.called_by.is_some_and(catalog::acts_as),
        level: level::of_current_user(),
    };
    if !stake.may_steer() {
        let owner = catalog::role_name(instance.submitted_by);
        let owner = owner.unwrap_or_else(|| "a role that was dropped".to_owned());
        return Err(SteerError::NotAllowed { id: id.to_owned(), owner });
    }
    Ok((number, instance.submitted_by))
}

/// The statuses of those of the instances that the current user may see.
pub fn statuses(ids: &[Option<&str>]) -> Vec<(String, String)> {
    // Every level shows all instances.
    let _owner = level::of_current_user().map(|_| store::as_owner());
    seen::statuses(&Session::open(), ids)
}
