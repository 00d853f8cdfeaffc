//! What a graph means, one node after the other and without any storage: the oracle for graphs without RACE.

use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::kind::{Catch, Condition, If, Join, Leaf, Loop, NodeKind, Retry};
use pg_durable_graph::matching::Matching;
use pg_durable_graph::progress::{Bindings, Caught, ProgressError};
use pg_durable_graph::{Failure, Graph, NodeId, Outcome, truth};

use crate::leaf::{self, Executed};
use crate::table::End;

pub struct Sequential<'a> {
    graph: &'a Graph,
    seed: u64,
    counts: HashMap<NodeId, usize>,
    entered: usize,
    pub log: Vec<Executed>,
    /// How many percent of the leaves fail.
    pub failures: usize,
}

enum Stopped {
    Break(Arc<Outcome>),
    Failed(Box<Raised>),
    TooLong,
}

/// A failure on its way.
struct Raised {
    node: NodeId,
    failure: Failure,
    attempt: i64,
    suppressed: Vec<Failure>,
}

fn raised(node: NodeId, failure: Failure) -> Stopped {
    Stopped::Failed(Box::new(Raised { node, failure, attempt: 1, suppressed: Vec::new() }))
}

const STEPS_MAX: usize = 150;
const ENTERED_MAX: usize = 20_000;

impl<'a> Sequential<'a> {
    pub fn new(graph: &'a Graph, seed: u64) -> Sequential<'a> {
        Sequential { graph, seed, counts: HashMap::new(), entered: 0, log: Vec::new(), failures: 0 }
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
            Err(Stopped::Failed(raised)) => Some(End::Failed(raised.node, raised.failure)),
            Err(Stopped::Break(_)) => unreachable!("a BREAK outside of a loop fails"),
            Err(Stopped::TooLong) => None,
        }
    }

    fn carry_out(&mut self, node: NodeId, seen: &mut Bindings) -> Result<Arc<Outcome>, Stopped> {
        // A loop that goes on after failures need not come to a step at all.
        self.entered += 1;
        if self.entered > ENTERED_MAX {
            return Err(Stopped::TooLong);
        }
        let outcome = match self.graph.kind(node) {
            NodeKind::Then(then) => {
                self.carry_out(then.first, seen)?;
                self.carry_out(then.next, seen)?
            }
            NodeKind::If(choice) => {
                let is_true = self.decide(node, choice, seen)?;
                self.carry_out(if is_true { choice.then } else { choice.otherwise }, seen)?
            }
            NodeKind::Join(join) => Arc::new(self.join(join, seen)?),
            NodeKind::Race(_) => unreachable!("the oracle is for graphs without RACE"),
            // Of so much time that it is never up.
            NodeKind::Timeout(timeout) => {
                let mut inner = seen.clone();
                let done = self.carry_out(timeout.body, &mut inner);
                if done.is_ok() || matches!(done, Err(Stopped::Break(_))) {
                    *seen = inner;
                }
                done?
            }
            NodeKind::Loop(repeat) => self.repeat(repeat, seen)?,
            NodeKind::Retry(retry) => self.retry(node, retry, seen)?,
            NodeKind::Catch(catch) => self.catch(catch, seen)?,
            NodeKind::Leaf(end) if end.breaks() => {
                let nth = self.execute(node, seen)?;
                if self.graph.enclosing_loop(node).is_none() {
                    self.log.pop();
                    return Err(raised(node, ProgressError::BreakOutsideLoop(node).into()));
                }
                let value = Arc::new(Outcome::plain(leaf::broke(node, nth)));
                self.bind(node, &value, seen);
                return Err(Stopped::Break(value));
            }
            NodeKind::Leaf(waiting) if waiting.wait().is_some() => {
                // A wait reads no names.
                Arc::new(leaf::waited(node, self.execute(node, &Bindings::new())?))
            }
            NodeKind::Leaf(Leaf::Fail(fail)) => {
                self.execute(node, seen)?;
                self.log.pop();
                return Err(raised(node, fail.failure(fail.message.clone(), None)));
            }
            NodeKind::Leaf(_) => Arc::new(leaf::rows(self.seed, node, self.execute(node, seen)?)),
        };
        // A loop's value of its own: that of its BREAK is another binding.
        let outcome = match self.graph.kind(node) {
            NodeKind::Loop(_)
            | NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Retry(_)
            | NodeKind::Catch(_)
            | NodeKind::Timeout(_) => Arc::new((*outcome).clone()),
            _ => outcome,
        };
        self.bind(node, &outcome, seen);
        Ok(outcome)
    }

    fn decide(&mut self, node: NodeId, choice: &If, seen: &mut Bindings) -> Result<bool, Stopped> {
        match &choice.condition {
            Condition::Node(condition) => Ok(truth::outcome_is_true(&*self.carry_out(*condition, seen)?)),
            Condition::HasRows(name) => {
                let name = name.clone();
                match seen.get(&name) {
                    Some(outcome) if outcome.value.get("row_count").is_none() => {
                        Err(raised(node, ProgressError::ConditionNotRows { node, name }.into()))
                    }
                    Some(outcome) => Ok(outcome.value["row_count"] != 0),
                    None => Err(raised(node, ProgressError::ConditionNotBound { node, name }.into())),
                }
            }
        }
    }

    /// Branches of one that has not completed have bound nothing.
    fn join(&mut self, join: &Join, seen: &mut Bindings) -> Result<Outcome, Stopped> {
        let mut results = Vec::new();
        let mut after = seen.clone();
        for &root in &join.branches {
            let mut inner = seen.clone();
            let end = match self.carry_out(root, &mut inner) {
                Ok(outcome) => Ok(outcome),
                Err(Stopped::Failed(raised)) if join.settles => Err(Arc::new(raised.failure)),
                Err(stopped) => return Err(stopped),
            };
            let is_completed = end.is_ok();
            results.push(end);
            for (name, outcome) in inner.into_iter().filter(|_| is_completed) {
                if seen.get(&name).is_none_or(|known| !Arc::ptr_eq(known, &outcome)) {
                    after.insert(name, outcome);
                }
            }
        }
        *seen = after;
        if join.settles {
            return Ok(Outcome::settled(&results));
        }
        let results: Vec<_> = results.into_iter().map(|end| end.expect("it has not failed")).collect();
        Ok(Outcome::of_branches(results.iter().map(Arc::as_ref)))
    }

    fn repeat(&mut self, repeat: &Loop, seen: &mut Bindings) -> Result<Arc<Outcome>, Stopped> {
        loop {
            match self.carry_out(repeat.body, seen) {
                Ok(result) => {
                    let Some(condition) = repeat.condition else { continue };
                    match self.carry_out(condition, seen) {
                        Ok(more) if truth::outcome_is_true(&more) => {}
                        Ok(_) => return Ok(result),
                        Err(Stopped::Break(value)) => return Ok(value),
                        Err(stopped) => return Err(stopped),
                    }
                }
                Err(Stopped::Break(value)) => return Ok(value),
                Err(Stopped::Failed(_)) if repeat.continue_on_failure => {}
                Err(stopped) => return Err(stopped),
            }
        }
    }

    /// What a failed attempt has bound nobody sees.
    fn retry(&mut self, node: NodeId, retry: &Retry, seen: &mut Bindings) -> Result<Arc<Outcome>, Stopped> {
        let is_leaf = self.graph.retry_of(retry.body).is_some();
        assert_eq!(is_leaf, !self.graph.is_scope(node));
        let most = retry.policy.max_attempts.expect("it is limited");
        for attempt in 1.. {
            let mut inner = seen.clone();
            let done = self.carry_out(retry.body, &mut inner);
            match done {
                Err(Stopped::Failed(mut raised)) => {
                    if is_leaf {
                        raised.attempt = attempt.into();
                    }
                    let sqlstate = &raised.failure.sqlstate;
                    let is_taken = retry.policy.retry_on.iter().any(|word| takes(word, sqlstate));
                    if attempt >= most || !is_taken {
                        if is_leaf {
                            *seen = inner;
                        }
                        return Err(Stopped::Failed(raised));
                    }
                }
                done => {
                    *seen = inner;
                    return done;
                }
            }
        }
        unreachable!("it is limited")
    }

    /// The handler sees what the body has bound, and the failure; behind the CATCH nobody does.
    fn catch(&mut self, catch: &Catch, seen: &mut Bindings) -> Result<Arc<Outcome>, Stopped> {
        let mut inner = seen.clone();
        let raised = match self.carry_out(catch.body, &mut inner) {
            Err(Stopped::Failed(raised))
                if catch.errors.iter().any(|word| takes(word, &raised.failure.sqlstate)) =>
            {
                raised
            }
            done @ (Ok(_) | Err(Stopped::Break(_))) => {
                *seen = inner;
                return done;
            }
            done => return done,
        };
        let error = Caught {
            node: raised.node.0,
            node_type: self.graph.kind(raised.node).name().to_owned(),
            attempt: raised.attempt,
            failure: raised.failure.clone(),
            suppressed: raised.suppressed.clone(),
        };
        inner.insert(catch.name.clone(), Arc::new(Outcome::plain(error.value())));
        let shown = inner.clone();
        let mut done = self.carry_out(catch.handler, &mut inner);
        match &mut done {
            Err(Stopped::Failed(again)) => {
                again.suppressed.push(raised.failure);
                again.suppressed.extend(raised.suppressed);
            }
            Ok(_) | Err(Stopped::Break(_) | Stopped::TooLong) => {
                for (name, outcome) in inner {
                    if shown.get(&name).is_none_or(|known| !Arc::ptr_eq(known, &outcome)) {
                        seen.insert(name, outcome);
                    }
                }
            }
        }
        done
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
            return Err(raised(leaf, failure));
        }
        self.log.push(Executed { leaf, nth, view: leaf::view(seen) });
        Ok(nth)
    }
}

/// Whether a word of those that these tests use takes a failure.
fn takes(word: &Matching, sqlstate: &str) -> bool {
    match word {
        Matching::All => true,
        Matching::Code(code) => code == sqlstate,
        Matching::Class(beginning) => sqlstate.starts_with(beginning.as_str()),
        other => unreachable!("no test uses {other}"),
    }
}
