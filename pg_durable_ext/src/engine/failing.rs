//! Failing an instance: what is stored when a step, or the engine, could not go on.

use std::convert::Infallible;

use pg_durable_board::InstanceNumber;
use pg_durable_graph::kind::NodeKind;
use pg_durable_graph::progress::{Failing, Fallout, Next};
use pg_durable_graph::verdict::{Phase, Verdict};
use pg_durable_graph::{Failure, Graph, NodeId};

use super::checkpoint::{in_transaction, internal, transact};
use super::flush::Flush;
use super::instance::{After, Instance, Loaded};
use super::stop::{Caught, Stop};
use super::wake;
use crate::pg::clock;
use crate::pg::spi::Session;
use crate::store::instances::{self, Changed, Unless};
use crate::store::nodes;

/// What became of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It does not count: the node's branch has been given up by others meanwhile, or somebody else was faster.
    Nothing,
    /// The node has failed; the instance is yet to, when whoever is changing its row has come to an end.
    Node,
    /// Something has taken the failure of `node`: `branch` goes on, at once or then.
    Taken { node: NodeId, branch: NodeId, until: Option<i64> },
    /// The failure of `node` has ended one branch, `root`, whose siblings go on.
    Settled { node: NodeId, root: NodeId },
    /// The instance has failed.
    End,
    /// The failure has ended the last branch that was waited for, and with it the instance, which has completed.
    Completed,
}

/// Says to `Progress` that a node has failed, in a transaction of its own and after a look at the rows as they are, and
/// stores what follows.
pub fn store_failure_of_node(instance: &mut Instance, failing: Failing) -> Result<Stored, Stop> {
    internal(instance, |instance, spi| fail_node(instance, spi, failing))
        .map_err(|stop| stop.with(|caught| Caught { phase: Phase::Failing, ..caught }))
}

fn fail_node(instance: &mut Instance, spi: &Session, failing: Failing) -> Result<Stored, Stop> {
    let deciders = deciders(instance.progress.graph(), failing.node);
    if !deciders.is_empty() {
        let deciders: Vec<_> = deciders.iter().map(|id| Some(id.as_str())).collect();
        nodes::hold(spi, &instance.id, &deciders);
    }
    if !instance.look_again() {
        return Ok(Stored::Nothing);
    }
    let Some(Fallout { node, branch, next }) = instance.progress.fail(failing, clock::now()) else {
        return Ok(Stored::Nothing);
    };
    for around in instance.progress.branches_to(node) {
        instance.write_branch(spi, around)?;
    }
    Ok(match instance.settle(spi, branch, next, Flush::AsRole)? {
        After::Held => Stored::Node,
        After::Next { next: Next::Failed { .. }, .. } => Stored::End,
        After::Next { next: Next::Finished(_), .. } => Stored::Completed,
        After::Next { next: Next::Spawn { node: around, .. }, .. }
            if instance.progress.graph().is_within(node, around) =>
        {
            Stored::Settled { node, root: branch_below(instance.progress.graph(), around, node) }
        }
        After::Next { branch, next: Next::Pause { until, .. } } => {
            Stored::Taken { node, branch, until: Some(until) }
        }
        After::Next { branch, .. } => Stored::Taken { node, branch, until: None },
        // Whoever goes on with the branch comes by the same.
        After::Fails { .. } | After::Parked { .. } => Stored::Taken { node, branch, until: None },
    })
}

/// Fails a node that takes its process with it each time, of an instance that is not at hand and that nobody holds. An
/// error of the server's unwinds. `None` where somebody holds it.
pub fn store_death(
    instance: InstanceNumber,
    node: NodeId,
    generation: i64,
    failure: Failure,
) -> Result<Option<Stored>, Stop> {
    transact(|spi| {
        let Loaded::Instance(mut instance) = Instance::load_of(instance, None, 0, &[]) else {
            return Ok(Some(Stored::Nothing));
        };
        if instances::hold_unfinished(spi, &instance.id) == Unless::Held {
            return Ok(None);
        }
        instance.note_failure_text(failure.message.clone());
        let attempts = instance.progress.failed_attempts(node);
        let failing = Failing { node, generation, attempts, failure, began: clock::now() };
        let stored = fail_node(&mut instance, spi, failing)?;
        if matches!(stored, Stored::Taken { .. } | Stored::Settled { .. }) {
            wake::after_signal(instance.owner, instance.number);
        }
        Ok(Some(stored))
    })
}

/// The branch of a JOIN or RACE that a node is in.
fn branch_below(graph: &Graph, around: NodeId, node: NodeId) -> NodeId {
    let up = std::iter::successors(Some(node), |&at| graph.parent(at));
    up.take_while(|&at| at != around).last().unwrap_or(node)
}

/// Those of whom one is written by whoever gives up the branch that a node is in.
fn deciders(graph: &Graph, node: NodeId) -> Vec<String> {
    if graph.branch(node) == NodeId::ROOT {
        return Vec::new();
    }
    let around = std::iter::successors(graph.parent(node), |&at| graph.parent(at));
    let fails_by_branch = |at: NodeId| graph.kind(at).fails_by_branch();
    let decides = |&at: &NodeId| {
        matches!(graph.kind(at), NodeKind::Race(_) | NodeKind::Loop(_))
            || graph.is_scope(at)
            // What may fail without its siblings, and who waits for all of them.
            || fails_by_branch(at)
            || graph.parent(at).is_some_and(fails_by_branch)
    };
    around.filter(decides).map(|at| at.to_string()).collect()
}

/// Judges a try at a leaf whose outcome could not be stored by how many there were, and counts it in the leaf's row where
/// there is to be another. `counted` are those that this process knows of, this one included.
pub fn judge(
    id: &str,
    leaf: NodeId,
    counted: u32,
    failure: &Failure,
    judge: impl Fn(u32) -> Verdict,
) -> Result<Verdict, Failure> {
    in_transaction(|spi| {
        let tries = counted.max(nodes::tries(spi, id, leaf).saturating_add(1));
        let verdict = judge(tries);
        if let Verdict::RetryAfter(pause) = verdict {
            let next_at = clock::now() + pause.as_micros() as i64;
            nodes::note_try(spi, id, leaf, &nodes::Try { tries, next_at, failure });
        }
        verdict
    })
}

/// Fails an instance that cannot be carried out at all, in a transaction of its own.
pub fn store_failure(id: &str, text: &str, failure: &Failure) -> Result<Changed, Failure> {
    in_transaction(|spi| instances::fail(spi, id, None, text, failure))
}

/// [`store_failure`] for an instance that nobody holds. An error of the server's unwinds.
pub fn store_failure_unless_held(id: &str, text: &str, failure: &Failure) -> Unless {
    let stored: Result<Unless, Infallible> = transact(|spi| {
        let held = instances::hold_unfinished(spi, id);
        if held == Unless::Done {
            instances::fail(spi, id, None, text, failure);
        }
        Ok(held)
    });
    stored.unwrap_or_else(|never| match never {})
}
