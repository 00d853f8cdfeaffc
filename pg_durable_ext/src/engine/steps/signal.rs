//! SIGNAL.

use pg_durable_graph::kind::Signal;
use pg_durable_graph::{NodeId, Outcome};
use serde_json::{Value, json};

use crate::engine::checkpoint;
use crate::engine::failure::Stop;
use crate::engine::instance::{After, Flush, Instance};
use crate::store::signals;

/// When a wait that is reached at `now` gives up.
pub fn wake_at(signal: &Signal, now: i64) -> Option<i64> {
    let micros = i64::try_from(signal.timeout?.as_micros()).unwrap_or(i64::MAX);
    Some(now.saturating_add(micros))
}

/// Consumes the oldest signal of this name and goes on, in one transaction; else gives up if it is time.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, signal: &Signal, now: i64) -> Result<After, Stop> {
    let id = instance.id.clone();
    let consumed = checkpoint::internal(instance, |instance, spi| {
        let Some(payload) = signals::consume(spi, &id, &signal.name) else { return Ok(None) };
        let data: Value = serde_json::from_str(&payload).unwrap_or(Value::Null);
        let outcome = outcome(signal, false, data);
        checkpoint::complete_in(instance, spi, leaf, outcome, Flush::Later).map(Some)
    })?;
    if let Some(after) = consumed {
        return Ok(after);
    }
    match instance.progress.state(leaf).wake_at {
        Some(until) if until <= now => {
            checkpoint::complete(instance, leaf, outcome(signal, true, Value::Null))
        }
        until => Ok(After::Parked { until }),
    }
}

fn outcome(signal: &Signal, timed_out: bool, data: Value) -> Outcome {
    Outcome::plain(json!({"signal_name": signal.name, "timed_out": timed_out, "data": data}))
}
