//! What each node's status means now, for people who look at an instance.
//!
//! Rows say what was stored. What follows from it, and what executors have in hand, no row says.

use crate::graph::Graph;
use crate::kind::NodeKind;
use crate::node_id::NodeId;
use crate::status::{InstanceStatus, NodeStatus};

/// What is shown of a node of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Has its outcome.
    Completed,
    /// Has its error.
    Failed,
    /// Being carried out, or waiting.
    Running,
    /// Not reached yet.
    Pending,
    /// Will not be reached any more.
    Skipped,
}

impl Mark {
    /// The word, as `df.instance_nodes` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Completed => "completed",
            Mark::Failed => "failed",
            Mark::Running => "running",
            Mark::Pending => "pending",
            Mark::Skipped => "skipped",
        }
    }

    /// The sign.
    pub fn symbol(self) -> &'static str {
        match self {
            Mark::Completed => "✓",
            Mark::Failed => "✗",
            Mark::Running => "⏳",
            Mark::Pending => "○",
            Mark::Skipped => "⊘",
        }
    }
}

/// What is shown of a node, with what it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// What is shown.
    pub mark: Mark,
    /// The node above whose end is the reason why this one is skipped.
    pub from: Option<NodeId>,
}

/// What is shown of every node, in the graph's order. `stored` is the status of each as its row has it, or as it follows
/// from its children's; `is_handled` says of a CATCH whether its handler has taken a failure of its body; `in_hand` are the
/// nodes that executors carry out at this moment.
pub fn of_nodes(
    graph: &Graph,
    instance: InstanceStatus,
    stored: impl Fn(NodeId) -> NodeStatus,
    is_handled: impl Fn(NodeId) -> bool,
    in_hand: &[NodeId],
) -> Vec<Shown> {
    let is_given_up = |node: NodeId| {
        graph.parent(node).is_some_and(|parent| {
            matches!(graph.kind(parent), NodeKind::Catch(catch) if catch.body == node && is_handled(parent))
        })
    };
    let mut own = own_statuses(graph, stored, in_hand);
    if instance == InstanceStatus::Failed {
        // A failed node fails everything above it, up to what has taken the failure.
        for (id, _) in graph.iter().rev() {
            if own[id.index()] == NodeStatus::Failed
                && !is_given_up(id)
                && let Some(parent) = graph.parent(id)
                && own[parent.index()] != NodeStatus::Completed
                && !graph.kind(parent).fails_by_branch()
            {
                own[parent.index()] = NodeStatus::Failed;
            }
        }
    }
    let mut shown: Vec<Shown> = Vec::with_capacity(own.len());
    for (id, _) in graph.iter() {
        let above = graph.parent(id).and_then(|parent| {
            let is_over = own[parent.index()].is_terminal() || is_given_up(id);
            shown[parent.index()].from.or(is_over.then_some(parent))
        });
        let ended = above.or(instance.is_terminal().then_some(NodeId::ROOT));
        shown.push(match (own[id.index()], ended) {
            (NodeStatus::Completed, _) => Shown { mark: Mark::Completed, from: None },
            (NodeStatus::Failed, _) => Shown { mark: Mark::Failed, from: None },
            (NodeStatus::Pending | NodeStatus::Running, Some(from)) => {
                Shown { mark: Mark::Skipped, from: Some(from) }
            }
            (NodeStatus::Running, None) => Shown { mark: Mark::Running, from: None },
            (NodeStatus::Pending, None) => Shown { mark: Mark::Pending, from: None },
        });
    }
    shown
}

/// A node with something begun below it is running.
fn own_statuses(graph: &Graph, stored: impl Fn(NodeId) -> NodeStatus, in_hand: &[NodeId]) -> Vec<NodeStatus> {
    let mut own: Vec<_> = graph.iter().map(|(id, _)| stored(id)).collect();
    for node in in_hand {
        if let Some(status) = own.get_mut(node.index())
            && *status == NodeStatus::Pending
        {
            *status = NodeStatus::Running;
        }
    }
    for (id, _) in graph.iter().rev() {
        let Some(parent) = graph.parent(id) else { continue };
        if own[id.index()] != NodeStatus::Pending && own[parent.index()] == NodeStatus::Pending {
            own[parent.index()] = NodeStatus::Running;
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Sql;
    use crate::matching::Matching;

    fn sql() -> Graph {
        Graph::leaf(Sql::new("SELECT 1"))
    }

    /// `stored` has a letter a node, in the graph's order: pending, running, completed, failed. What is shown has one, too:
    /// `s3` is skipped because of the third node.
    fn check(graph: &Graph, instance: InstanceStatus, stored: &str, in_hand: &[u32], expected: &str) {
        let stored: Vec<NodeStatus> = stored
            .split(' ')
            .map(|letter| match letter {
                "p" => NodeStatus::Pending,
                "r" => NodeStatus::Running,
                "c" => NodeStatus::Completed,
                "f" => NodeStatus::Failed,
                other => panic!("no status begins with {other}"),
            })
            .collect();
        let in_hand: Vec<NodeId> = in_hand.iter().copied().map(NodeId).collect();
        // A CATCH whose handler has begun has taken a failure.
        let is_handled = |id: NodeId| match graph.kind(id) {
            NodeKind::Catch(catch) => stored[catch.handler.index()] != NodeStatus::Pending,
            _ => false,
        };
        let shown: Vec<String> = of_nodes(graph, instance, |id| stored[id.index()], is_handled, &in_hand)
            .into_iter()
            .map(|shown| {
                let from = shown.from.map_or_else(String::new, |from| from.0.to_string());
                format!("{}{from}", &shown.mark.as_str()[..1])
            })
            .collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn what_is_begun_shows_in_what_is_around_it() {
        use InstanceStatus::{Pending, Running};
        // 0 THEN (1 THEN (2, 3), 4)
        let graph = Graph::then(Graph::then(sql(), sql()), sql());
        check(&graph, Pending, "p p p p p", &[], "p p p p p");
        check(&graph, Running, "p p p p p", &[2], "r r r p p");
        check(&graph, Running, "p p c p p", &[], "r r c p p");
        check(&graph, Running, "p p c p p", &[3], "r r c r p");
        check(&graph, Running, "p c c c r", &[4], "r c c c r");
        // An executor may have more in hand than the rows tell, or nodes of another graph.
        check(&graph, Running, "p c c c p", &[2, 9], "r c c c p");
    }

    #[test]
    fn what_was_passed_over_says_why() {
        use InstanceStatus::{Cancelled, Completed, Failed, Running};
        // 0 THEN (1 RACE (2, 3), 4)
        let graph = Graph::then(Graph::race(vec![sql(), sql()]).unwrap(), sql());
        check(&graph, Running, "p c c r p", &[], "r c c s1 p");
        check(&graph, Completed, "c c p c c", &[], "c c s1 c c");
        check(&graph, Failed, "p p f r p", &[], "f f f s1 s0");
        check(&graph, Cancelled, "p r r p p", &[], "s0 s0 s0 s0 s0");
        check(&graph, Cancelled, "p c c p p", &[], "s0 c c s1 s0");
        // While the instance runs, a failed branch has not failed what is around it.
        check(&graph, Running, "p r f r p", &[], "r r f r p");
        // 0 THEN (1 CATCH (2 THEN (3, 4), 5), 6): a failure that was taken ends there.
        let body = Graph::then(sql(), sql());
        let caught = Graph::catch(body, sql(), vec![Matching::All], "error").unwrap();
        let graph = Graph::then(caught, sql());
        check(&graph, Running, "p r p f p r p", &[], "r r s1 f s1 r p");
        check(&graph, Failed, "p c p f p c f", &[], "f c f f s2 c f");
        check(&graph, Failed, "p r p f p f p", &[], "f f f f s2 f s0");
        check(&graph, Completed, "c c c c c p c", &[], "c c c c c s1 c");
        // 0 IF (1, 2 THEN (3, 4), 5)
        let graph = Graph::if_else(sql(), Graph::then(sql(), sql()), sql());
        check(&graph, Completed, "c c p p p c", &[], "c c s0 s0 s0 c");
    }
}
