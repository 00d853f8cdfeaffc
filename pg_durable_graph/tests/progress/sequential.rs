//! What a graph means, one node after the other and without any storage: the oracle for graphs without RACE.

use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::kind::{Condition, NodeKind};
use pg_durable_graph::progress::Bindings;
use pg_durable_graph::{Graph, NodeId, Outcome, truth};
use serde_json::Value;

use crate::leaf::{self, Executed};

pub struct Sequential<'a> {
    graph: &'a Graph,
    seed: u64,
    counts: HashMap<NodeId, usize>,
    pub log: Vec<Executed>,
}

enum Stopped {
    Break(Arc<Outcome>),
    TooLong,
}

const STEPS_MAX: usize = 150;

impl<'a> Sequential<'a> {
    pub fn new(graph: &'a Graph, seed: u64) -> Sequential<'a> {
        Sequential { graph, seed, counts: HashMap::new(), log: Vec::new() }
    }

    /// The result of the graph; `None` when it takes too many steps for a test.
    pub fn run(&mut self) -> Option<Outcome> {
        let done = self.carry_out(NodeId::ROOT, &mut Bindings::new());
        done.ok().map(|outcome| (*outcome).clone())
    }

    fn carry_out(&mut self, node: NodeId, seen: &mut Bindings) -> Result<Arc<Outcome>, Stopped> {
        let outcome = match self.graph.kind(node) {
            NodeKind::Then(then) => {
                self.carry_out(then.first, seen)?;
                self.carry_out(then.next, seen)?
            }
            NodeKind::If(choice) => {
                let is_true = match &choice.condition {
                    Condition::Node(condition) => truth::outcome_is_true(&*self.carry_out(*condition, seen)?),
                    Condition::HasRows(name) => seen[name].value["row_count"] != 0,
                };
                self.carry_out(if is_true { choice.then } else { choice.otherwise }, seen)?
            }
            NodeKind::Join(join) => {
                let mut results = Vec::new();
                let base = seen.clone();
                for &root in &join.branches {
                    let mut inner = base.clone();
                    results.push(self.carry_out(root, &mut inner)?.value.clone());
                    for (name, outcome) in inner {
                        if base.get(&name).is_none_or(|known| !Arc::ptr_eq(known, &outcome)) {
                            seen.insert(name, outcome);
                        }
                    }
                }
                Arc::new(Outcome::plain(Value::Array(results)))
            }
            NodeKind::Race(_) => unreachable!("the oracle is for graphs without RACE"),
            NodeKind::Loop(repeat) => loop {
                match self.carry_out(repeat.body, seen) {
                    Ok(result) => {
                        let Some(condition) = repeat.condition else { continue };
                        match self.carry_out(condition, seen) {
                            Ok(more) if truth::outcome_is_true(&more) => {}
                            Ok(_) => break result,
                            Err(Stopped::Break(value)) => break value,
                            Err(Stopped::TooLong) => return Err(Stopped::TooLong),
                        }
                    }
                    Err(Stopped::Break(value)) => break value,
                    Err(Stopped::TooLong) => return Err(Stopped::TooLong),
                }
            },
            NodeKind::Leaf(end) if end.breaks() => {
                let nth = self.execute(node, seen)?;
                let value = Arc::new(Outcome::plain(leaf::broke(node, nth)));
                self.bind(node, &value, seen);
                return Err(Stopped::Break(value));
            }
            NodeKind::Leaf(waiting) if waiting.wait().is_some() => {
                // A wait reads no names.
                Arc::new(leaf::waited(node, self.execute(node, &Bindings::new())?))
            }
            NodeKind::Leaf(_) => Arc::new(leaf::rows(self.seed, node, self.execute(node, seen)?)),
        };
        // A loop's value of its own: that of its BREAK is another binding.
        let outcome = match self.graph.kind(node) {
            NodeKind::Loop(_) | NodeKind::Then(_) | NodeKind::If(_) => Arc::new((*outcome).clone()),
            _ => outcome,
        };
        self.bind(node, &outcome, seen);
        Ok(outcome)
    }

    fn bind(&self, node: NodeId, outcome: &Arc<Outcome>, seen: &mut Bindings) {
        if let Some(name) = &self.graph.node(node).result_name {
            seen.insert(name.clone(), outcome.clone());
        }
    }

    fn execute(&mut self, leaf: NodeId, seen: &Bindings) -> Result<usize, Stopped> {
        if self.log.len() == STEPS_MAX {
            return Err(Stopped::TooLong);
        }
        let count = self.counts.entry(leaf).or_default();
        let nth = *count;
        *count += 1;
        self.log.push(Executed { leaf, nth, view: leaf::view(seen) });
        Ok(nth)
    }
}
