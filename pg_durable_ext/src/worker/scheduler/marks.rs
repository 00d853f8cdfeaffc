//! Marks: what the rows of instances are told of those that run, and of those that cannot.
//!
//! Anybody may hold the row of an instance of their own for as long as they like. Nothing here waits for that: what could
//! not be said is kept, and said later.

use std::collections::{BTreeMap, BTreeSet};

use pg_durable_board::{InFlight, RoleId};
use pg_durable_graph::{Failure, NodeId};
use pgrx::pg_sys::Oid;

use super::{Scheduler, in_transaction};
use crate::engine::failing::{self, Stored};
use crate::engine::wake;
use crate::pg::shmem;
use crate::store::instances::{self, Unless};
use crate::store::{nodes, unfinished};

/// How many deaths of its process fail a node.
const DEATHS_MAX: i64 = 3;
/// How many instances are failed in one go: timers wait meanwhile.
const FAILED_AT_ONCE: usize = 500;

#[derive(Default)]
pub(super) struct Marks {
    /// Instances that run and whose rows do not say so.
    unmarked: BTreeSet<u64>,
    unmarked_later: Later,
    /// Instances that are to fail.
    doomed: BTreeMap<u64, Doom>,
    doomed_later: Later,
    /// Steps that took their process with them and have not been counted.
    suspects: Vec<InFlight>,
}

/// Why an instance is to fail, and at which node of which generation, if at one.
struct Doom {
    node: Option<(NodeId, i64)>,
    text: String,
    failure: Failure,
}

/// When rows that were held are looked at again: after a second, and ever less often while all still are.
#[derive(Default)]
struct Later {
    at: i64,
    pause_us: i64,
}

impl Later {
    const FIRST_US: i64 = 1_000_000;
    const LONGEST_US: i64 = 60_000_000;

    /// Some are held; `has_progress` tells whether others were not.
    fn put_off(&mut self, now: i64, has_progress: bool) -> i64 {
        let doubled = (2 * self.pause_us).clamp(Later::FIRST_US, Later::LONGEST_US);
        self.pause_us = if has_progress { Later::FIRST_US } else { doubled };
        self.at = now + self.pause_us;
        self.at
    }
}

impl Scheduler {
    /// Says in their rows which instances run, where a long first step has not come to it.
    pub(super) fn mark_running(&mut self, now: i64) -> Option<i64> {
        let (pending, ask_again) = shmem::board().executors.take_pending(self.database, now);
        let is_due = !self.marks.unmarked.is_empty() && self.marks.unmarked_later.at <= now;
        let mut tried: Vec<u64> = pending.clone();
        if is_due {
            tried.extend(&self.marks.unmarked);
        }
        self.marks.unmarked.extend(pending);
        let mut has_progress = false;
        if !tried.is_empty() {
            let done = in_transaction(|spi| {
                let is_done = |number: &u64| {
                    instances::mark_running_unless_held(spi, &wake::instance_id(*number)) == Unless::Done
                };
                tried.into_iter().filter(is_done).collect::<Vec<_>>()
            });
            has_progress = !done.is_empty();
            for number in done {
                self.marks.unmarked.remove(&number);
            }
            // Of those that do not run any more others say what became of them.
            let board = shmem::board();
            let runs = |number: &u64| !board.executors.nodes_in_hand(self.database, *number).is_empty();
            self.marks.unmarked.retain(runs);
        }
        if self.marks.unmarked.is_empty() {
            return ask_again;
        }
        let later = &mut self.marks.unmarked_later;
        let at = if later.at <= now { later.put_off(now, has_progress) } else { later.at };
        Some(ask_again.map_or(at, |known| known.min(at)))
    }

    /// Whether instances are yet to be failed.
    pub(super) fn has_doomed(&self) -> bool {
        !self.marks.doomed.is_empty()
    }

    /// Has all instances of a role fail.
    pub(super) fn fail_instances_of(&mut self, role: RoleId, failure: &Failure) {
        shmem::board().clear_queue(self.tenant(role));
        for id in in_transaction(|spi| unfinished::of_role(spi, Oid::from(role.0))) {
            if let Some(number) = wake::instance_number(&id) {
                let text = format!("Instance {id}: {}", failure.message);
                self.doom(number, Doom { node: None, text, failure: failure.clone() });
            }
        }
    }

    fn doom(&mut self, number: u64, doom: Doom) {
        if self.marks.doomed.insert(number, doom).is_none() {
            self.marks.doomed_later = Later::default();
        }
    }

    /// Fails the instances that are to, but for those that somebody holds at this moment.
    pub(super) fn fail_doomed(&mut self, now: i64) -> Option<i64> {
        if self.marks.doomed.is_empty() {
            return None;
        }
        if now < self.marks.doomed_later.at {
            return Some(self.marks.doomed_later.at);
        }
        let mut has_progress = false;
        let mut failed = 0;
        let numbers: Vec<u64> = self.marks.doomed.keys().copied().collect();
        for number in numbers {
            if failed == FAILED_AT_ONCE {
                return Some(now);
            }
            let Some(doom) = self.marks.doomed.get(&number) else { continue };
            let id = wake::instance_id(number);
            let stored = match doom.node {
                None => match failing::store_failure_unless_held(&id, &doom.text, &doom.failure) {
                    Unless::Held => None,
                    Unless::Done => Some(Stored::End),
                },
                // Where others have gone on with it, its deaths are of the past.
                Some((node, generation)) => {
                    failing::store_death(number, node, generation, doom.failure.clone())
                        .unwrap_or(Some(Stored::Nothing))
                }
            };
            let Some(stored) = stored else { continue };
            pgrx::log!("pg_durable: {}", doom.text);
            (has_progress, failed) = (true, failed + 1);
            self.marks.doomed.remove(&number);
            wake::interrupt(self.database, number, None, |_| true);
            if !matches!(stored, Stored::Taken { .. } | Stored::Settled { .. }) {
                wake::send(|board| board.waiters.note_ended(self.database, number));
            }
        }
        (!self.marks.doomed.is_empty()).then(|| self.marks.doomed_later.put_off(now, has_progress))
    }

    /// Steps that took their process with them are counted, and given up after the third time.
    pub(super) fn count_deaths(&mut self) -> Option<i64> {
        let suspects = shmem::board().suspects.take(self.database);
        self.marks.suspects.extend(suspects);
        // Each is kept until it has been counted.
        while let Some(&InFlight { instance, generation, node, .. }) = self.marks.suspects.last() {
            let id = wake::instance_id(instance);
            let node = NodeId(node);
            let deaths = in_transaction(|spi| nodes::count_death(spi, &id, node, generation));
            self.marks.suspects.pop();
            pgrx::log!(
                "pg_durable: an executor died in instance {id} at node {node} ({deaths} of {DEATHS_MAX})"
            );
            if deaths >= DEATHS_MAX {
                let text = format!("the server process died {deaths} times while it carried out this node");
                let failure = Failure::new("PDX01", text.clone())
                    .hint("Look into the server log for why the process died: a crash in a function, or the system's out-of-memory killer.");
                self.doom(instance, Doom { node: Some((node, generation)), text, failure });
            }
        }
        None
    }
}
