//! Counting what has ended, so that `df.metrics` has to look at the newest only.
//!
//! A moment is counted up to when no transaction is left that may still end an instance before it. Each such takes its id
//! before it reads the clock (`xact::assign_id`), so those are transactions with ids from before the moment.

use super::{Scheduler, in_transaction};
use crate::pg::{clock, gucs};
use crate::store::tally;

/// How far behind the count stays: a clock that is set back by less changes nothing.
const BEHIND_US: i64 = 60_000_000;
/// How soon it is looked again at the latest while there is something to be counted.
const EVERY_US: i64 = 60_000_000;
/// How soon where nothing was found. Whatever wakes the scheduler before has it look too, if not more often than that.
const IDLE_US: i64 = 3_600_000_000;
/// How long until the next batch, while there are more.
const NEXT_BATCH_US: i64 = 20_000;

#[derive(Default)]
pub(super) struct Counting {
    /// Not before then, and not later than that.
    not_before: i64,
    at_latest: i64,
    /// The moment that is counted up to next, and the id below which no transaction may be left.
    next: Option<(i64, i64)>,
}

impl Scheduler {
    /// Counts what has ended, if it is time; says when it is again.
    pub(super) fn count_ended(&mut self, now: i64) -> Option<i64> {
        let interval = gucs::reconcile_interval().map_or(i64::MAX, |interval| interval.as_micros() as i64);
        let every = interval.min(EVERY_US);
        if self.counting.not_before == 0 {
            self.counting.not_before = now + every;
            self.counting.at_latest = now + every;
        }
        if now < self.counting.not_before {
            return Some(self.counting.at_latest);
        }
        // Where the server cannot be asked it is not asked again at once.
        self.counting.not_before = now + every;
        self.counting.at_latest = now + every;
        let moment = clock::system() - BEHIND_US;
        let next = self.counting.next;
        let (horizon, has_more, is_behind) = in_transaction(|spi| {
            let horizon = tally::horizon(spi);
            let until = next.filter(|(_, below)| horizon.0 >= *below).map(|(until, _)| until);
            let has_more = until.is_some_and(|until| tally::count_until(spi, until));
            (horizon, has_more, tally::is_behind(spi, moment))
        });
        let is_used = next.is_none_or(|(_, below)| horizon.0 >= below) && !has_more;
        if is_used {
            self.counting.next = Some((moment, horizon.1));
        }
        if has_more {
            self.counting.not_before = now + NEXT_BATCH_US;
        }
        let pause = if has_more {
            NEXT_BATCH_US
        } else if is_behind {
            every
        } else {
            interval.min(IDLE_US)
        };
        self.counting.at_latest = now + pause;
        Some(self.counting.at_latest)
    }
}
