//! SLEEP.

use pg_durable_graph::NodeId;
use pg_durable_graph::kind::Sleep;

use crate::engine::checkpoint;
use crate::engine::instance::{After, Instance};
use crate::engine::stop::Stop;

/// Goes on if the time has come. The outcome is written with what follows: it depends on the clock only.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, sleep: &Sleep, now: i64) -> Result<After, Stop> {
    let until = instance.progress.state(leaf).wake_at.unwrap_or(now);
    if until > now {
        return Ok(After::Parked { until: Some(until) });
    }
    checkpoint::complete(instance, leaf, sleep.outcome())
}
