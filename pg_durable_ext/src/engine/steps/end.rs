//! BREAK.

use pg_durable_graph::NodeId;
use pg_durable_graph::kind::Break;
use serde_json::Value;

use crate::engine::checkpoint;
use crate::engine::flush::Flush;
use crate::engine::instance::{After, Instance};
use crate::engine::statement;
use crate::engine::stop::Stop;
use crate::pg::clock;

/// Leaves the loop with the value, references and variables substituted.
pub fn carry_out(instance: &mut Instance, leaf: NodeId, end: &Break) -> Result<After, Stop> {
    let value = match &end.value {
        None => Value::Null,
        Some(text) => {
            let text = statement::expand(instance, leaf, text)
                .map_err(|failure| Stop::Failed { node: leaf, failure })?;
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
    };
    checkpoint::internal(instance, |instance, spi| {
        let graph = instance.progress.graph().clone();
        let next = instance.progress.complete_break(leaf, value, clock::now());
        instance.write_branch(spi, graph.branch(leaf))?;
        let outer = graph.enclosing_loop(leaf).map_or(NodeId::ROOT, |outer| graph.branch(outer));
        instance.settle(spi, outer, next, Flush::Later)
    })
}
