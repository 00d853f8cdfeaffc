//! Holding: that nothing is carried out in a database that is not at home, or while the engine is switched off.

use pg_durable_board::Hold;

use super::{Scheduler, in_transaction};
use crate::engine::wake;
use crate::pg::{gucs, process, shmem};
use crate::store::home;

/// How often steps are interrupted that go on although they were.
const INTERRUPT_AGAIN_US: i64 = 5_000_000;

impl Scheduler {
    /// Looks whether work may be carried out here, and holds it where it may not.
    pub(super) fn look_home(&mut self, now: i64) -> Option<i64> {
        if shmem::board().databases.take_look_home(self.database) {
            self.home = None;
        }
        let home = match self.home {
            Some(home) => home,
            None => self.find_home(),
        };
        let hold = match home {
            Hold::Free if !gucs::enabled() => Hold::SwitchedOff,
            Hold::Free | Hold::SwitchedOff | Hold::OtherDatabase | Hold::OtherSystem | Hold::OtherName => {
                home
            }
        };
        let was = shmem::board().databases.hold_of(self.database);
        if was != hold {
            wake::send(|board| board.hold(self.database, hold));
            if was.is_of_a_copy() {
                // Nothing was looked for while they were not at home.
                wake::send(|board| board.databases.request_rescan(self.database));
            }
            say(hold);
        }
        self.drain(hold, now)
    }

    fn find_home(&mut self) -> Hold {
        let hold = in_transaction(|spi| {
            let (here, rows) = (home::here(), home::rows(spi));
            if here.gives_name_to(&rows) {
                home::set(spi, &here);
            }
            here.hold(&rows)
        });
        self.home = Some(hold);
        hold
    }

    /// Interrupts the steps that go on for longer than they may after the engine was switched off.
    fn drain(&mut self, hold: Hold, now: i64) -> Option<i64> {
        if hold != Hold::SwitchedOff {
            self.draining_since = None;
            return None;
        }
        if shmem::board().executors.busy_in(self.database) == 0 {
            return None;
        }
        let timeout = gucs::drain_timeout().as_micros() as i64;
        let due_at = *self.draining_since.get_or_insert(now) + timeout;
        if now < due_at {
            return Some(due_at);
        }
        // Under the lock, which an executor takes before it lets go of what it runs.
        let mut board = shmem::board();
        for pid in board.executors.abandon_all(self.database) {
            process::cancel_statement(pid);
        }
        self.draining_since = Some(now + INTERRUPT_AGAIN_US - timeout);
        Some(now + INTERRUPT_AGAIN_US)
    }
}

fn say(hold: Hold) {
    match hold {
        Hold::Free => pgrx::log!("pg_durable: the instances of this database are carried out again"),
        Hold::SwitchedOff | Hold::OtherDatabase | Hold::OtherSystem | Hold::OtherName => {
            pgrx::log!("pg_durable: the instances of this database are {}", hold.note().unwrap_or_default())
        }
    }
}
