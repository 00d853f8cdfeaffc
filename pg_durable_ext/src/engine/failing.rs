//! Failing an instance: what is stored when a step, or the engine, could not go on.

use pg_durable_graph::kind::NodeKind;
use pg_durable_graph::progress::Progress;
use pg_durable_graph::{Failure, NodeId};

use super::instance::Instance;
use crate::pg::spi::Session;
use crate::pg::xact::Transaction;
use crate::pg::{caught, clock, gucs, process};
use crate::store::{self, instances, nodes};

/// Fails an instance at a node of it, in a transaction of its own; false where the node's branch has been given up by
/// others meanwhile, so that its failure does not count.
pub fn store_failure_of_node(
    instance: &Instance,
    node: NodeId,
    text: &str,
    failure: &Failure,
) -> Result<bool, Failure> {
    let graph = instance.progress.graph();
    let (branch, generation) = (graph.branch(node), instance.progress.generation(node));
    if branch == NodeId::ROOT {
        return store_failure(&instance.id, Some((node, generation)), text, failure).map(|()| true);
    }
    // Who gives a branch up writes one of these.
    let mut deciders = Vec::new();
    let mut at = graph.parent(node);
    while let Some(outer) = at {
        if matches!(graph.kind(outer), NodeKind::Race(_) | NodeKind::Loop(_)) {
            deciders.push(outer.to_string());
        }
        at = graph.parent(outer);
    }
    let deciders: Vec<_> = deciders.iter().map(|id| Some(id.as_str())).collect();
    let store = || {
        let transaction = Transaction::begin_internal();
        let owner = store::as_owner();
        let spi = Session::open();
        nodes::hold(&spi, &instance.id, &deciders);
        let is_live = match nodes::load(&instance.id) {
            Ok(None) => false,
            Ok(Some(loaded)) => {
                let mut progress = Progress::new(loaded.graph, loaded.states, gucs::loop_min_interval_us());
                let resumed = progress.resume(clock::now());
                resumed.is_err() || (progress.is_live(branch) && progress.generation(node) == generation)
            }
            Err(_) => true,
        };
        if is_live {
            fail(&spi, &instance.id, Some((node, generation)), text, failure);
        }
        drop(spi);
        drop(owner);
        transaction.commit();
        is_live
    };
    process::without_cancellation(|| caught::catch(store))
}

/// Fails an instance, and the node it failed at, in a transaction of its own.
pub fn store_failure(
    id: &str,
    node: Option<(NodeId, i64)>,
    text: &str,
    failure: &Failure,
) -> Result<(), Failure> {
    let store = || {
        let transaction = Transaction::begin_internal();
        let owner = store::as_owner();
        let spi = Session::open();
        fail(&spi, id, node, text, failure);
        drop(spi);
        drop(owner);
        transaction.commit();
    };
    process::without_cancellation(|| caught::catch(store))
}

fn fail(spi: &Session, id: &str, node: Option<(NodeId, i64)>, text: &str, failure: &Failure) {
    let node_id = node.map(|(node, _)| node.to_string());
    if instances::fail(spi, id, node_id.as_deref(), text, failure)
        && let Some((node, generation)) = node
    {
        nodes::fail(spi, id, node, generation, text, failure);
    }
}
