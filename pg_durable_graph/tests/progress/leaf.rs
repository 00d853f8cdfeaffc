//! What leaves do in these tests: their outcome depends on the seed and on how often they have been carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use pg_durable_graph::progress::Bindings;
use pg_durable_graph::{Column, Failure, Graph, NodeId, Outcome};
use serde_json::{Value, json};

use crate::random::Random;

/// One committed execution of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Executed {
    pub leaf: NodeId,
    /// Counted from 0 over the life of the instance.
    pub nth: usize,
    /// The named results that it saw.
    pub view: BTreeMap<String, String>,
}

/// What a leaf sees, in a form to compare.
pub fn view(bindings: &Bindings) -> BTreeMap<String, String> {
    let text = |outcome: &Outcome| {
        let columns = outcome.columns.as_deref().map_or(0, Vec::len);
        format!("{} ({columns} columns)", outcome.value)
    };
    bindings.iter().map(|(name, outcome)| (name.clone(), text(outcome))).collect()
}

/// The outcome of SQL: no row, a row that counts as false, or a row that counts as true.
pub fn rows(seed: u64, leaf: NodeId, nth: usize) -> Outcome {
    let mut random = Random::new(seed ^ (u64::from(leaf.0) << 32) ^ ((nth as u64) << 8));
    let rows = match random.below(4) {
        0 => json!([]),
        choice => json!([{"tag": format!("{}/{nth}", leaf.0), "go": choice > 1}]),
    };
    let count = rows.as_array().map_or(0, Vec::len);
    let column = |name: &str| Column::new(name, "boolean");
    Outcome {
        value: json!({"rows": rows, "row_count": count}),
        columns: Some(Arc::new(vec![column("go"), column("tag")])),
        branches: None,
    }
}

/// Whether a leaf fails in place of having an outcome, at a rate of so many percent.
pub fn failure(graph: &Graph, seed: u64, leaf: NodeId, nth: usize, rate: usize) -> Option<Failure> {
    let mut random = Random::new(seed ^ 0xfa11 ^ (u64::from(leaf.0) << 32) ^ ((nth as u64) << 8));
    (random.below(100) < rate).then(|| {
        let name = graph.kind(leaf).name();
        let sqlstate = ["P0001", "23505", "40001"][random.below(3)];
        Failure::new(sqlstate, format!("{name} {leaf}/{nth}")).hint("Try another seed.")
    })
}

/// The outcome of a wait.
pub fn waited(leaf: NodeId, nth: usize) -> Outcome {
    Outcome::plain(json!({"slept": format!("{leaf}/{nth}")}))
}

/// The value of a BREAK.
pub fn broke(leaf: NodeId, nth: usize) -> Value {
    json!({"broke": format!("{leaf}/{nth}")})
}
