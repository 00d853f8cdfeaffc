//! Unfinished instances that are found in the tables, and put on the board as it has room.

use std::collections::HashMap;

use pg_durable_board::{Hold, InstanceNumber, Next, Page, RoleId, Target, Unfinished};
use pg_durable_graph::NodeId;
use pgrx::pg_sys::Oid;

use super::{Scheduler, in_transaction};
use crate::engine::wake;
use crate::pg::{gucs, shmem};
use crate::store::{self, signals, unfinished};

pub(super) struct Backlog {
    /// Whose instances are being looked for.
    looks: pg_durable_board::Backlog,
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
            looks: pg_durable_board::Backlog::default(),
            is_to_be_scanned,
            is_to_be_swept: true,
            scanned_at: 0,
            sweep_at: 0,
            swept: HashMap::new(),
        }
    }
}

impl Scheduler {
    /// Looks at the tables for what did not fit on the board, or came while nobody was there to see it: one page of one role's,
    /// so that timers and other roles do not wait for it.
    pub(super) fn scan_again(&mut self, now: i64) -> Option<i64> {
        // Before the first scan: what is committed between the two is then either seen by the scan or swept for.
        if self.backlog.is_to_be_swept {
            if in_transaction(store::has_prepared_transactions) {
                wake::expect_prepared();
            }
            self.backlog.is_to_be_swept = false;
        }
        // Nobody would take it from the board.
        if shmem::board().databases.hold_of(self.database) != Hold::Free {
            return None;
        }
        let scan_at = self.look_for_roles(now);
        let database = self.database;
        let next_at = match wake::ask(|board| self.backlog.looks.next(board, database, now)) {
            Next::Read(page) => {
                self.read(&page, now);
                Some(now)
            }
            Next::Later(at) => at,
        };
        [scan_at, next_at].into_iter().flatten().min()
    }

    /// Finds whose instances are to be looked for, if all are. Not twice at once: there may be many.
    fn look_for_roles(&mut self, now: i64) -> Option<i64> {
        const PAUSE_US: i64 = 250_000;
        if !self.backlog.is_to_be_scanned && !shmem::board().databases.wants_rescan(self.database) {
            return None;
        }
        let due_at = self.backlog.scanned_at + PAUSE_US;
        if now < due_at {
            return Some(due_at);
        }
        self.backlog.scanned_at = now;
        // Until it has been done it is wanted still.
        self.backlog.is_to_be_scanned = true;
        shmem::board().databases.begin_rescan(self.database);
        for role in in_transaction(unfinished::roles) {
            let role = RoleId(role.to_u32());
            if role.is_missing() {
                self.hold_missing();
            } else {
                self.backlog.looks.want(role, now);
            }
        }
        self.backlog.is_to_be_scanned = false;
        None
    }

    /// Reads some of a role's instances and puts them on the board.
    fn read(&mut self, page: &Page, now: i64) {
        let after = page.after.map(|last| (last.created_at, wake::instance_id(last.instance)));
        let role = Oid::from(page.role.0);
        let rows = in_transaction(|spi| {
            let after = after.as_ref().map(|(created_at, id)| (*created_at, id.as_str()));
            unfinished::page_of_role(spi, role, after, page.limit)
        });
        let is_last = rows.len() < page.limit as usize;
        let unfinished = |(id, created_at): (String, i64)| {
            Some(Unfinished { created_at, instance: wake::instance_number(&id)? })
        };
        let found: Vec<Unfinished> = rows.into_iter().filter_map(unfinished).collect();
        let looks = &mut self.backlog.looks;
        let ready = looks.found(&mut shmem::board().queues, self.database, page, &found, is_last, now);
        for instance in ready {
            self.push_root(instance, page.role, now);
        }
    }

    fn push_root(&self, instance: InstanceNumber, role: RoleId, now: i64) {
        let target = Target { instance, branch: NodeId::ROOT.0 };
        wake::send(|board| board.push(self.tenant(role), target, None, now));
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
        self.push_new(now);
        self.backlog.sweep_at = now + gucs::sweep_interval().as_micros() as i64;
        if !goes_on {
            self.backlog.swept.clear();
        }
        goes_on.then_some(self.backlog.sweep_at)
    }

    /// Makes ready what has come since the last sweep, and tells those who wait for what has ended.
    fn push_new(&mut self, now: i64) {
        let signals: HashMap<u64, i64> = in_transaction(signals::waiting)
            .into_iter()
            .filter_map(|(id, sum)| Some((wake::instance_number(&id)?, sum)))
            .collect();
        let before = std::mem::take(&mut self.backlog.swept);
        for (id, role) in in_transaction(unfinished::all) {
            let (Some(instance), role) = (wake::instance_number(&id), RoleId(role.to_u32())) else {
                continue;
            };
            let sum = signals.get(&instance).copied().unwrap_or_default();
            let branch = match before.get(&instance) {
                None => Some(NodeId::ROOT.0),
                Some(&known) if known != sum && sum != 0 => Some(Target::EVERY_BRANCH),
                Some(_) => None,
            };
            self.backlog.swept.insert(instance, sum);
            match branch {
                Some(_) if role.is_missing() => self.hold_missing(),
                Some(branch) => {
                    let target = Target { instance, branch };
                    wake::send(|board| board.push(self.tenant(role), target, None, now));
                }
                None => {}
            }
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
}
