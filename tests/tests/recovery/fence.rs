//! The fence as PostgreSQL evaluates it, beside the one that the simulator has proved.

use pg_durable_graph::NodeStatus;
use pg_durable_graph::progress::Fence;
use pg_durable_tests::server::shared;
use pg_durable_tests::session::Session;

/// The condition of the extension's statements: the very text that they are made of.
const FENCE: &str = include_str!("../../../pg_durable_ext/src/store/fence.sql");

fn numbers() -> impl Iterator<Item = (i64, i64)> {
    (0..4).flat_map(|generation| (0..4).map(move |iteration| (generation, iteration)))
}

#[test]
fn the_fence_is_the_same_for_postgresql_over_all_pairs() {
    let session = Session::open(shared(), "postgres", "postgres").expect("the superuser gets in");
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for (kind, counts) in [("LOOP", true), ("RETRY", true), ("SQL", false)] {
        for status in NodeStatus::ALL {
            for (generation, iteration) in numbers() {
                let nth = rows.len();
                values.push(format!(
                    "({nth}, '{kind}', '{status}', {generation}::bigint, {iteration}::bigint)"
                ));
                rows.push(Fence { counts, is_over: status.is_terminal(), generation, iteration });
            }
        }
    }
    session.run(&format!(
        "CREATE TEMP TABLE rows (nth, node_type, status, generation, iteration) AS VALUES {};
         PREPARE fence(text, text, text, bigint, bigint) AS
             SELECT coalesce(string_agg(n.nth::text, ',' ORDER BY n.nth), '') FROM rows AS n WHERE {FENCE}",
        values.join(", ")
    ));
    let mut let_through = 0;
    for (generation, iteration) in numbers() {
        let passing = rows.iter().enumerate().filter(|(_, row)| row.accepts(generation, iteration));
        let expected: Vec<String> = passing.map(|(nth, _)| nth.to_string()).collect();
        let found = session.value(&format!("EXECUTE fence(NULL, NULL, NULL, {generation}, {iteration})"));
        assert_eq!(found, expected.join(","), "generation {generation}, iteration {iteration}");
        let_through += expected.len();
    }
    assert_eq!((rows.len(), let_through), (192, 1104));
}
