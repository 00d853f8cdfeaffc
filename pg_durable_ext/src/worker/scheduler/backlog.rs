//! Unfinished instances that are found in the tables, and put on the board as it has room.

use std::collections::{HashMap, VecDeque};

use pg_durable_board::{RoleId, Target};
use pg_durable_graph::NodeId;

use super::{Scheduler, in_transaction};
use crate::engine::wake;
use crate::pg::{gucs, shmem};
use crate::store::{self, instances, signals};

/// How much ready work of a scan is put on the board at once.
const BOARD_SHARE: u32 = 16 * 1024;
/// How long until the board may have room again.
const FEED_AGAIN_US: i64 = 20_000;

pub(super) struct Backlog {
    /// Targets that the board has no room for yet.
    waiting: VecDeque<(Target, RoleId)>,
    /// Nobody has looked at the tables yet, and there may be something in them.
    is_to_be_scanned: bool,
    /// Nobody has looked for prepared transactions yet.
    is_to_be_swept: bool,
    scanned_at: i64,
    sweep_at: i64,
    /// What the last sweep has found, while there is to be another: unfinished instances, and a sum of the ids of the
    /// signals that wait for them.
    swept: HashMap<u64, i64>,
}

impl Backlog {
    /// Of a scheduler that has just come.
    pub(super) fn new(is_to_be_scanned: bool) -> Backlog {
        Backlog {
            waiting: VecDeque::new(),
            is_to_be_scanned,
            is_to_be_swept: true,
            scanned_at: 0,
            sweep_at: 0,
            swept: HashMap::new(),
        }
    }
}

impl Scheduler {
    /// Looks at the tables again if something did not fit on the board. Not at once: while it is full, each look ends in
    /// the wish for another one.
    pub(super) fn scan_again(&mut self, now: i64) -> Option<i64> {
        const PAUSE_US: i64 = 250_000;
        // Before the first scan: what is committed between the two is then either seen by the scan or swept for.
        if self.backlog.is_to_be_swept {
            if in_transaction(store::has_prepared_transactions) {
                wake::expect_prepared();
            }
            self.backlog.is_to_be_swept = false;
        }
        let is_wanted = self.backlog.is_to_be_scanned || shmem::board().databases.wants_rescan(self.database);
        if self.backlog.waiting.is_empty() && is_wanted {
            let due_at = self.backlog.scanned_at + PAUSE_US;
            if now < due_at {
                return Some(due_at);
            }
            self.backlog.scanned_at = now;
            // Until the scan has been done it is wanted still.
            self.backlog.is_to_be_scanned = true;
            shmem::board().databases.begin_rescan(self.database);
            self.scan();
            self.backlog.is_to_be_scanned = false;
        }
        self.feed_board(now);
        (!self.backlog.waiting.is_empty()).then_some(now + FEED_AGAIN_US)
    }

    /// Finds every unfinished instance.
    fn scan(&mut self) {
        let root = |(instance, role)| (Target { instance, branch: NodeId::ROOT.0 }, role);
        self.backlog.waiting = unfinished().map(root).collect();
    }

    /// Looks for what prepared transactions have started and signalled, while there may be such.
    pub(super) fn sweep(&mut self, now: i64) -> Option<i64> {
        if !shmem::board().databases.sweeps(self.database) {
            return None;
        }
        if now < self.backlog.sweep_at {
            return Some(self.backlog.sweep_at);
        }
        // Stopped before the look: one that is prepared from now on starts it anew.
        shmem::board().databases.stop_sweeping(self.database);
        let goes_on = in_transaction(store::has_prepared_transactions);
        if goes_on {
            wake::expect_prepared();
        }
        self.push_new();
        self.feed_board(now);
        self.backlog.sweep_at = now + gucs::sweep_interval().as_micros() as i64;
        if !goes_on {
            self.backlog.swept.clear();
        }
        goes_on.then_some(self.backlog.sweep_at)
    }

    /// Makes ready what has come since the last sweep, and tells those who wait for what has ended.
    fn push_new(&mut self) {
        let signals: HashMap<u64, i64> = in_transaction(signals::waiting)
            .into_iter()
            .filter_map(|(id, sum)| Some((wake::instance_number(&id)?, sum)))
            .collect();
        let before = std::mem::take(&mut self.backlog.swept);
        for (instance, role) in unfinished() {
            let sum = signals.get(&instance).copied().unwrap_or_default();
            let branch = match before.get(&instance) {
                None => Some(NodeId::ROOT.0),
                Some(&known) if known != sum && sum != 0 => Some(Target::EVERY_BRANCH),
                Some(_) => None,
            };
            if let Some(branch) = branch {
                self.backlog.waiting.push_back((Target { instance, branch }, role));
            }
            self.backlog.swept.insert(instance, sum);
        }
        for &instance in before.keys().filter(|instance| !self.backlog.swept.contains_key(instance)) {
            wake::send(|board| board.waiters.note_ended(self.database, instance));
        }
    }

    /// The instances of a role that a dump names wait until it has come.
    fn hold_missing(&self) {
        if shmem::board().databases.note_missing_roles(self.database) {
            pgrx::warning!(
                "pg_durable: workflows of roles that do not exist here are held: create the roles and SELECT df.adopt()"
            );
        }
    }

    fn feed_board(&mut self, now: i64) {
        if self.backlog.waiting.is_empty() {
            return;
        }
        let room = BOARD_SHARE.saturating_sub(shmem::board().queues.queued(self.database));
        for _ in 0..room {
            let Some((target, role)) = self.backlog.waiting.pop_front() else { return };
            if role.is_missing() {
                self.hold_missing();
                continue;
            }
            wake::send(|board| board.push(self.tenant(role), target, None, now));
        }
    }
}

/// Every unfinished instance, oldest first, with its role.
fn unfinished() -> impl Iterator<Item = (u64, RoleId)> {
    let found = in_transaction(instances::unfinished).into_iter();
    found.filter_map(|(id, role)| Some((wake::instance_number(&id)?, RoleId(role.to_u32()))))
}
