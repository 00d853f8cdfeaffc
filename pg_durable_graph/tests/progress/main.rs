//! The interpreter, driven as the extension drives it: through crashes, by several executors, against an oracle.

mod engine;
mod failing;
mod graphs;
mod guards;
mod leaf;
mod mailbox;
mod random;
mod scopes;
mod sequential;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use pg_durable_graph::kind::{NodeKind, Signal, Sleep};
use pg_durable_graph::progress::{Held, Instant as Now, Next, NodeState, Progress};
use pg_durable_graph::{Graph, NodeId, NodeStatus, Outcome};
use serde_json::json;

use engine::{Engine, Order};
use leaf::Executed;
use random::Random;
use sequential::Sequential;
use table::{Refused, Table, Transaction};

/// Some time on the clock that is handed in.
const NOW: Now = 1_000_000;

fn assert_same(what: &str, left: &(Outcome, Vec<Executed>), right: &(Outcome, Vec<Executed>)) {
    let differs = left.1.iter().zip(&right.1).find(|(left, right)| left != right);
    assert!(differs.is_none(), "{what}: {:#?}", differs.expect("they differ"));
    assert_eq!(left.1.len(), right.1.len(), "{what}");
    assert_eq!(left.0, right.0, "{what}");
}

fn sorted(log: &[Executed]) -> Vec<Executed> {
    let mut log = log.to_vec();
    log.sort();
    log
}

/// Runs in turn, then again from each commit on.
fn check_every_cut(what: &str, graph: &Arc<Graph>, seed: u64) {
    let run_from = |table: Table| {
        let mut engine = Engine::new(graph.clone(), seed, Order::InTurn, table);
        let result = engine.run()?;
        engine.table.assert_ended_once(seed);
        Some((result, engine))
    };
    let Some((result, full)) = run_from(Table::new(graph.clone())) else { return };
    let full_run = (result, sorted(&full.table.log));
    if !graphs::depends_on_order(graph) {
        let Some(expected) = oracle(graph, seed) else { return };
        assert_same(&format!("{what}, seed {seed}"), &full_run, &expected);
    }
    for (n, table) in full.history.iter().enumerate().take(full.history.len() - 1) {
        let (again, rest) = run_from(table.clone()).expect("it takes as many steps");
        let run = (again, sorted(&rest.table.log));
        assert_same(&format!("{what}, seed {seed}, cut after {n}"), &run, &full_run);
    }
}

fn oracle(graph: &Graph, seed: u64) -> Option<(Outcome, Vec<Executed>)> {
    let mut sequential = Sequential::new(graph, seed);
    let result = sequential.run()?;
    Some((result, sorted(&sequential.log)))
}

#[test]
fn recovery_from_every_commit_gives_the_full_run() {
    for (what, graph) in graphs::by_hand() {
        let graph = Arc::new(graph);
        for seed in 0..12 {
            check_every_cut(what, &graph, seed);
        }
    }
}

#[test]
fn recovery_from_every_commit_gives_the_full_run_of_random_graphs() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(10);
        let graph = Arc::new(graphs::at_random(&mut random, size, false));
        check_every_cut("random", &graph, seed);
    }
}

#[test]
fn recovery_from_every_commit_gives_the_full_run_of_random_graphs_with_races() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(8);
        let graph = Arc::new(graphs::at_random(&mut random, size, true));
        check_every_cut("random", &graph, seed);
    }
}

#[test]
fn executors_with_stale_views_keep_to_the_sequential_meaning() {
    let mut checked = 0;
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(14);
        let graph = Arc::new(graphs::at_random(&mut random, size, false));
        let Some(expected) = oracle(&graph, seed) else { continue };
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        let result = engine.run().expect("it takes as many steps as the oracle");
        assert_same(&format!("seed {seed}"), &(result, sorted(&engine.table.log)), &expected);
        engine.table.assert_ended_once(seed);
        checked += 1;
    }
    assert!(checked > 1_500, "{checked}");
}

#[test]
fn executors_with_stale_views_decide_each_race_once() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let size = 2 + random.below(12);
        let graph = Arc::new(graphs::at_random(&mut random, size, true));
        let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
        engine.run();
        engine.table.assert_ended_once(seed);
    }
}

#[test]
fn executors_with_stale_views_come_to_an_end() {
    for (what, graph) in graphs::by_hand() {
        let graph = Arc::new(graph);
        for seed in 0..100 {
            let mut engine = Engine::new(graph.clone(), seed, Order::Random, Table::new(graph.clone()));
            let result = engine.run();
            engine.table.assert_ended_once(seed);
            if graphs::depends_on_order(&graph) {
                continue;
            }
            if let (Some(result), Some(expected)) = (result, oracle(&graph, seed)) {
                assert_same(what, &(result, sorted(&engine.table.log)), &expected);
            }
        }
    }
}

fn commit(progress: &mut Progress, branch: NodeId, table: &mut Table) -> Result<(), Refused> {
    let written = progress.take_writes(branch);
    let writes = written.into_iter().map(|node| (node, progress.state(node).clone())).collect();
    table.commit(Transaction { writes, ..Transaction::default() })
}

fn truth(value: bool) -> Outcome {
    Outcome::plain(json!(value))
}

#[test]
fn a_loop_that_another_process_has_got_further_is_not_begun_from_an_old_count() {
    let inner = Graph::repeat(graphs::sql(), Some(graphs::sql()));
    let graph = Arc::new(Graph::repeat(graphs::race([graphs::sql(), inner]), Some(graphs::sql())));
    let [winner, looping, body, condition, more] = [2, 3, 4, 5, 6].map(NodeId);
    let mut table = Table::new(graph.clone());

    let mut one = Progress::new(graph.clone(), table.load(), 0, 0);
    one.resume(NOW).unwrap();
    commit(&mut one, NodeId::ROOT, &mut table).unwrap();
    let mut other = Progress::new(graph.clone(), table.load(), 0, 0);
    other.resume(NOW).unwrap();
    assert_eq!(other.resume_branch(looping, NOW), Ok(Next::Run(body)));
    for _ in 0..3 {
        other.complete(body, truth(true), NOW).unwrap();
        commit(&mut other, looping, &mut table).unwrap();
        other.complete(condition, truth(true), NOW).unwrap();
        commit(&mut other, looping, &mut table).unwrap();
    }

    one.resume_branch(winner, NOW).unwrap();
    one.complete(winner, truth(true), NOW).unwrap();
    commit(&mut one, winner, &mut table).unwrap();
    one.complete_branches(winner, NOW).unwrap();
    commit(&mut one, NodeId::ROOT, &mut table).unwrap();
    one.complete(more, truth(true), NOW).unwrap();
    commit(&mut one, NodeId::ROOT, &mut table).unwrap();
    assert_eq!(one.resume_branch(looping, NOW), Ok(Next::Run(body)));
    assert_eq!(commit(&mut one, looping, &mut table), Err(Refused));

    let mut again = Progress::new(graph, table.load(), 0, 0);
    again.resume(NOW).unwrap();
    assert_eq!(again.resume_branch(looping, NOW), Ok(Next::Run(body)));
    commit(&mut again, looping, &mut table).unwrap();
    again.complete(body, truth(true), NOW).unwrap();
    commit(&mut again, looping, &mut table).unwrap();
}

#[test]
fn a_race_is_decided_by_a_break_out_of_it() {
    let leaves = graphs::seq([graphs::sql(), graphs::end()]);
    let graph = Arc::new(Graph::repeat(graphs::race([graphs::sql(), leaves]), Some(graphs::sql())));
    let [race, slow, leaving, first, end] = [1, 2, 3, 4, 5].map(NodeId);
    let mut table = Table::new(graph.clone());
    let mut one = Progress::new(graph.clone(), table.load(), 0, 0);
    one.resume(NOW).unwrap();
    commit(&mut one, NodeId::ROOT, &mut table).unwrap();
    let mut other = one.clone();

    one.complete(first, truth(true), NOW).unwrap();
    commit(&mut one, leaving, &mut table).unwrap();
    let value = json!("left");
    assert_eq!(
        one.complete_break(end, value.clone(), NOW),
        Ok(Next::Finished(Arc::new(Outcome::plain(value.clone()))))
    );
    assert_eq!(one.take_abandoned(), [NodeId::ROOT]);
    let mut before = table.clone();
    commit(&mut one, leaving, &mut table).unwrap();
    commit(&mut one, NodeId::ROOT, &mut table).unwrap();

    other.complete(slow, truth(true), NOW).unwrap();
    other.complete_branches(slow, NOW).unwrap();
    assert_eq!(commit(&mut other, NodeId::ROOT, &mut table), Err(Refused));
    assert!(table.load()[race.index()].status.is_terminal());
    let mut again = Progress::new(graph.clone(), table.load(), 0, 0);
    assert_eq!(again.resume(NOW), Ok(Next::Finished(Arc::new(Outcome::plain(value.clone())))));

    // The other way round.
    let mut late = Progress::new(graph, before.load(), 0, 0);
    late.resume(NOW).unwrap();
    late.resume_branch(leaving, NOW).unwrap();
    let mut other = late.clone();
    other.complete(slow, truth(true), NOW).unwrap();
    other.complete_branches(slow, NOW).unwrap();
    commit(&mut other, NodeId::ROOT, &mut before).unwrap();
    late.complete_break(end, value, NOW).unwrap();
    assert_eq!(commit(&mut late, NodeId::ROOT, &mut before), Err(Refused));
}

#[test]
fn an_endless_loop_is_held_back_between_generations() {
    const INTERVAL: i64 = 3_600_000_000;
    let graph = Arc::new(Graph::repeat(graphs::join([graphs::sql(), graphs::sql()]), None));
    let [left, right] = [2, 3].map(NodeId);
    let mut table = Table::new(graph.clone());
    let mut progress = Progress::new(graph.clone(), table.load(), INTERVAL, 0);
    let branches = vec![left, right];
    let spawn = Next::Spawn { node: NodeId(1), branches };
    assert_eq!(progress.resume(NOW), Ok(spawn.clone()));
    commit(&mut progress, NodeId::ROOT, &mut table).unwrap();
    for leaf in [left, right] {
        progress.complete(leaf, truth(true), NOW).unwrap();
        commit(&mut progress, leaf, &mut table).unwrap();
    }
    let (node, until) = (NodeId::ROOT, NOW + INTERVAL);
    assert_eq!(progress.complete_branches(right, NOW), Ok(Some(Next::Pause { node, until })));
    commit(&mut progress, NodeId::ROOT, &mut table).unwrap();

    let mut again = Progress::new(graph.clone(), table.load(), INTERVAL, 0);
    assert_eq!(again.resume(NOW), Ok(Next::Pause { node, until }));
    assert!(!again.is_live(left));
    assert_eq!(again.end_pause(node, until), Ok(spawn.clone()));
    again.complete(left, truth(true), NOW).unwrap();
    assert_eq!(again.state(left).generation, 2);

    // Once the pause is over, whoever takes one of the branches finds it live.
    let mut late = Progress::new(graph, table.load(), INTERVAL, 0);
    assert_eq!(late.resume(until + 1), Ok(spawn));
    assert!(late.is_live(right));
}

#[test]
fn a_loop_is_held_back_by_the_clock_that_is_handed_in() {
    const INTERVAL: i64 = 1_000;
    const DAY: i64 = 86_400_000_000;
    let body = NodeId(1);
    // The clock may be far from the system's, and may be moved: what was to begin meanwhile begins once.
    for (began_at, leap) in [(0, 0), (NOW, DAY), (400 * 366 * DAY, 0), (400 * 366 * DAY, DAY)] {
        let graph = Arc::new(Graph::repeat(graphs::sql(), None));
        let mut progress = Progress::new(graph.clone(), vec![NodeState::default(); graph.len()], INTERVAL, 0);
        let mut next = progress.resume(began_at);
        let mut generations = 0;
        for turn in 0..100 {
            let now = began_at + turn * INTERVAL / 10 + if turn < 50 { 0 } else { leap };
            match next {
                Ok(Next::Run(leaf)) => {
                    assert_eq!(leaf, body);
                    generations += 1;
                    next = progress.complete(leaf, truth(true), now);
                }
                Ok(Next::Pause { node, until }) if until <= now => next = progress.end_pause(node, now),
                Ok(Next::Pause { until, .. }) => assert!(until <= now + INTERVAL, "{until}"),
                other => panic!("{other:?}"),
            }
        }
        assert!((9..=11).contains(&generations), "{generations} from {began_at}, moved by {leap}");
    }
}

#[test]
fn only_a_wait_of_some_length_lets_an_endless_loop_go_on() {
    let sleep = |seconds| Graph::leaf(Sleep::new(Duration::from_secs(seconds)));
    let signal = |timeout: Option<u64>| {
        Graph::leaf(Signal::new("go", timeout.map(Duration::from_secs).map(Into::into)).unwrap())
    };
    for (wait, is_held_back) in
        [(sleep(0), true), (sleep(1), false), (signal(Some(1)), false), (signal(None), false)]
    {
        let graph = Arc::new(Graph::repeat(graphs::seq([graphs::sql(), wait]), None));
        let mut progress = Progress::new(graph.clone(), vec![NodeState::default(); graph.len()], 1_000, 0);
        progress.resume(NOW).unwrap();
        progress.complete(NodeId(2), truth(true), NOW).unwrap();
        let next = progress.complete(NodeId(3), truth(true), NOW).unwrap();
        assert_eq!(matches!(next, Next::Pause { .. }), is_held_back, "{:?}: {next:?}", graph.kind(NodeId(3)));
    }
}

#[test]
fn branches_inside_a_branch_wait_until_what_leads_to_them_is_written() {
    let inner = graphs::join([graphs::sql(), graphs::sql()]);
    let decides = Graph::if_rows("x", inner, graphs::sql());
    let both = graphs::join([decides, graphs::sql()]);
    let graph = Arc::new(graphs::seq([graphs::named(graphs::sql(), "x"), both]));
    let [first, deciding, nested] = [1, 3, 5].map(NodeId);
    let mut rows = vec![NodeState::default(); graph.len()];
    rows[first.index()].status = NodeStatus::Completed;
    let one_row = Outcome::plain(json!({"rows": [{}], "row_count": 1}));
    rows[first.index()].held = Held::Outcome(Arc::new(one_row));
    let mut progress = Progress::new(graph.clone(), rows, 0, 0);
    progress.resume(NOW).unwrap();
    let ready = |progress: &mut Progress| -> Vec<NodeId> {
        progress.take_frontier().into_iter().map(|(branch, _)| branch).collect()
    };
    assert_eq!(ready(&mut progress), [deciding, NodeId(8)]);
    assert!(progress.is_live(deciding) && !progress.is_live(nested));
    progress.resume_branch(deciding, NOW).unwrap();
    assert_eq!(progress.take_writes(deciding), [deciding]);
    assert_eq!(ready(&mut progress), [nested, NodeId(6)]);
    assert!(progress.is_live(nested));
}

#[test]
fn a_branch_that_inherits_a_name_does_not_undo_what_its_sibling_binds() {
    let x = || graphs::named(graphs::sql(), "x");
    let graph = Arc::new(graphs::seq([x(), graphs::join([x(), graphs::sql()]), graphs::sql()]));
    let mut progress = Progress::new(graph.clone(), vec![NodeState::default(); graph.len()], 0, 0);
    progress.resume(NOW).unwrap();
    for (leaf, value) in [(2, "old"), (4, "new"), (5, "other")] {
        progress.complete(NodeId(leaf), Outcome::plain(json!(value)), NOW).unwrap();
    }
    progress.complete_branches(NodeId(5), NOW).unwrap();
    assert_eq!(progress.bindings(NodeId::ROOT).unwrap()["x"].value, json!("new"));
}

/// Carries out one leaf after the other, the way an executor does that stays with an instance.
fn run_alone(graph: Graph) -> Vec<NodeState> {
    let graph = Arc::new(graph);
    let mut progress = Progress::new(graph.clone(), vec![NodeState::default(); graph.len()], 0, 0);
    let mut next = progress.resume(NOW).unwrap();
    while let Next::Run(leaf) = next {
        next = match graph.kind(leaf) {
            NodeKind::Leaf(end) if end.breaks() => progress.complete_break(leaf, json!(null), NOW).unwrap(),
            _ => progress.complete(leaf, truth(true), NOW).unwrap(),
        };
        progress.take_writes(NodeId::ROOT);
    }
    assert!(matches!(next, Next::Finished(_)));
    graph.iter().map(|(id, _)| progress.state(id).clone()).collect()
}

#[test]
fn long_chains_resume_fast_and_need_no_deep_stack() {
    // Far above what a debug build takes on a busy machine, far below what quadratic time would.
    const LIMIT: Duration = Duration::from_secs(5);
    let since = Instant::now();
    for (steps, is_named) in [(2_000, true), (5_000, false), (5_000, true)] {
        let step = |n: usize| {
            if is_named { graphs::named(graphs::sql(), &format!("n{}", n % 100)) } else { graphs::sql() }
        };
        let chain = || Graph::sequence((0..steps).map(step).collect()).unwrap();
        for graph in [chain(), Graph::repeat(graphs::seq([chain(), graphs::end()]), None)] {
            let rows = run_alone(graph.clone());
            let graph = Arc::new(graph);
            for pass in 0..5 {
                let mut progress = Progress::new(graph.clone(), rows.clone(), 0, 0);
                let next = progress.resume(NOW);
                assert!(matches!(next, Ok(Next::Finished(_))), "pass {pass}: {next:?}");
            }
        }
    }
    assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
}

#[test]
fn the_deepest_joins_need_no_deep_stack() {
    let nested = |leaf: Graph| {
        (0..256).fold(leaf, |inner, level| {
            if level % 2 == 0 {
                graphs::join([graphs::sql(), inner])
            } else {
                graphs::race([inner, graphs::sql()])
            }
        })
    };
    let graph = nested(graphs::sql());
    assert_eq!(graph.check_limits(), Ok(()));
    let resume = move || {
        let mut progress =
            Progress::new(Arc::new(graph.clone()), vec![NodeState::default(); graph.len()], 0, 0);
        assert!(matches!(progress.resume(NOW), Ok(Next::Spawn { .. })));
    };
    // Half of what `max_stack_depth` is by default; an optimised build needs far less.
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(resume).unwrap().join().unwrap();
}
