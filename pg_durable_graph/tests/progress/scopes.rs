//! Scopes: what takes a failure, against the meaning that exceptions give.

use std::sync::Arc;

use pg_durable_graph::progress::{Next, NodeState, Progress};
use pg_durable_graph::{Graph, NodeId};

use crate::engine::{Engine, Order};
use crate::failing::{RATES, assert_same, check_every_cut, check_it_stays, oracle, run};
use crate::graphs::{self, catch, end, fail, join, named, retry, seq, sql, until_break, wait, while_true};
use crate::random::Random;
use crate::table::Table;

fn by_hand() -> Vec<(&'static str, Graph)> {
    let x = || named(sql(), "x");
    let maybe = || Graph::if_else(sql(), fail(), x());
    let reads = || Graph::if_rows("x", sql(), seq([sql(), sql()]));
    vec![
        ("a leaf that is tried again", seq([retry(x()), sql()])),
        ("a failure that is caught", seq([catch(seq([x(), fail()]), reads()), sql()])),
        ("a handler that fails", catch(catch(fail(), seq([x(), fail()])), sql())),
        ("a body that is tried again", seq([x(), retry(seq([x(), maybe(), sql()])), sql()])),
        ("tries within tries", retry(seq([x(), retry(seq([maybe(), sql()])), maybe()]))),
        ("a named leaf that is tried again in a loop", while_true(seq([retry(x()), reads()]))),
        ("a name of two that is tried again in a loop", while_true(seq([x(), retry(x()), sql()]))),
        ("a retry in a loop", while_true(seq([retry(seq([maybe(), x(), sql()])), sql()]))),
        ("a named retry in a loop", while_true(seq([named(retry(seq([maybe(), sql()])), "x"), reads()]))),
        ("a catch in a loop", while_true(seq([named(catch(seq([x(), maybe()]), sql()), "y"), sql()]))),
        ("a loop in a retry", retry(seq([while_true(seq([x(), sql()])), maybe(), sql()]))),
        ("a loop in a handler", catch(fail(), seq([while_true(seq([x(), maybe()])), sql()]))),
        (
            "a break out of a body",
            seq([until_break(catch(seq([x(), Graph::if_else(sql(), end(), maybe())]), sql())), sql()]),
        ),
        ("a break out of a handler", {
            let leaves = seq([x(), Graph::if_else(sql(), end(), sql())]);
            seq([named(until_break(catch(seq([x(), fail()]), leaves)), "l"), sql()])
        }),
        (
            "a break out of a retry",
            seq([while_true(seq([until_break(retry(seq([x(), maybe(), sql()]))), sql()])), sql()]),
        ),
        (
            "branches in a body",
            catch(seq([join([seq([x(), maybe()]), seq([sql(), maybe()])]), sql()]), sql()),
        ),
        (
            "branches that are tried again",
            while_true(seq([retry(join([seq([x(), maybe()]), sql()])), reads()])),
        ),
        ("all that settles", {
            let all = Graph::join_settled(vec![seq([x(), maybe()]), fail(), seq([sql(), x()])]).unwrap();
            seq([x(), named(all, "s"), sql()])
        }),
        ("what settles in a loop", {
            let all = Graph::join_settled(vec![seq([sql(), maybe()]), retry(maybe())]).unwrap();
            seq([while_true(seq([sql(), named(all, "s"), sql()])), sql()])
        }),
        ("branches within what settles", {
            let inner = || graphs::race([seq([wait(), maybe()]), seq([sql(), maybe()])]);
            Graph::join_settled(vec![inner(), join([seq([sql(), maybe()]), inner()])]).unwrap()
        }),
        ("any of some", {
            let any = Graph::race_any(vec![seq([sql(), maybe()]), seq([wait(), maybe()]), fail()]).unwrap();
            seq([catch(named(any, "x"), sql()), sql()])
        }),
        ("a loop that goes on", {
            let body = seq([sql(), named(Graph::if_else(sql(), fail(), sql()), "x"), sql()]);
            seq([Graph::repeat_after_failures(body, Some(sql())), sql()])
        }),
        ("branches in a loop that goes on", {
            let body = graphs::race([seq([wait(), maybe()]), join([seq([x(), maybe()]), sql()])]);
            seq([Graph::repeat_after_failures(body, Some(sql())), sql()])
        }),
        (
            "scopes in branches",
            join([retry(seq([maybe(), sql()])), catch(maybe(), x()), seq([sql(), sql()])]),
        ),
        ("a race in a body", catch(graphs::race([seq([wait(), maybe()]), seq([x(), maybe()])]), sql())),
        (
            "races that are tried again",
            while_true(retry(graphs::race([seq([wait(), maybe()]), seq([x(), wait()])]))),
        ),
    ]
}

/// Where the time of something may be up.
fn in_time() -> Vec<(&'static str, Graph)> {
    let x = || named(sql(), "x");
    let soon = |body| graphs::timeout(body, 9);
    vec![
        ("a wait that ends", seq([catch(soon(wait()), sql()), sql()])),
        ("steps that take too long", catch(soon(seq([x(), sql(), sql(), sql(), sql(), sql()])), sql())),
        ("time for each attempt", catch(retry(soon(seq([sql(), sql(), sql(), sql()]))), sql())),
        ("time for all attempts", catch(soon(retry(seq([sql(), fail()]))), sql())),
        ("time for branches", while_true(catch(soon(join([seq([sql(), sql(), sql()]), wait()])), sql()))),
        (
            "time in a race",
            while_true(graphs::race([catch(soon(seq([wait(), sql()])), sql()), seq([sql(), wait()])])),
        ),
        ("time within time", catch(graphs::timeout(catch(soon(seq([wait(), sql()])), wait()), 30), sql())),
        (
            "time within less time",
            catch(soon(seq([graphs::timeout(seq([sql(), wait()]), 90_000), sql()])), sql()),
        ),
        (
            "a break out of it",
            seq([until_break(catch(soon(seq([x(), Graph::if_else(sql(), end(), sql())])), sql())), sql()]),
        ),
        ("what does not end", soon(seq([sql(), wait()]))),
    ]
}

/// However late somebody looks: each node ends once a generation, and all come to an end.
#[test]
fn executors_with_stale_views_end_what_takes_too_long_once() {
    for (what, graph) in in_time() {
        let graph = Arc::new(graph);
        for seed in 0..150 {
            let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
            let ended = run(&mut engine, RATES[seed as usize % 3]);
            engine.table.assert_ended_once(seed);
            if ended.is_some() {
                check_it_stays(&format!("{what}, seed {seed}"), &mut engine);
            }
        }
    }
}

/// Of two times the one that ends first counts, whichever of them is around the other.
#[test]
fn the_time_that_is_up_first_counts() {
    for (outer, inner) in [(10, 90), (90, 10)] {
        let body = graphs::timeout(seq([sql(), sql()]), inner);
        let graph = graphs::timeout(seq([body, sql()]), outer);
        let states = vec![NodeState::default(); graph.len()];
        let mut progress = Progress::new(Arc::new(graph), states, 0, 0);
        let mut next = progress.resume(0);
        while let Ok(Next::Spawn { branches, .. }) = next {
            next = progress.resume_branch(branches[0], 0);
        }
        let Ok(Next::Run(leaf)) = next else { panic!("it begins with a step") };
        let (first, until) = progress.deadline(leaf).expect("there is a time");
        assert_eq!((first == NodeId::ROOT, until), (outer < inner, 10), "{outer} around {inner}");
        assert_eq!(progress.check_deadline(leaf, 9), Ok(()));
        let late = progress.check_deadline(leaf, 10).expect_err("the time is up");
        assert_eq!(late.node(), first);
    }
}

#[test]
fn recovery_from_every_commit_takes_the_same_failures() {
    for (what, graph) in by_hand() {
        let graph = Arc::new(graph);
        for seed in 0..20 {
            for rate in RATES {
                check_every_cut(what, &graph, seed, rate);
            }
        }
    }
}

#[test]
fn recovery_from_every_commit_takes_the_same_failures_of_random_graphs() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(9);
        let graph = graphs::at_random_with_scopes(&mut random, size, seed % 2 == 0, false);
        check_every_cut("random", &Arc::new(graph), seed, RATES[seed as usize % 3]);
    }
}

#[test]
fn executors_with_stale_views_take_failures_as_the_sequential_meaning_does() {
    let (mut checked, mut failed) = (0, 0);
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let (size, rate) = (2 + random.below(14), RATES[seed as usize % 3]);
        let graph = Arc::new(graphs::at_random_with_scopes(&mut random, size, false, false));
        let expected = if graphs::has_fading_names(&graph) {
            run(&mut Engine::new(graph.clone(), seed, Order::InTurn, Table::new(graph.clone())), rate)
        } else {
            oracle(&graph, seed, rate)
        };
        let Some(expected) = expected else { continue };
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        let what = format!("seed {seed}, rate {rate}");
        let Some(ended) = run(&mut engine, rate) else { panic!("{what}: too long") };
        engine.table.assert_ended_once(seed);
        assert_same(&what, &graph, &ended, &expected);
        failed += usize::from(matches!(ended.0, crate::table::End::Failed(..)));
        checked += 1;
        check_it_stays(&what, &mut engine);
    }
    assert!(checked > 1_000 && failed > 200, "{checked} checked, {failed} failed");
}

#[test]
fn executors_with_stale_views_decide_each_scope_once() {
    // Those at the end are of a BREAK beside what is tried again, and of rows inside a RACE that is over.
    for seed in (0..3_000).chain([103_306, 57_114, 432_250]) {
        let mut random = Random::new(seed);
        let (size, rate) = (2 + random.below(12), RATES[seed as usize % 3]);
        let graph = Arc::new(graphs::at_random_with_scopes(&mut random, size, true, seed % 2 == 0));
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        let ended = run(&mut engine, rate);
        engine.table.assert_ended_once(seed);
        if ended.is_some() {
            check_it_stays(&format!("seed {seed}, rate {rate}"), &mut engine);
        }
    }
}
