//! SLEEP.

use pg_durable_graph::kind::Sleep;
use pg_durable_graph::{NodeId, Outcome};
use serde_json::json;

use crate::engine::checkpoint;
use crate::engine::failure::Stop;
use crate::engine::instance::{After, Instance};

/// When a sleep that is reached at `now` ends.
pub fn wake_at(sleep: &Sleep, now: i64) -> i64 {
    now.saturating_add(i64::try_from(sleep.duration.as_micros()).unwrap_or(i64::MAX))
}

/// Goes on if the time has come. The outcome is written with what follows: it depends on the clock only.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, sleep: &Sleep, now: i64) -> Result<After, Stop> {
    let until = instance.progress.state(leaf).wake_at.unwrap_or(now);
    if until > now {
        return Ok(After::Parked { until: Some(until) });
    }
    let seconds = sleep.duration.as_secs_f64();
    let seconds = if seconds.fract() == 0.0 { json!(seconds as u64) } else { json!(seconds) };
    checkpoint::complete(instance, leaf, Outcome::plain(json!({"slept": true, "seconds": seconds})))
}
