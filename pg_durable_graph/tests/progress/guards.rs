//! What may give up a wait before it has ended.

use std::sync::Arc;

use pg_durable_graph::progress::{NodeState, Progress};
use pg_durable_graph::{Graph, NodeKind};

use crate::graphs::{catch, end, join, race, retry, seq, sql, timeout, until_break, wait, while_true};

#[test]
fn a_wait_knows_what_may_give_it_up() {
    for (graph, expected) in [
        (wait(), &[][..]),
        (seq([sql(), wait()]), &[]),
        (join([wait(), sql()]), &[]),
        (while_true(wait()), &[]),
        (until_break(wait()), &[]),
        (race([wait(), sql()]), &["RACE"]),
        (race([join([wait(), sql()]), sql()]), &["RACE"]),
        (race([race([wait(), sql()]), sql()]), &["RACE", "RACE"]),
        (while_true(race([wait(), sql()])), &["RACE"]),
        (race([until_break(wait()), sql()]), &["RACE"]),
        (Graph::repeat(join([wait(), end()]), None), &["LOOP"]),
        (retry(wait()), &[]),
        (retry(seq([wait(), sql()])), &[]),
        (retry(join([wait(), sql()])), &["RETRY"]),
        (catch(join([wait(), sql()]), sql()), &["CATCH"]),
        (timeout(wait(), 1), &["TIMEOUT"]),
        (timeout(join([retry(wait()), sql()]), 1), &["TIMEOUT"]),
        (catch(retry(race([wait(), sql()])), sql()), &["RACE", "RETRY", "CATCH"]),
        (Graph::repeat(race([wait(), seq([sql(), end()])]), None), &["RACE", "LOOP"]),
    ] {
        let graph = Arc::new(graph);
        let states = vec![NodeState::default(); graph.len()];
        let progress = Progress::new(graph.clone(), states, 0, 0);
        let is_wait = |kind: &NodeKind| kind.leaf().is_some_and(|leaf| leaf.wait().is_some());
        let (at, _) = graph.iter().find(|(_, node)| is_wait(&node.kind)).expect("there is a wait");
        let guards: Vec<_> =
            progress.guards(at).into_iter().map(|guard| graph.kind(guard.node).name()).collect();
        assert_eq!(guards, expected);
    }
}
