//! Retention: how long instances that have ended are kept.

use std::collections::BTreeSet;

use pg_durable_graph::Failure;

use super::{Scheduler, in_transaction};
use crate::pg::{caught, gucs};
use crate::store::{expired, waits};

/// How long until the next batch, while there are more.
const NEXT_BATCH_US: i64 = 100_000;
/// The first pass is not while the server is busy starting.
const FIRST_PASS_US: i64 = 60_000_000;

#[derive(Default)]
pub(super) struct Retention {
    due_at: i64,
    /// Those that could not be deleted in this pass.
    stuck: BTreeSet<String>,
    /// Why, if it was for more than that somebody held the row: something of a user's refers to it, say.
    error: Option<Failure>,
}

impl Scheduler {
    /// Deletes terminal instances that have been kept long enough. One that cannot be deleted does not keep the others:
    /// it fails the pass when that is through.
    pub(super) fn delete_expired(&mut self, now: i64) -> Result<Option<i64>, Failure> {
        let Some(interval) = gucs::reconcile_interval() else { return Ok(None) };
        let interval = interval.as_micros() as i64;
        if self.retention.due_at == 0 {
            self.retention.due_at = now + interval.min(FIRST_PASS_US);
        }
        if now < self.retention.due_at {
            return Ok(Some(self.retention.due_at));
        }
        let has_more =
            if self.retention.stuck.is_empty() { self.delete_batch() } else { self.delete_singly() };
        if has_more {
            self.retention.due_at = now + NEXT_BATCH_US;
            return Ok(Some(self.retention.due_at));
        }
        self.retention.stuck.clear();
        if let Some(error) = self.retention.error.take() {
            return Err(error);
        }
        in_transaction(waits::forget_old);
        self.retention.due_at = now + interval;
        Ok(Some(self.retention.due_at))
    }

    /// Deletes many at once; says whether there may be more.
    fn delete_batch(&mut self) -> bool {
        let delete = || in_transaction(|spi| expired::delete_all(spi, gucs::retention_days()));
        match caught::catch(delete) {
            Ok(deleted) => deleted > 0,
            Err(_) => self.delete_singly(),
        }
    }

    /// Deletes some one by one, and remembers those that cannot be; says whether there may be more.
    fn delete_singly(&mut self) -> bool {
        let stuck: Vec<_> = self.retention.stuck.iter().map(|id| Some(id.as_str())).collect();
        let expired = in_transaction(|spi| expired::list(spi, gucs::retention_days(), &stuck));
        for id in &expired {
            let deleted = caught::catch(|| in_transaction(|spi| expired::delete(spi, id)));
            if !matches!(deleted, Ok(true)) {
                self.retention.stuck.insert(id.clone());
            }
            if let Err(error) = deleted {
                let message = format!("instance {id} cannot be deleted: {}", error.message);
                self.retention.error = Some(Failure { message, ..error });
            }
        }
        !expired.is_empty()
    }
}
