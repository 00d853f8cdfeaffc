//! `df.nodes` of one instance, and the effects of its steps: what survives.

use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::kind::NodeKind;
use pg_durable_graph::progress::{Fence, GivenUp, Guard, Instant, NodeState, Own, StateRow};
use pg_durable_graph::{Failure, Graph, NodeId, NodeStatus, Outcome};

use crate::leaf::Executed;
use crate::mailbox::{Consumption, Mailbox};

#[derive(Clone)]
pub struct Table {
    graph: Arc<Graph>,
    rows: Vec<StateRow>,
    pub log: Vec<Executed>,
    pub end: Option<End>,
    /// The clock of all who look.
    pub now: Instant,
    /// How often each node has failed.
    failed: HashMap<NodeId, usize>,
    /// How often each node came to its end in each generation.
    ends: HashMap<(NodeId, i64), usize>,
    pub mailbox: Mailbox,
}

/// How an instance has ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    Completed(Outcome),
    Failed(NodeId, Failure),
}

/// What one transaction is about to commit.
#[derive(Default)]
pub struct Transaction {
    pub writes: Vec<(NodeId, NodeState)>,
    pub effect: Option<Executed>,
    /// The node that has failed.
    pub failed: Option<NodeId>,
    pub end: Option<End>,
    /// A signal is consumed.
    pub consumes: Option<Consumption>,
    /// Branches whose signals are to be had again.
    pub gives_up: Vec<GivenUp>,
}

/// Somebody else was faster.
#[derive(Debug, PartialEq)]
pub struct Refused;

impl Table {
    pub fn new(graph: Arc<Graph>) -> Table {
        let rows = vec![NodeState::default().to_row(); graph.len()];
        Table {
            graph,
            rows,
            log: Vec::new(),
            end: None,
            now: 0,
            failed: HashMap::new(),
            ends: HashMap::new(),
            mailbox: Mailbox::default(),
        }
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
        let failed = self.failed.get(&leaf).copied().unwrap_or_default();
        failed + self.log.iter().filter(|executed| executed.leaf == leaf).count()
    }

    /// How many steps were done, or have failed.
    pub fn steps(&self) -> usize {
        self.log.len() + self.failed.values().sum::<usize>()
    }

    /// Commits all or, where the fence of a single row refuses, nothing.
    pub fn commit(&mut self, transaction: Transaction) -> Result<(), Refused> {
        if self.end.is_some() {
            return Err(Refused);
        }
        let mut rows: HashMap<NodeId, NodeState> = HashMap::new();
        for (node, new) in &transaction.writes {
            let old = rows.remove(node).unwrap_or_else(|| self.read(*node));
            let mark = Fence {
                counts: matches!(self.graph.kind(*node), NodeKind::Loop(_) | NodeKind::Retry(_)),
                is_over: old.status.is_terminal(),
                generation: old.generation,
                iteration: old.own.number(),
            };
            if !mark.accepts(new.generation, new.own.number()) {
                return Err(Refused);
            }
            rows.insert(*node, new.clone());
        }
        if let Some(consumption) = &transaction.consumes
            && consumption.guards.iter().any(|guard| self.is_over(*guard))
        {
            return Err(Refused);
        }
        if let Some(End::Failed(node, _)) = &transaction.end {
            self.assert_counts(*node);
        }
        self.mailbox.consume(transaction.consumes);
        self.mailbox.give_back(&self.graph, &transaction.gives_up);
        for (node, new) in &transaction.writes {
            if let (NodeKind::Race(race), Own::Winner(winner)) = (self.graph.kind(*node), new.own) {
                self.mailbox.note_decision(&self.graph, *node, race.branches[winner]);
            }
        }
        for (node, new) in transaction.writes {
            if new.status.is_terminal() {
                *self.ends.entry((node, new.generation)).or_default() += 1;
            }
            self.rows[node.index()] = new.to_row();
        }
        if let Some(leaf) = transaction.failed {
            *self.failed.entry(leaf).or_default() += 1;
        }
        self.log.extend(transaction.effect);
        self.end = transaction.end;
        Ok(())
    }

    /// The generation that a node belongs to as the rows have it.
    fn generation(&self, node: NodeId) -> i64 {
        self.graph.enclosing_count(node).map_or(0, |outer| self.read(outer).own.count())
    }

    /// Whether one that was seen so has given up what it guards.
    fn is_over(&self, guard: Guard) -> bool {
        let row = self.read(guard.node);
        row.generation > guard.generation
            || row.generation == guard.generation
                && (row.status.is_terminal() || row.own.number() > guard.iteration)
    }

    /// No RACE around a node has been won by another branch, and no LOOP around it is over, or in another generation
    /// than the rows below it.
    fn assert_counts(&self, node: NodeId) {
        let mut below = node;
        while let Some(around) = self.graph.parent(below) {
            let state = self.read(around);
            let is_over =
                state.generation == self.generation(around) && state.status == NodeStatus::Completed;
            match (self.graph.kind(around), state.own) {
                (NodeKind::Race(race), Own::Winner(winner)) if is_over => {
                    assert_eq!(race.branches[winner], below, "{node} has lost the race {around}");
                }
                (NodeKind::Loop(_), _) => assert!(!is_over, "{node} is in the loop {around}, which is over"),
                _ => {}
            }
            below = around;
        }
    }

    /// How a node's row ends an instance that has failed there.
    pub fn failures(&self) -> Vec<(NodeId, Failure)> {
        let rows = self.load().into_iter().enumerate();
        rows.filter_map(|(index, state)| Some((NodeId(index as u32), (*state.error?).clone()))).collect()
    }

    /// Each node has completed or failed at most once in each of its generations: leaves, RACEs and LOOPs alike.
    pub fn assert_ended_once(&self, seed: u64) {
        for ((node, generation), times) in &self.ends {
            assert_eq!(*times, 1, "seed {seed}: node {node} ended again in generation {generation}");
        }
    }
}
