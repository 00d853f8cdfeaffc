//! The graphs of these tests: by hand, and at random.

use std::time::Duration;

use pg_durable_graph::kind::{Break, Fail, Jitter, Leaf, NodeKind, RetryPolicy, Signal, Sql};
use pg_durable_graph::matching::Matching;
use pg_durable_graph::{Graph, NodeId};

use crate::random::Random;

pub fn sql() -> Graph {
    Graph::leaf(Sql::new("SELECT 1"))
}

pub fn end() -> Graph {
    Graph::leaf(Break { value: None })
}

pub fn wait() -> Graph {
    Graph::leaf(Signal::new("go", None).unwrap())
}

pub fn named(graph: Graph, name: &str) -> Graph {
    graph.named(name).unwrap()
}

pub fn seq<const N: usize>(steps: [Graph; N]) -> Graph {
    Graph::sequence(steps.into()).unwrap()
}

pub fn join<const N: usize>(branches: [Graph; N]) -> Graph {
    Graph::join(branches.into()).unwrap()
}

pub fn race<const N: usize>(branches: [Graph; N]) -> Graph {
    Graph::race(branches.into()).unwrap()
}

pub fn fail() -> Graph {
    Graph::leaf(Fail::new("on purpose"))
}

/// Tries of anything, a moment apart.
pub fn tries(attempts: u32, on: &str) -> RetryPolicy {
    RetryPolicy {
        max_attempts: Some(attempts),
        initial_interval: Duration::from_micros(3),
        backoff: 1.5,
        max_interval: Duration::from_micros(9),
        jitter: Jitter::Full,
        retry_on: vec![Matching::parse(on).unwrap()],
        ..RetryPolicy::default()
    }
}

pub fn retry(body: Graph) -> Graph {
    Graph::retry(body, tries(3, "all")).unwrap()
}

/// `body`, which may take so many turns.
pub fn timeout(body: Graph, turns: u64) -> Graph {
    Graph::timeout(body, Duration::from_micros(turns)).unwrap()
}

pub fn catch(body: Graph, handler: Graph) -> Graph {
    Graph::catch(body, handler, vec![Matching::All], "error").unwrap()
}

/// `body` while a leaf that it brings is true.
pub fn while_true(body: Graph) -> Graph {
    Graph::repeat(body, Some(sql()))
}

/// `body`, until a leaf says so.
pub fn until_break(body: Graph) -> Graph {
    Graph::repeat(seq([body, Graph::if_else(sql(), end(), sql())]), None)
}

/// Whether something takes failures.
pub fn has_scopes(graph: &Graph) -> bool {
    graph.iter().any(|(_, node)| match &node.kind {
        NodeKind::Join(join) => join.settles,
        NodeKind::Race(race) => race.any,
        NodeKind::Loop(repeat) => repeat.continue_on_failure,
        kind => kind.is_scope(),
    })
}

/// Whether a scope in a loop has names inside: behind the loop those of earlier generations are unbound, as those of a RACE
/// are, which the oracle does not know.
pub fn has_fading_names(graph: &Graph) -> bool {
    let fades = |id: NodeId| {
        let mut around = std::iter::successors(graph.parent(id), |&at| graph.parent(at));
        let gives_up =
            |at| graph.is_scope(at) || matches!(graph.kind(at), NodeKind::Join(join) if join.settles);
        around.any(gives_up) && around.any(|at| matches!(graph.kind(at), NodeKind::Loop(_)))
    };
    graph.iter().any(|(id, node)| node.result_name.is_some() && fades(id))
}

/// Whether branches are tried again: how far one has come when another fails depends on the order, too.
pub fn tries_branches_again(graph: &Graph) -> bool {
    graph.iter().any(|(id, node)| match &node.kind {
        NodeKind::Join(join) if join.settles => {
            let mut below = join.branches.iter().flat_map(|&root| graph.kind(root).children());
            below.any(|child| graph.has_branches_within(child))
        }
        NodeKind::Loop(repeat) if repeat.continue_on_failure => graph.has_branches_within(id),
        _ => graph.is_scope(id) && graph.has_branches_within(id),
    })
}

/// Whether there are branches.
pub fn has_branches(graph: &Graph) -> bool {
    graph.iter().any(|(_, node)| matches!(node.kind, NodeKind::Join(_) | NodeKind::Race(_)))
}

/// Whether the order in which branches happen to be carried out shows in the outcome.
pub fn depends_on_order(graph: &Graph) -> bool {
    let breaks_out = |id: NodeId| {
        let Some(outer) = graph.enclosing_loop(id) else { return false };
        let around = std::iter::successors(graph.parent(id), |&at| graph.parent(at));
        around
            .take_while(|&at| outer < at)
            .any(|at| matches!(graph.kind(at), NodeKind::Join(_) | NodeKind::Race(_)))
    };
    graph.iter().any(|(id, node)| match &node.kind {
        NodeKind::Race(_) => true,
        NodeKind::Leaf(end) if end.breaks() => breaks_out(id),
        _ => false,
    })
}

#[expect(clippy::too_many_lines, reason = "a list of graphs")]
pub fn by_hand() -> Vec<(&'static str, Graph)> {
    let x = || named(sql(), "x");
    let y = || named(sql(), "y");
    let maybe_x = || Graph::if_else(sql(), x(), sql());
    let if_rows = |name: &str| Graph::if_rows(name, sql(), seq([sql(), sql()]));
    vec![
        ("leaf", sql()),
        ("wait", named(wait(), "x")),
        ("then", seq([x(), sql(), y(), wait(), sql()])),
        ("named then around its own name", seq([named(seq([x(), sql()]), "x"), sql()])),
        ("if", seq([named(Graph::if_else(seq([x(), sql()]), y(), sql()), "z"), sql()])),
        ("if rows", seq([x(), named(if_rows("x"), "z"), sql()])),
        ("if rows, bound anew", while_true(seq([x(), if_rows("x"), x(), if_rows("x"), x()]))),
        ("if rows that binds its own condition", {
            let inner = named(Graph::if_rows("x", seq([sql(), sql()]), sql()), "x");
            seq([x(), while_true(seq([inner, sql()])), sql()])
        }),
        ("if rows on what comes later", seq([x(), while_true(seq([if_rows("x"), sql(), x(), sql()]))])),
        ("join", seq([join([x(), y()]), sql()])),
        ("join of five", {
            let deep = join([while_true(x()), seq([y(), sql()])]);
            seq([named(join([sql(), seq([x(), sql()]), deep, while_true(sql()), wait()]), "j"), sql()])
        }),
        ("join whose branches read each other's last", {
            let pipeline = join([seq([x(), sql()]), seq([sql(), y(), sql()]), sql()]);
            seq([x(), while_true(seq([pipeline, sql()])), sql()])
        }),
        ("join that binds one name twice", while_true(seq([sql(), join([x(), maybe_x()]), sql()]))),
        ("loops in branches of a join in a loop", {
            let branch = || while_true(seq([sql(), maybe_x(), sql()]));
            seq([while_true(seq([join([branch(), branch()]), sql()])), sql()])
        }),
        ("race", seq([named(race([seq([x(), wait(), sql()]), seq([y(), sql()])]), "r"), sql()])),
        ("race with joins", {
            let first = seq([join([x(), wait(), join([sql(), wait()])]), sql()]);
            seq([race([first, join([seq([y(), sql()]), sql()])]), sql()])
        }),
        ("race in a loop", {
            let slow = Graph::if_else(named(sql(), "a"), wait(), sql());
            let other = Graph::if_else(named(sql(), "b"), wait(), sql());
            seq([while_true(seq([race([slow, other, wait()]), sql()])), sql()])
        }),
        ("loops in a race in a loop", {
            let poll = || while_true(seq([sql(), maybe_x(), Graph::if_else(sql(), wait(), sql())]));
            seq([while_true(seq([race([poll(), poll()]), sql()])), sql()])
        }),
        ("a long loop in a race in a loop", {
            let long = until_break(seq([sql(), sql()]));
            Graph::repeat(race([seq([sql(), sql(), sql()]), long]), Some(sql()))
        }),
        ("loop", seq([named(while_true(x()), "l"), sql()])),
        ("loop with break", seq([named(until_break(x()), "l"), sql()])),
        (
            "break with a name",
            seq([
                Graph::repeat(seq([x(), Graph::if_else(sql(), named(end(), "b"), sql())]), Some(sql())),
                sql(),
            ]),
        ),
        (
            "break in the condition",
            seq([Graph::repeat(x(), Some(Graph::if_else(sql(), end(), sql()))), sql()]),
        ),
        ("break out of a join", {
            let leaves = || Graph::if_else(sql(), seq([x(), end()]), sql());
            seq([until_break(join([seq([y(), leaves()]), seq([x(), leaves(), sql()])])), sql()])
        }),
        ("break out of two joins and a race", {
            let leaves = || Graph::if_else(sql(), seq([x(), end()]), sql());
            let inner = join([seq([y(), leaves()]), race([wait(), seq([y(), leaves()])])]);
            seq([while_true(seq([until_break(join([inner, x()])), sql()])), sql()])
        }),
        ("break in nested loops", {
            let inner = until_break(seq([maybe_x(), sql()]));
            seq([named(until_break(seq([x(), inner, y()])), "l"), sql()])
        }),
        ("inner loop entered several times", {
            let inner = named(while_true(seq([sql(), maybe_x()])), "i");
            seq([while_true(seq([inner, sql(), x(), sql()])), sql()])
        }),
        ("inner loop that binds only sometimes", {
            let inner = while_true(seq([sql(), maybe_x()]));
            seq([while_true(seq([x(), inner, sql()])), sql()])
        }),
        ("three loops, one name", {
            let inner = named(while_true(maybe_x()), "i");
            let middle = named(until_break(seq([inner, maybe_x(), sql()])), "i");
            while_true(seq([sql(), middle, maybe_x(), sql()]))
        }),
        ("names of every kind", {
            let choice = named(Graph::if_else(x(), y(), named(wait(), "w")), "i");
            let both = named(join([named(seq([sql(), y()]), "t"), x()]), "j");
            let first = named(race([x(), wait()]), "r");
            while_true(seq([choice, both, first, named(until_break(sql()), "l"), sql()]))
        }),
        ("names between generations", seq([x(), while_true(seq([sql(), y(), x()])), sql()])),
        ("throttled", {
            // Left through the BREAK of an outer loop's other branch.
            let endless = Graph::repeat(seq([x(), join([y(), sql()]), sql()]), None);
            seq([race([endless, seq([wait(), sql()])]), sql()])
        }),
    ]
}

/// A random graph of some `size` leaves. `a` and `b` are results of SQL, bound from the start.
pub fn at_random(random: &mut Random, size: usize, with_race: bool) -> Graph {
    make(Make { random, with_race, with_faults: false, scopes: None, in_loop: false }, size)
}

/// The same with scopes, and with branches where those are wanted.
pub fn at_random_with_scopes(
    random: &mut Random,
    size: usize,
    with_branches: bool,
    with_race: bool,
) -> Graph {
    // A walk finds what it cannot pass in any branch, before what is carried out in another has failed.
    let with_faults = !with_branches || with_race;
    make(Make { random, with_race, with_faults, scopes: Some(with_branches), in_loop: false }, size)
}

/// The same with conditions on results that there are not, and with BREAKs anywhere.
pub fn at_random_with_faults(random: &mut Random, size: usize, with_race: bool) -> Graph {
    make(Make { random, with_race, with_faults: true, scopes: None, in_loop: false }, size)
}

fn make(mut make: Make<'_>, size: usize) -> Graph {
    let body = make.node(size);
    seq([named(sql(), "a"), named(sql(), "b"), body, sql()])
}

struct Make<'a> {
    random: &'a mut Random,
    with_race: bool,
    with_faults: bool,
    /// Whether there are scopes and, in those, branches.
    scopes: Option<bool>,
    in_loop: bool,
}

impl Make<'_> {
    fn node(&mut self, size: usize) -> Graph {
        let node = self.unnamed(size);
        let is_sql = matches!(node.kind(NodeId::ROOT), NodeKind::Leaf(Leaf::Sql(_)));
        match self.random.below(6) {
            0 | 1 if is_sql => named(node, ["a", "b"][self.random.below(2)]),
            2 | 3 => named(node, ["c", "d"][self.random.below(2)]),
            _ => node,
        }
    }

    fn parts(&mut self, size: usize, count: usize) -> Vec<Graph> {
        (0..count).map(|_| self.node(size / count)).collect()
    }

    fn scope(&mut self, size: usize) -> Graph {
        let on = ["all", "all", "23505", "40*"][self.random.below(4)];
        let attempts = 1 + self.random.below(4) as u32;
        let inner = size / 2;
        match self.random.below(5) {
            0 | 1 => Graph::retry(self.node(size.saturating_sub(1)), tries(attempts, on)).unwrap(),
            2 if self.random.one_in(2) => {
                // Without RACE there is an oracle, which knows no time.
                let turns =
                    if self.with_race { 3 + self.random.below(60) as u64 } else { u64::from(u32::MAX) };
                timeout(self.node(size.saturating_sub(1)), turns)
            }
            2 => seq([self.node(inner), fail()]),
            _ => {
                let name = ["error", "a", "c"][self.random.below(3)];
                let words = vec![Matching::parse(on).unwrap()];
                Graph::catch(self.node(size.saturating_sub(1)), self.node(inner), words, name).unwrap()
            }
        }
    }

    fn unnamed(&mut self, size: usize) -> Graph {
        if self.scopes.is_some() && self.random.one_in(3) {
            return self.scope(size);
        }
        if size < 2 {
            return match self.random.below(8) {
                0 if self.with_race => wait(),
                1 if self.in_loop => {
                    let end = if self.random.one_in(2) { end() } else { seq([self.node(1), end()]) };
                    Graph::if_else(sql(), end, sql())
                }
                2 => Graph::if_rows(["a", "b"][self.random.below(2)], self.node(1), self.node(1)),
                3 if self.with_faults => Graph::if_rows("never", self.node(1), self.node(1)),
                4 if self.with_faults => end(),
                _ => sql(),
            };
        }
        match self.random.below(10) {
            0..=2 => {
                let count = 2 + self.random.below(3);
                Graph::sequence(self.parts(size, count)).expect("there are steps")
            }
            3 => Graph::if_else(self.node(1), self.node(size / 2), self.node(size / 2)),
            4 => Graph::if_rows(["a", "b"][self.random.below(2)], self.node(size / 2), self.node(size / 2)),
            5 | 6 if self.scopes != Some(false) => {
                let count = 2 + self.random.below(3);
                // Without RACE, outcomes do not depend on the order: then no BREAK leaves a JOIN either.
                let in_loop = self.in_loop;
                self.in_loop &= self.with_race;
                let branches = self.parts(size, count);
                self.in_loop = in_loop;
                let settles = self.scopes.is_some() && self.random.one_in(3);
                if settles && self.with_race && self.random.one_in(2) {
                    Graph::race_any(branches).expect("there are branches")
                } else if settles {
                    Graph::join_settled(branches).expect("there are branches")
                } else if self.with_race && self.random.one_in(2) {
                    Graph::race(branches).expect("there are branches")
                } else {
                    Graph::join(branches).expect("there are branches")
                }
            }
            _ => {
                let in_loop = std::mem::replace(&mut self.in_loop, true);
                let body = self.node(size - 1);
                let repeat = match self.random.below(3) {
                    0 => until_break(body),
                    1 => Graph::repeat(body, Some(self.node(1))),
                    2 if self.scopes.is_some() && self.random.one_in(3) => {
                        Graph::repeat_after_failures(body, Some(sql()))
                    }
                    _ => while_true(body),
                };
                self.in_loop = in_loop;
                repeat
            }
        }
    }
}
