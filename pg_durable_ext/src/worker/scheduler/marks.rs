//! Marks: what the rows of instances are told of those that run, and of those that cannot.

use pg_durable_board::{InFlight, RoleId};
use pg_durable_graph::{Failure, NodeId};
use pgrx::pg_sys::Oid;

use super::{Scheduler, in_transaction};
use crate::engine::{failing, wake};
use crate::pg::shmem;
use crate::store::{instances, nodes};

/// How many deaths of its process fail a node.
const DEATHS_MAX: i64 = 3;

impl Scheduler {
    /// Says in their rows which instances run, where a long first step has not come to it.
    pub(super) fn mark_running(&self, now: i64) -> Option<i64> {
        let (pending, ask_again) = shmem::board().executors.take_pending(self.database, now);
        if !pending.is_empty() {
            in_transaction(|spi| {
                for number in pending {
                    instances::mark_running(spi, &wake::instance_id(number));
                }
            });
        }
        ask_again
    }

    pub(super) fn fail_instances_of(&mut self, role: RoleId, failure: &Failure) {
        shmem::board().clear_queue(self.tenant(role));
        for id in in_transaction(|spi| instances::unfinished_of_role(spi, Oid::from(role.0))) {
            let text = format!("Instance {id}: {}", failure.message);
            pgrx::log!("pg_durable: {text}");
            if failing::store_failure(&id, &text, failure).is_ok()
                && let Some(number) = wake::instance_number(&id)
            {
                wake::send(|board| board.waiters.note_ended(self.database, number));
            }
        }
    }

    /// Steps that took their process with them are counted, and given up after the third time.
    pub(super) fn count_deaths(&mut self) {
        let suspects = shmem::board().suspects.take(self.database);
        for InFlight { instance, generation, node, .. } in suspects {
            let id = wake::instance_id(instance);
            let node = NodeId(node);
            let deaths = in_transaction(|spi| nodes::count_death(spi, &id, node, generation));
            pgrx::log!(
                "pg_durable: an executor died in instance {id} at node {node} ({deaths} of {DEATHS_MAX})"
            );
            if deaths >= DEATHS_MAX {
                let message =
                    format!("the server process died {deaths} times while it carried out this node");
                let failure = Failure::new("XX000", message)
                    .hint("Look into the server log for why the process died: a crash in a function, or the system's out-of-memory killer.");
                // An error while storing it leaves the node to its fourth attempt.
                if failing::store_death(instance, node, generation, failure).is_ok_and(|counts| counts) {
                    wake::interrupt(self.database, instance, None, |_| true);
                    wake::send(|board| board.waiters.note_ended(self.database, instance));
                }
            }
        }
    }
}
