//! Unfinished instances that are found in the tables, and put on the board as it has room.

use pg_durable_board::{RoleId, Target};
use pg_durable_graph::NodeId;

use super::{Scheduler, has_prepared_transactions, in_transaction};
use crate::engine::wake;
use crate::pg::{gucs, shmem};
use crate::store::instances;

/// How much ready work of a scan is put on the board at once.
const BOARD_SHARE: u32 = 16 * 1024;

impl Scheduler {
    /// Looks at the tables again if something did not fit on the board. Not at once: while it is full, each look ends in
    /// the wish for another one.
    pub(super) fn scan_again(&mut self, now: i64) -> Option<i64> {
        const PAUSE_US: i64 = 250_000;
        if !self.backlog.is_empty() || !shmem::board().databases.wants_rescan(self.database) {
            return None;
        }
        if now < self.scanned_at + PAUSE_US {
            return Some(self.scanned_at + PAUSE_US);
        }
        shmem::board().databases.begin_rescan(self.database);
        self.scanned_at = now;
        self.scan();
        None
    }

    /// Looks for instances whose start was part of a prepared transaction, while there may be such.
    pub(super) fn sweep(&mut self, now: i64) -> Option<i64> {
        if !shmem::board().databases.sweeps(self.database) {
            return None;
        }
        if now < self.sweep_at {
            return Some(self.sweep_at);
        }
        // Stopped before the look: one that is prepared from now on starts it anew.
        shmem::board().databases.stop_sweeping(self.database);
        let goes_on = has_prepared_transactions();
        if goes_on {
            wake::expect_prepared();
        }
        self.scan();
        self.feed_board(now);
        self.sweep_at = now + gucs::sweep_interval().as_micros() as i64;
        goes_on.then_some(self.sweep_at)
    }

    /// Finds every unfinished instance.
    pub(super) fn scan(&mut self) {
        let found = in_transaction(instances::unfinished);
        let numbered = found
            .into_iter()
            .filter_map(|(id, role)| Some((wake::instance_number(&id)?, RoleId(role.to_u32()))));
        self.backlog = numbered.collect();
    }

    pub(super) fn feed_board(&mut self, now: i64) {
        if self.backlog.is_empty() {
            return;
        }
        let room = BOARD_SHARE.saturating_sub(shmem::board().queues.queued(self.database));
        for _ in 0..room {
            let Some((instance, role)) = self.backlog.pop_front() else { return };
            let target = Target { instance, branch: NodeId::ROOT.0 };
            wake::send(|board| board.push(self.tenant(role), target, None, now));
        }
    }
}
