//! `df.nodes` of one instance, and the effects of its steps: what survives.

use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::kind::NodeKind;
use pg_durable_graph::progress::{NodeState, StateRow};
use pg_durable_graph::{Graph, NodeId, NodeStatus, Outcome};

use crate::leaf::Executed;

#[derive(Clone)]
pub struct Table {
    graph: Arc<Graph>,
    rows: Vec<StateRow>,
    pub log: Vec<Executed>,
    pub result: Option<Outcome>,
    /// How often each node was completed in each generation.
    completions: HashMap<(NodeId, i64), usize>,
}

/// What one transaction is about to commit.
#[derive(Default)]
pub struct Transaction {
    pub writes: Vec<(NodeId, NodeState)>,
    pub effect: Option<Executed>,
    pub result: Option<Outcome>,
}

/// Somebody else was faster.
#[derive(Debug, PartialEq)]
pub struct Refused;

impl Table {
    pub fn new(graph: Arc<Graph>) -> Table {
        let rows = vec![NodeState::default().to_row(); graph.len()];
        Table { graph, rows, log: Vec::new(), result: None, completions: HashMap::new() }
    }

    /// The rows as a process reads them: nothing is shared with those who wrote them.
    pub fn load(&self) -> Vec<NodeState> {
        self.graph.iter().map(|(node, _)| self.read(node)).collect()
    }

    fn read(&self, node: NodeId) -> NodeState {
        let row = self.rows[node.index()].clone();
        NodeState::from_row(node, self.graph.kind(node), row).expect("what was written can be read")
    }

    /// How often the leaf was carried out.
    pub fn count(&self, leaf: NodeId) -> usize {
        self.log.iter().filter(|executed| executed.leaf == leaf).count()
    }

    /// Commits all or, where the fence of a single row refuses, nothing.
    pub fn commit(&mut self, transaction: Transaction) -> Result<(), Refused> {
        if self.result.is_some() {
            return Err(Refused);
        }
        let mut rows: HashMap<NodeId, NodeState> = HashMap::new();
        for (node, new) in &transaction.writes {
            let old = rows.remove(node).unwrap_or_else(|| self.read(*node));
            if !self.accepts(*node, &old, new) {
                return Err(Refused);
            }
            rows.insert(*node, new.clone());
        }
        for (node, new) in transaction.writes {
            if new.status == NodeStatus::Completed {
                *self.completions.entry((node, new.generation)).or_default() += 1;
            }
            self.rows[node.index()] = new.to_row();
        }
        self.log.extend(transaction.effect);
        self.result = transaction.result;
        Ok(())
    }

    /// The condition of the UPDATE in the extension. That of a LOOP must not count backwards, or the rows of a lost
    /// branch that had got further would refuse for ever what the loop does when it is entered anew.
    fn accepts(&self, node: NodeId, row: &NodeState, new: &NodeState) -> bool {
        let is_loop = matches!(self.graph.kind(node), NodeKind::Loop(_));
        if row.generation == new.generation {
            row.own.number() <= new.own.number() && !row.status.is_terminal()
        } else {
            row.generation < new.generation && (!is_loop || row.own.number() < new.own.number())
        }
    }

    /// Each node has completed at most once in each of its generations: leaves, RACEs and LOOPs alike.
    pub fn assert_completed_once(&self, seed: u64) {
        for ((node, generation), times) in &self.completions {
            assert_eq!(*times, 1, "seed {seed}: node {node} completed again in generation {generation}");
        }
    }
}
