//! WAIT_SCHEDULE.

use pg_durable_graph::kind::WaitSchedule;
use pg_durable_graph::schedule::Schedule;
use pg_durable_graph::{NodeId, Outcome};
use serde_json::json;

use crate::engine::checkpoint;
use crate::engine::failure::{Failure, Stop};
use crate::engine::instance::{After, Instance};

/// From 1970 to 2000, in microseconds.
const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;

/// The first tick after `now`.
pub fn wake_at(wait: &WaitSchedule, now: i64) -> Result<i64, Failure> {
    let schedule = Schedule::parse(&wait.cron_expr, wait.timezone.as_deref())
        .map_err(|error| Failure::new("22023", error.to_string()))?;
    let at = chrono::DateTime::from_timestamp_micros(now + EPOCH_SHIFT_US);
    let tick = at.and_then(|at| schedule.next_after(at));
    let tick = tick.ok_or_else(|| {
        Failure::new("22023", format!("No upcoming schedule found for '{}'", wait.cron_expr))
    })?;
    Ok(tick.timestamp_micros() - EPOCH_SHIFT_US)
}

/// Goes on if the tick has come. The outcome is written with what follows: it depends on the clock only.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, now: i64) -> Result<After, Stop> {
    let until = instance.progress.state(leaf).wake_at.unwrap_or(now);
    if until > now {
        return Ok(After::Parked { until: Some(until) });
    }
    checkpoint::complete(instance, leaf, Outcome::plain(json!({"scheduled": true})))
}
