//! SIGNAL.
//!
//! A branch that is given up gives back what it has consumed, in the transaction that decides. Whoever consumes in such a
//! branch and whoever decides take the same lock of the instance, in turn: the one who decides sees what was consumed, and
//! the one who comes too late sees the decision.

use pg_durable_graph::NodeId;
use pg_durable_graph::kind::Signal;
use serde_json::Value;

use crate::engine::checkpoint::{self, PATIENCE};
use crate::engine::flush::Flush;
use crate::engine::instance::{After, Instance};
use crate::engine::stop::Stop;
use crate::pg::spi::Session;
use crate::pg::xact::{self, Patience};
use crate::store::{signals, waits};

/// Consumes the oldest signal of this name and goes on, in one transaction; else gives up if it is time.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, signal: &Signal, now: i64) -> Result<After, Stop> {
    let consumed = checkpoint::internal(instance, |instance, spi| {
        let Some(found) = consume(instance, spi, leaf, &signal.name)? else {
            instance.keep_waiting(spi, leaf);
            return Ok(None);
        };
        instance.note_signal(leaf);
        let data: Value = serde_json::from_str(&found.payload).unwrap_or(Value::Null);
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

/// Takes the oldest signal of this name for `leaf`, unless another branch of the RACE waits for an older one.
fn consume(
    instance: &Instance,
    spi: &Session,
    leaf: NodeId,
    name: &str,
) -> Result<Option<signals::Signal>, Stop> {
    let progress = &instance.progress;
    let position = progress.position(leaf);
    if position.open_from.is_some() {
        let _patience = Patience::of(Some(PATIENCE));
        xact::lock_branches(instance.number, false);
        if waits::is_any_over(spi, &instance.id, &progress.guards(leaf)) {
            return Err(Stop::Abandoned);
        }
    }
    let Some(found) = signals::oldest(spi, &instance.id, name) else { return Ok(None) };
    let rivals = progress.graph().rival_signals(leaf);
    if !rivals.is_empty() && signals::has_older(spi, &instance.id, &rivals, found.id) {
        return Ok(None);
    }
    signals::consume(spi, &instance.id, &found, leaf, progress.generation(leaf), &position);
    Ok(Some(found))
}
