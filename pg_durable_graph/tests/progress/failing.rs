//! Leaves that fail, and what the walk cannot pass: the first failure that commits in a live branch ends the instance.

use std::sync::Arc;

use pg_durable_graph::Graph;
use pg_durable_graph::progress::{Next, Progress};

use crate::engine::{Engine, Order};
use crate::graphs;
use crate::leaf::Executed;
use crate::random::Random;
use crate::sequential::Sequential;
use crate::sorted;
use crate::table::{End, Table};

/// How many percent of the leaves fail.
pub const RATES: [usize; 3] = [0, 5, 20];

/// What an instance has come to.
type Run = (End, Vec<Executed>);

pub fn oracle(graph: &Graph, seed: u64, rate: usize) -> Option<Run> {
    let mut sequential = Sequential::new(graph, seed);
    sequential.failures = rate;
    let end = sequential.run_to_end()?;
    Some((end, sorted(&sequential.log)))
}

pub fn run(engine: &mut Engine, rate: usize) -> Option<Run> {
    engine.failures = rate;
    let end = engine.run_to_end()?;
    Some((end, sorted(&engine.table.log)))
}

/// Runs in turn, then again from each commit on, the last one included.
pub fn check_every_cut(what: &str, graph: &Arc<Graph>, seed: u64, rate: usize) {
    let what = format!("{what}, seed {seed}, rate {rate}");
    let mut full = Engine::new(graph.clone(), seed, Order::InTurn, Table::new(graph.clone()));
    let Some(expected) = run(&mut full, rate) else { return };
    full.table.assert_ended_once(seed);
    let is_meant = !graphs::depends_on_order(graph) && !graphs::tries_branches_again(graph);
    if is_meant && !graphs::has_fading_names(graph) {
        let meaning = oracle(graph, seed, rate).expect("it takes as many steps");
        assert_same(&what, graph, &expected, &meaning);
    }
    for (n, table) in full.history.iter().enumerate() {
        let mut engine = Engine::new(graph.clone(), seed, Order::InTurn, table.clone());
        let ended = run(&mut engine, rate);
        if !graphs::has_scopes(graph) {
            assert_eq!(ended.as_ref(), Some(&expected), "{what}, cut after {n}");
        } else if !graphs::tries_branches_again(graph) {
            assert_same(&format!("{what}, cut after {n}"), graph, &ended.expect("it ends"), &expected);
        }
        engine.table.assert_ended_once(seed);
    }
    check_rows(&what, &full);
}

/// Whether both ended in the same way. Of branches any may fail first; that one fails does not depend on the order. True
/// where everything is the same.
pub fn assert_same(what: &str, graph: &Graph, run: &Run, meaning: &Run) -> bool {
    let both_fail = matches!((&run.0, &meaning.0), (End::Failed(..), End::Failed(..)));
    if both_fail && graphs::has_branches(graph) {
        return false;
    }
    let differs = run.1.iter().zip(&meaning.1).find(|(left, right)| left != right);
    assert!(differs.is_none(), "{what}: {differs:#?}");
    assert_eq!(run, meaning, "{what}");
    true
}

/// The rows tell how the instance has ended.
fn check_rows(what: &str, engine: &Engine) {
    let end = engine.table.end.clone().expect("it has ended");
    let mut progress = Progress::new(engine.graph().clone(), engine.table.load(), engine.interval, 0);
    match (end, progress.resume(engine.table.now)) {
        (End::Completed(result), Ok(Next::Finished(outcome))) => assert_eq!(*outcome, result, "{what}"),
        (End::Failed(node, failure), next) => {
            let (failures, end) = (engine.table.failures(), (node, failure.clone()));
            if graphs::has_scopes(engine.graph()) {
                assert!(failures.contains(&end), "{what}");
            } else {
                assert_eq!(failures, [end], "{what}");
            }
            let failure = Arc::new(failure);
            // Or another branch has come to what no walk can pass.
            let is_stopped = next.as_ref().is_err_and(|error| error.node() != node);
            assert!(is_stopped || next == Ok(Next::Failed { node, failure }), "{what}: {next:?}");
        }
        (end, next) => panic!("{what}: {end:?}, but {next:?}"),
    }
}

/// What is left of executors and their old views changes nothing.
pub fn check_it_stays(what: &str, engine: &mut Engine) {
    let (end, steps) = (engine.table.end.clone(), engine.table.log.len());
    let failures = engine.table.failures();
    engine.run_on();
    assert_eq!((&engine.table.end, engine.table.log.len()), (&end, steps), "{what}");
    assert_eq!(engine.table.failures(), failures, "{what}");
    if !graphs::has_scopes(engine.graph()) {
        assert_eq!(failures.len(), usize::from(matches!(end, Some(End::Failed(..)))), "{what}");
    }
}

#[test]
fn recovery_from_every_commit_gives_the_same_failure() {
    for (what, graph) in graphs::by_hand() {
        let graph = Arc::new(graph);
        for seed in 0..12 {
            for rate in RATES {
                check_every_cut(what, &graph, seed, rate);
            }
        }
    }
}

#[test]
fn recovery_from_every_commit_gives_the_same_failure_of_random_graphs() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(8);
        let graph = graphs::at_random_with_faults(&mut random, size, seed % 2 == 0);
        check_every_cut("random", &Arc::new(graph), seed, RATES[seed as usize % 3]);
    }
}

#[test]
fn executors_with_stale_views_fail_as_the_sequential_meaning_does() {
    let (mut exact, mut failed) = (0, 0);
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let (size, rate) = (2 + random.below(14), RATES[seed as usize % 3]);
        let graph = Arc::new(graphs::at_random_with_faults(&mut random, size, false));
        if graphs::depends_on_order(&graph) {
            continue;
        }
        let Some(expected) = oracle(&graph, seed, rate) else { continue };
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        let what = format!("seed {seed}, rate {rate}");
        let Some(ended) = run(&mut engine, rate) else { panic!("{what}: too long") };
        engine.table.assert_ended_once(seed);
        failed += usize::from(matches!(ended.0, End::Failed(..)));
        exact += usize::from(assert_same(&what, &graph, &ended, &expected));
        check_it_stays(&what, &mut engine);
    }
    assert!(exact > 600 && failed > 800, "{exact} exact, {failed} failed");
}

#[test]
fn executors_with_stale_views_fail_once_and_for_good() {
    let mut failed = 0;
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let (size, rate) = (2 + random.below(12), RATES[seed as usize % 3]);
        let graph = Arc::new(if seed % 4 == 0 {
            graphs::at_random_with_faults(&mut random, size, true)
        } else {
            graphs::at_random(&mut random, size, true)
        });
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        let what = format!("seed {seed}, rate {rate}");
        let ended = run(&mut engine, rate);
        engine.table.assert_ended_once(seed);
        if ended.is_some() {
            failed += usize::from(matches!(engine.table.end, Some(End::Failed(..))));
            check_it_stays(&what, &mut engine);
        }
    }
    assert!(failed > 400, "{failed} failed");
}

#[test]
fn executors_with_stale_views_fail_graphs_made_by_hand() {
    for (what, graph) in graphs::by_hand() {
        let graph = Arc::new(graph);
        for seed in 0..60 {
            let rate = RATES[seed as usize % 3];
            let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
            let ended = run(&mut engine, rate);
            engine.table.assert_ended_once(seed);
            if graphs::depends_on_order(&graph) {
                continue;
            }
            if let (Some(ended), Some(expected)) = (ended, oracle(&graph, seed, rate)) {
                assert_same(&format!("{what}, seed {seed}, rate {rate}"), &graph, &ended, &expected);
            }
        }
    }
}
