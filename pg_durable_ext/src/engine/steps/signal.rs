//! SIGNAL.

use pg_durable_graph::NodeId;
use pg_durable_graph::kind::Signal;
use serde_json::Value;

use crate::engine::checkpoint;
use crate::engine::flush::Flush;
use crate::engine::instance::{After, Instance};
use crate::engine::stop::Stop;
use crate::store::signals;

/// Consumes the oldest signal of this name and goes on, in one transaction; else gives up if it is time.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, signal: &Signal, now: i64) -> Result<After, Stop> {
    let id = instance.id.clone();
    let consumed = checkpoint::internal(instance, |instance, spi| {
        let Some(payload) = signals::consume(spi, &id, &signal.name) else {
            instance.keep_waiting(spi, leaf);
            return Ok(None);
        };
        instance.note_signal(leaf);
        let data: Value = serde_json::from_str(&payload).unwrap_or(Value::Null);
        let outcome = signal.received(data);
        checkpoint::complete_in(instance, spi, leaf, outcome, Flush::Later).map(Some)
    })?;
    if let Some(after) = consumed {
        return Ok(after);
    }
    match instance.progress.state(leaf).wake_at {
        Some(until) if until <= now => checkpoint::complete(instance, leaf, signal.timed_out()),
        until => Ok(After::Parked { until }),
    }
}
