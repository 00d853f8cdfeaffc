//! Quotas: how many unfinished instances a role may have, `pg_durable.max_unfinished`.
//!
//! They are counted in the index, at the start that may be one too many: what is committed and what the transaction itself
//! has started. Transactions that start at the same moment do not see each other's, so that a role may come to have more
//! by as many as are under way.

use std::cell::Cell;

use pgrx::pg_sys::Oid;

use crate::pg::spi::Session;
use crate::pg::{catalog, clock, gucs, role};
use crate::store::{self, unfinished};

/// How many of a statement's starts rely on one count at the most.
const RELIED_ON: u32 = 100;

/// A role has as many as it may have.
#[derive(Debug, thiserror::Error)]
#[error("role \"{role}\" has {most} unfinished instances, as many as it may have")]
pub struct Exceeded {
    pub role: String,
    pub most: u32,
}

/// What was counted last in this process.
#[derive(Clone, Copy)]
struct Counted {
    role: Oid,
    /// The statement in which it was.
    statement: i64,
    /// How many more may be started without counting again.
    left: u32,
}

thread_local! {
    static COUNTED: Cell<Option<Counted>> = const { Cell::new(None) };
}

/// Refuses to start one more where a role has as many as it may. As the owner of the tables.
pub fn check(spi: &Session, role: Oid) -> Result<(), Exceeded> {
    let most = of(spi, role);
    if most == 0 {
        return Ok(());
    }
    let statement = clock::statement_started_at();
    let known = COUNTED.take().filter(|known| known.role == role && known.statement == statement);
    let left = match known {
        Some(Counted { left, .. }) if left > 0 => left,
        Some(_) | None => {
            let left = most - unfinished::count_of_role(spi, role, most).min(most);
            if left == 0 {
                let role = catalog::role_name(role).unwrap_or_default();
                return Err(Exceeded { role, most });
            }
            left.min(RELIED_ON)
        }
    };
    COUNTED.set(Some(Counted { role, statement, left: left - 1 }));
    Ok(())
}

/// How many a role may have; 0 is any number. The session's setting is that of the role that has logged in: of another one,
/// be it by SET ROLE or as the owner of a workflow, what ALTER ROLE says of it counts, if it says anything.
fn of(spi: &Session, role: Oid) -> u32 {
    let of_session = gucs::max_unfinished();
    if role == role::authenticated_user() {
        return of_session;
    }
    let of_role = store::setting_of_role(spi, role, gucs::MAX_UNFINISHED);
    of_role.and_then(|text| text.parse().ok()).unwrap_or(of_session)
}
