//! Timers: what is ready later.

use std::cmp::Reverse;
use std::collections::HashSet;

use pg_durable_board::{RoleId, Target};

use super::{Scheduler, in_transaction};
use crate::engine::wake;
use crate::pg::shmem;
use crate::store::instances;

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Hash)]
pub(super) struct Due {
    pub at: i64,
    instance: u64,
    branch: u32,
    role: RoleId,
}

impl Scheduler {
    pub(super) fn take_timers(&mut self) {
        for timer in shmem::board().take_timers(self.database) {
            let due = Due {
                at: timer.at,
                instance: timer.target.instance,
                branch: timer.target.branch,
                role: timer.role,
            };
            if self.known.insert(due) {
                self.timers.push(Reverse(due));
            }
        }
    }

    pub(super) fn fire_timers(&mut self, now: i64) {
        while let Some(Reverse(due)) = self.timers.peek().copied()
            && due.at <= now
        {
            self.timers.pop();
            self.known.remove(&due);
            let target = Target { instance: due.instance, branch: due.branch };
            wake::send(|board| board.push(self.tenant(due.role), target, None, now));
        }
    }

    /// Forgets timers of instances that have ended: the time-out of a wait that was long over would stay for days.
    pub(super) fn prune_timers(&mut self) {
        const PRUNE_AT_LEAST: usize = 50_000;
        if self.timers.len() < self.prune_at.max(PRUNE_AT_LEAST) {
            return;
        }
        let unfinished: HashSet<u64> = in_transaction(instances::unfinished)
            .into_iter()
            .filter_map(|(id, _)| wake::instance_number(&id))
            .collect();
        self.known.retain(|due| unfinished.contains(&due.instance));
        self.timers.retain(|Reverse(due)| unfinished.contains(&due.instance));
        self.prune_at = 2 * self.timers.len();
    }
}
