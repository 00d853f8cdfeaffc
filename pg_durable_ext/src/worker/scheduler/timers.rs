//! Timers: what is ready later.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use pg_durable_board::{RoleId, Target};

use super::{Scheduler, in_transaction};
use crate::engine::wake;
use crate::pg::shmem;
use crate::store::unfinished;

#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    known: HashSet<Due>,
    /// How many make it worth looking for those that mean nothing any more.
    prune_at: usize,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Hash)]
struct Due {
    at: i64,
    instance: u64,
    branch: u32,
    role: RoleId,
}

impl Scheduler {
    /// Makes ready what is due; says when something is again.
    pub(super) fn serve_timers(&mut self, now: i64) -> Option<i64> {
        self.take_timers();
        self.fire_timers(now);
        self.prune_timers();
        self.timers.heap.peek().map(|Reverse(due)| due.at)
    }

    fn take_timers(&mut self) {
        for timer in shmem::board().take_timers(self.database) {
            let due = Due {
                at: timer.at,
                instance: timer.target.instance,
                branch: timer.target.branch,
                role: timer.role,
            };
            if self.timers.known.insert(due) {
                self.timers.heap.push(Reverse(due));
            }
        }
    }

    fn fire_timers(&mut self, now: i64) {
        while let Some(Reverse(due)) = self.timers.heap.peek().copied()
            && due.at <= now
        {
            self.timers.heap.pop();
            self.timers.known.remove(&due);
            let target = Target { instance: due.instance, branch: due.branch };
            wake::send(|board| board.push(self.tenant(due.role), target, None, now));
        }
    }

    /// Forgets timers of instances that have ended: the time-out of a wait that was long over would stay for days.
    fn prune_timers(&mut self) {
        const PRUNE_AT_LEAST: usize = 50_000;
        let timers = &mut self.timers;
        if timers.heap.len() < timers.prune_at.max(PRUNE_AT_LEAST) {
            return;
        }
        let alive: HashSet<u64> = in_transaction(unfinished::all)
            .into_iter()
            .filter_map(|(id, _)| wake::instance_number(&id))
            .collect();
        timers.known.retain(|due| alive.contains(&due.instance));
        timers.heap.retain(|Reverse(due)| alive.contains(&due.instance));
        timers.prune_at = 2 * timers.heap.len();
    }
}
