//! The crew: executors, which the scheduler starts.

use pg_durable_board::{Hindrance, Hold, Opening, RoleId, Tenant};
use pgrx::pg_sys::Oid;

use super::{Scheduler, in_transaction};
use crate::engine::standing::{self, Obstacle};
use crate::engine::wake;
use crate::pg::process::{self, Worker};
use crate::pg::{gucs, shmem};

/// How long a role that could not be served waits.
const BLOCKED_US: i64 = 1_000_000;

impl Scheduler {
    /// Starts executors for what waits; says when to ask again.
    pub(super) fn start_executors(&mut self, now: i64) -> Option<i64> {
        self.starting.retain(|&slot, handle| {
            let has_failed = handle.is_stopped() && shmem::board().executors.is_starting(slot);
            if has_failed {
                wake::send(|board| board.leave_executor(slot, now));
            }
            !has_failed && shmem::board().executors.is_starting(slot)
        });
        if shmem::board().databases.hold_of(self.database) != Hold::Free {
            return None;
        }
        let limit = self.executors_max();
        let openings = wake::ask(|board| board.open_executors(self.database, limit, now));
        let mut ask_again = openings.ask_again;
        for opening in openings.start {
            if opening.tenant.role.is_missing() {
                // Somebody has signalled one that is held; it is found when the role has come.
                wake::send(|board| board.leave_executor(opening.slot, now));
                shmem::board().clear_queue(opening.tenant);
                continue;
            }
            if let Some(obstacle) = self.obstacle(opening.tenant.role) {
                wake::send(|board| board.leave_executor(opening.slot, now));
                match obstacle.hindrance() {
                    Some(hindrance) => {
                        let until = self.note_hindrance(opening.tenant, hindrance, &obstacle, now);
                        ask_again = Some(ask_again.map_or(until, |known| known.min(until)));
                    }
                    None => self.fail_instances_of(opening.tenant.role, &obstacle.into()),
                }
                continue;
            }
            if self.start_executor(opening).is_err() {
                wake::send(|board| board.leave_executor(opening.slot, now));
                shmem::board().launcher.note_exhausted(now);
                shmem::board().queues.block(opening.tenant, now + BLOCKED_US);
                ask_again = Some(now + BLOCKED_US);
                self.warn_of_exhaustion(now);
            }
        }
        if self.has_doomed() { Some(now) } else { ask_again }
    }

    /// As many as the settings allow and the server has worker slots for, other users of which are left some.
    fn executors_max(&self) -> usize {
        /// The launcher, this scheduler, and the server's own logical replication launcher.
        const OTHERS: i32 = 3;
        let slots = (process::max_worker_processes() - OTHERS).max(1) as usize;
        gucs::max_executors().min(slots)
    }

    fn start_executor(&mut self, opening: Opening) -> Result<(), process::NoWorkerSlot> {
        let executor = Worker {
            kind: "pg_durable executor",
            name: format!("pg_durable executor {}", opening.slot),
            entry: "pg_durable_executor_main",
            argument: opening.slot as u64,
            restart: None,
        };
        self.starting.insert(opening.slot, executor.start()?);
        Ok(())
    }

    /// What keeps a process from being born as this role here.
    fn obstacle(&self, role: RoleId) -> Option<Obstacle> {
        let (role, database) = (Oid::from(role.0), Oid::from(self.database.0));
        in_transaction(|_| standing::obstacle(role, database))
    }

    /// The work of a role waits until something has passed: says when to look again.
    fn note_hindrance(&self, tenant: Tenant, hindrance: Hindrance, obstacle: &Obstacle, now: i64) -> i64 {
        pgrx::log!("pg_durable: {obstacle}; what it has started waits");
        let until = wake::ask(|board| board.note_hindrance(tenant, hindrance, now));
        shmem::board().queues.block(tenant, until);
        until
    }

    fn warn_of_exhaustion(&mut self, now: i64) {
        /// Often enough to be seen, seldom enough not to fill the log.
        const EVERY_US: i64 = 60_000_000;
        if self.warned_at + EVERY_US < now || self.warned_at == 0 {
            self.warned_at = now;
            pgrx::warning!(
                "pg_durable: no worker slot is free for an executor; work waits. Raise max_worker_processes (now {})",
                process::max_worker_processes()
            );
        }
    }
}
