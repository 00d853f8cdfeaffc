//! When a commit of the engine's waits for the disk, and for the standby.

use std::cell::Cell;
use std::time::Instant;

use crate::pg::gucs::{self, Durability};
use crate::pg::xact;

/// When the commit of a transaction is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// As a commit of the role would be, unless the instance's durability says later.
    AsRole,
    /// With the next commit that is: nothing is lost but what would be found out again.
    Later,
}

thread_local! {
    /// When this process has last begun a commit that was flushed. The log is one, so that all which it has committed before,
    /// of whichever instance, is flushed with it.
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

impl Flush {
    /// Decides about the transaction under way, which ends the instance or does not.
    ///
    /// A primary whose standby is gone must not go on for long in an instance whose checkpoints wait for nobody: one of them
    /// does at least every `pg_durable.barrier_interval`.
    pub fn settle(self, durability: Durability, is_end: bool) {
        let waits = match (self, durability) {
            _ if is_end => true,
            (Flush::Later, _) => false,
            (Flush::AsRole, Durability::Step) => true,
            (Flush::AsRole, Durability::Barrier) => {
                LAST.get().is_none_or(|last| last.elapsed() >= gucs::barrier_interval())
            }
        };
        if waits {
            LAST.set(Some(Instant::now()));
        } else {
            xact::commit_asynchronously();
        }
    }
}
