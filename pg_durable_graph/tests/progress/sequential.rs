//! What a graph means, one node after the other and without any storage: the oracle for graphs without RACE.

use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::kind::{Condition, NodeKind};
use pg_durable_graph::progress::{Bindings, ProgressError};
use pg_durable_graph::{Failure, Graph, NodeId, Outcome, truth};
use serde_json::Value;

use crate::leaf::{self, Executed};
use crate::table::End;

pub struct Sequential<'a> {
    graph: &'a Graph,
    seed: u64,
    counts: HashMap<NodeId, usize>,
    pub log: Vec<Executed>,
    /// How many percent of the leaves fail.
    pub failures: usize,
}

enum Stopped {
    Break(Arc<Outcome>),
    Failed(NodeId, Failure),
    TooLong,
}

const STEPS_MAX: usize = 150;

impl<'a> Sequential<'a> {
    pub fn new(graph: &'a Graph, seed: u64) -> Sequential<'a> {
        Sequential { graph, seed, counts: HashMap::new(), log: Vec::new(), failures: 0 }
    }

    /// The result of a graph that nothing fails in; `None` when it takes too many steps for a test.
    pub fn run(&mut self) -> Option<Outcome> {
        self.run_to_end().map(|end| match end {
            End::Completed(result) => result,
            End::Failed(node, failure) => panic!("{node}: {failure:?}"),
        })
    }

    /// The end of the graph; `None` when it takes too many steps for a test.
    pub fn run_to_end(&mut self) -> Option<End> {
        match self.carry_out(NodeId::ROOT, &mut Bindings::new()) {
            Ok(outcome) => Some(End::Completed((*outcome).clone())),
            Err(Stopped::Failed(node, failure)) => Some(End::Failed(node, failure)),
            Err(Stopped::Break(_)) => unreachable!("a BREAK outside of a loop fails"),
            Err(Stopped::TooLong) => None,
        }
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
                    Condition::HasRows(name) => match seen.get(name) {
                        Some(outcome) => outcome.value["row_count"] != 0,
                        None => {
                            let name = name.clone();
                            let error = ProgressError::ConditionNotBound { node, name };
                            return Err(Stopped::Failed(node, error.into()));
                        }
                    },
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
                            Err(stopped) => return Err(stopped),
                        }
                    }
                    Err(Stopped::Break(value)) => break value,
                    Err(stopped) => return Err(stopped),
                }
            },
            NodeKind::Leaf(end) if end.breaks() => {
                let nth = self.execute(node, seen)?;
                if self.graph.enclosing_loop(node).is_none() {
                    self.log.pop();
                    return Err(Stopped::Failed(node, ProgressError::BreakOutsideLoop(node).into()));
                }
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
        if let Some(failure) = leaf::failure(self.graph, self.seed, leaf, nth, self.failures) {
            return Err(Stopped::Failed(leaf, failure));
        }
        self.log.push(Executed { leaf, nth, view: leaf::view(seen) });
        Ok(nth)
    }
}
