//! Retention: how long instances that have ended are kept.

use super::{Scheduler, in_transaction};
use crate::pg::gucs;
use crate::store::instances;

impl Scheduler {
    /// Deletes terminal instances that have been kept long enough.
    pub(super) fn reconcile(&mut self, now: i64) -> Option<i64> {
        let interval = gucs::reconcile_interval()?.as_micros() as i64;
        if self.reconcile_at == 0 {
            // Not while the server is busy starting.
            self.reconcile_at = now + interval.min(60_000_000);
        }
        if now >= self.reconcile_at {
            let deleted = in_transaction(|spi| instances::delete_expired(spi, gucs::retention_days()));
            self.reconcile_at = if deleted > 0 { now + 100_000 } else { now + interval };
        }
        Some(self.reconcile_at)
    }
}
