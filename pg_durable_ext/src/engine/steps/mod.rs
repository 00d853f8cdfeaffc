//! Carrying out one leaf: the table of steps, one row and one file a kind.

mod end;
mod fail;
mod given;
mod schedule;
mod signal;
mod sleep;
mod sql;

use pg_durable_graph::NodeId;
use pg_durable_graph::kind::Leaf;

use super::instance::{After, Instance};
use super::standing::Standing;
use super::stop::Stop;

/// Carries out the leaf at `node`. `is_abandoned` tells whether a cancellation came from the engine.
pub fn carry_out(
    instance: &mut Instance,
    node: NodeId,
    leaf: &Leaf,
    standing: &mut Standing,
    is_abandoned: impl Fn() -> bool,
    now: i64,
) -> Result<After, Stop> {
    given::arm(instance, node, leaf)?;
    match leaf {
        Leaf::Sql(sql) => sql::carry_out(instance, node, sql, standing, is_abandoned),
        Leaf::Fail(fail) => fail::carry_out(instance, node, fail),
        Leaf::Break(end) => end::carry_out(instance, node, end),
        Leaf::Sleep(sleep) => sleep::carry_out(instance, node, sleep, now),
        Leaf::WaitSchedule(wait) => schedule::carry_out(instance, node, wait, now),
        Leaf::Signal(signal) => signal::carry_out(instance, node, signal, now),
    }
}
