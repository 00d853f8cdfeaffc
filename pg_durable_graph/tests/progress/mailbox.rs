//! `df.signals` of one instance: what was consumed, and what those who lost gave back.

use std::sync::Arc;

use pg_durable_graph::kind::NodeKind;
use pg_durable_graph::progress::{GivenUp, Guard, NodeState, Progress};
use pg_durable_graph::{Graph, NodeId};

use crate::engine::{Engine, Order};
use crate::graphs::{self, end, join, race, seq, sql, until_break, wait, while_true};
use crate::leaf;
use crate::random::Random;
use crate::table::Table;

/// A signal that was consumed.
#[derive(Debug, Clone)]
pub struct Consumption {
    leaf: NodeId,
    passes: Vec<i64>,
    open_from: Option<usize>,
    /// What may give the consumer up, with the generation that it is in.
    pub guards: Vec<Guard>,
    /// The RACEs around it that had not been decided, as the table knows.
    undecided: Vec<NodeId>,
    is_given_back: bool,
    has_lost: bool,
}

impl Consumption {
    pub fn by(progress: &Progress, leaf: NodeId) -> Consumption {
        let graph = progress.graph();
        let around = std::iter::successors(graph.parent(leaf), |&at| graph.parent(at));
        let position = progress.position(leaf);
        Consumption {
            leaf,
            passes: position.passes,
            open_from: position.open_from,
            guards: progress.guards(leaf),
            undecided: around.filter(|&at| matches!(graph.kind(at), NodeKind::Race(_))).collect(),
            is_given_back: false,
            has_lost: false,
        }
    }

    /// No BREAK gives it up: what the table knows of the RACEs is all there is to know.
    fn is_for_races_only(&self, graph: &Graph) -> bool {
        self.guards.iter().all(|guard| matches!(graph.kind(guard.node), NodeKind::Race(_)))
    }
}

#[derive(Debug, Clone, Default)]
pub struct Mailbox(Vec<Consumption>);

impl Mailbox {
    /// Also checks that what this consumer's earlier passes hold is not given back any more from where it says so.
    pub fn consume(&mut self, consumption: Option<Consumption>) {
        let Some(new) = consumption else { return };
        for old in self.0.iter().filter(|old| old.leaf == new.leaf && !old.is_given_back) {
            let open = new.open_from.unwrap_or(new.passes.len());
            let is_settled = old.passes[..open] != new.passes[..open];
            assert!(!is_settled || old.undecided.is_empty() || new.open_from.is_none(), "{old:?} {new:?}");
        }
        self.0.push(new);
    }

    pub fn give_back(&mut self, graph: &Graph, given_up: &[GivenUp]) {
        for consumption in &mut self.0 {
            let is_of = |branch: &GivenUp| {
                graph.is_within(consumption.leaf, branch.root)
                    && consumption.passes.starts_with(&branch.passes)
            };
            consumption.is_given_back |= given_up.iter().any(is_of);
        }
    }

    /// The oracle: the first decision after a consumption says whether it was for nothing, whatever the generations are.
    pub fn note_decision(&mut self, graph: &Graph, decided: NodeId, winner: NodeId) {
        for consumption in &mut self.0 {
            let concerned = consumption.undecided.iter().position(|&at| at == decided);
            if let (Some(at), false) = (concerned, consumption.has_lost) {
                consumption.undecided.remove(at);
                consumption.has_lost = !graph.is_within(consumption.leaf, winner);
            }
        }
    }

    /// What the losers consumed is there again, and nothing else is; how many came back.
    fn assert_nothing_is_lost(&self, graph: &Graph, seed: u64) -> usize {
        for consumption in self.0.iter().filter(|one| one.is_for_races_only(graph)) {
            assert_eq!(consumption.is_given_back, consumption.has_lost, "seed {seed}: {consumption:?}");
        }
        self.0.iter().filter(|consumption| consumption.is_given_back).count()
    }
}

#[test]
fn losers_give_back_what_they_have_consumed_and_winners_do_not() {
    let mut back = 0;
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(14);
        let graph = Arc::new(graphs::at_random(&mut random, size, true));
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        engine.run();
        back += engine.table.mailbox.assert_nothing_is_lost(&graph, seed);
    }
    assert!(back > 50, "{back}");
}

#[test]
fn losers_in_loops_give_back_what_their_last_pass_has_consumed() {
    let two = || race([seq([wait(), sql()]), seq([wait(), sql(), sql()])]);
    for (what, graph) in [
        ("race in a loop", while_true(two())),
        ("race in a loop in a race", race([until_break(two()), seq([sql(), sql(), wait(), sql()])])),
        ("loops in a race in a loop", {
            while_true(race([until_break(seq([wait(), sql()])), seq([sql(), wait(), sql(), wait()])]))
        }),
        ("race in a race in loops", until_break(race([two(), while_true(two()), seq([wait(), sql()])]))),
    ] {
        let graph = Arc::new(graph);
        let mut back = 0;
        for seed in 0..300 {
            let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
            engine.run();
            back += engine.table.mailbox.assert_nothing_is_lost(&graph, seed);
        }
        assert!(back > 0, "{what}");
    }
}

#[test]
fn a_break_gives_up_the_branches_that_have_not_completed() {
    let leaves = || seq([sql(), end()]);
    let graph = Graph::repeat(join([leaves(), wait(), seq([wait(), sql()]), race([wait(), sql()])]), None);
    let graph = Arc::new(graph);
    let NodeKind::Join(join) = graph.kind(NodeId(1)) else { panic!("the body is a JOIN") };
    let [leaving, done, unfinished, undecided] = join.branches[..] else { panic!("it has four branches") };
    let mut progress = Progress::new(graph.clone(), vec![NodeState::default(); graph.len()], 0, 0);
    progress.resume(0).unwrap();
    progress.complete(done, leaf::waited(done, 0), 0).unwrap();
    let (first, last) = (NodeId(leaving.0 + 1), NodeId(leaving.0 + 2));
    progress.complete(first, leaf::rows(0, first, 0), 0).unwrap();
    progress.complete_break(last, leaf::broke(last, 0), 0).unwrap();
    let given_up = progress.take_given_up();
    let roots: Vec<NodeId> = given_up.iter().map(|branch| branch.root).collect();
    assert_eq!(roots, [unfinished, undecided]);
    assert!(given_up.iter().all(|branch| branch.passes == progress.position(done).passes), "{given_up:?}");
}
