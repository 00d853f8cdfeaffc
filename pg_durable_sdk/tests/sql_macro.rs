//! `sql!` in the builder: what its captures become.

use pg_durable_sdk::{Part, Step, Workflow, sql};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct Hold {
    id: i64,
    note: Option<String>,
    place: Place,
}

#[derive(Serialize, Deserialize)]
struct Place {
    shelf: Option<i64>,
}

/// The queries and parameters of a workflow's SQL nodes, in order.
fn queries(workflow: &Workflow<impl Sized>) -> Vec<(String, Value)> {
    fn collect(node: &Value, found: &mut Vec<(String, Value)>) {
        if node["node_type"] == "SQL" {
            found.push((node["query"].as_str().expect("SQL").to_owned(), node["params"].clone()));
        }
        for child in ["left_node", "right_node"] {
            if node[child].is_object() {
                collect(&node[child], found);
            }
        }
    }
    let mut found = Vec::new();
    let graph = workflow.graph().unwrap_or_else(|error| panic!("{error}"));
    collect(&serde_json::to_value(graph).expect("a graph is JSON"), &mut found);
    found
}

fn check(step: impl Into<Part>, query: &str, params: Value) {
    let part: Part = step.into();
    assert_eq!(queries(&Workflow::new().step(part)), [(query.to_owned(), params)]);
}

#[test]
fn values_become_parameters() {
    let order = Hold { id: 7, note: None, place: Place { shelf: Some(3) } };
    let (text, list, borrowed) = ("it's", vec![1, 2], &order);
    check(sql!("SELECT {text}, {list}"), "SELECT $1, $2", json!(["it's", [1, 2]]));
    check(
        sql!("SELECT {order.id} + {borrowed.place.shelf}, {order.note}"),
        "SELECT $1 + $2, $3",
        json!([7, 3, null]),
    );
    check(sql!("SELECT {text.len() + 1}, {Some(text)}"), "SELECT $1, $2", json!([5, "it's"]));
    check(sql!("SELECT {order}"), "SELECT $1", json!([{"id": 7, "note": null, "place": {"shelf": 3}}]));
    let r#type = 1;
    check(sql!("SELECT {r#type}"), "SELECT $1", json!([1]));
}

#[test]
fn values_of_any_sort_are_captured() {
    fn by_reference(sku: &str, ids: &[i64], hold: &Hold) -> Step {
        sql!("SELECT {sku}, {ids}, {hold.id}")
    }
    let hold = Hold { id: 1, note: None, place: Place { shelf: None } };
    check(by_reference("A-1", &[1], &hold), "SELECT $1, $2, $3", json!(["A-1", [1], 1]));
    let (statement, value) = (1, 2);
    check(sql!("SELECT {statement}, {value}"), "SELECT $1, $2", json!([1, 2]));
}

#[test]
fn steps_become_references() {
    let hold = sql!("SELECT 1 AS id").returns::<Hold>();
    let count = sql!("SELECT count(*)").returns::<Option<i64>>();
    let borrowed = &hold;
    let qty = 2;
    let last = sql!(
        "SELECT {hold.id} + {qty}, {borrowed.note}, {hold.place.shelf}, {count}, (SELECT max(id) FROM {hold.*})"
    );
    let workflow = Workflow::new().step(&hold).step(&count).step(last);
    let last =
        "SELECT $hold.id + $1, $hold.note?, $hold.place.shelf?, $count?, (SELECT max(id) FROM $hold.*)";
    assert_eq!(queries(&workflow)[2], (last.to_owned(), json!([2])));
}

#[test]
fn text_around_captures_stays_as_it_is() {
    let id = 1;
    check(sql!("SELECT '{{\"a\": 1}}'::jsonb ? {id}"), "SELECT '{\"a\": 1}'::jsonb ? $1", json!([1]));
    let data = sql!("SELECT '{{}}'::jsonb").returns::<Value>();
    let asked = sql!("SELECT {data}?'a', {data} ?| array['b']");
    let workflow = Workflow::new().step(&data).step(asked);
    assert_eq!(queries(&workflow)[1].0, "SELECT $data? ?'a', $data? ?| array['b']");
    check(sql!(r#"SELECT "x{{", {id}"#), r#"SELECT "x{", $1"#, json!([1]));
}

#[test]
fn what_json_cannot_hold_is_a_fault() {
    let by_pair = BTreeMap::from([((1, 2), 3)]);
    let error = Workflow::new().step(sql!("SELECT {by_pair}")).graph().unwrap_err();
    assert_eq!(error.faults()[0].message, "parameter $1 cannot be sent: key must be a string");
}

#[test]
fn macros_of_the_user_hand_their_texts_on() {
    macro_rules! query {
        ($text:literal) => {
            sql!($text)
        };
        ($value:ident in $text:literal) => {{
            let value = 1;
            (value, sql!($text))
        }};
        (own) => {{
            let own = Hold { id: 8, note: None, place: Place { shelf: None } };
            sql!("SELECT {own.id}, {own.note}")
        }};
    }
    let (id, value) = (5, 6);
    check(query!("SELECT {id}, {value}"), "SELECT $1, $2", json!([5, 6]));
    check(query!(value in "SELECT {value}").1, "SELECT $1", json!([6]));
    check(query!(own), "SELECT $1, $2", json!([8, null]));
    let hold: Step<Hold> = query!("SELECT {id}").returns();
    let workflow = Workflow::new().step(&hold).step(query!("SELECT {hold.id}, {hold.place.shelf}, {hold.*}"));
    assert_eq!(queries(&workflow)[1].0, "SELECT $hold.id, $hold.place.shelf?, $hold.*");
}

/// As a crate would have it that re-exports the SDK, or gives it another name.
mod kit {
    pub use pg_durable_sdk as durable;

    macro_rules! kit_sql {
        ($text:literal) => {
            $crate::kit::durable::sql!(crate = $crate::kit::durable, $text)
        };
    }

    macro_rules! kit_workflow {
        ($name:ident, $text:literal) => {
            #[$crate::kit::durable::workflow(name = "kit", crate = $crate::kit::durable)]
            async fn $name() -> Result<i64> {
                sql!($text).await
            }
        };
    }

    pub(crate) use {kit_sql, kit_workflow};
}

#[test]
fn the_sdk_is_found_where_it_is_said_to_be() {
    use kit::durable;

    #[durable::workflow(name = "renamed", crate = durable)]
    async fn renamed() -> Result<i64> {
        sql!("SELECT 1").await
    }
    kit::kit_workflow!(of_kit, "SELECT 2");

    let id = 7;
    check(sql!(crate = durable, "SELECT {id}"), "SELECT $1", json!([7]));
    check(kit::kit_sql!("SELECT {id}"), "SELECT $1", json!([7]));
    assert_eq!(queries(renamed().workflow())[0].0, "SELECT 1");
    assert_eq!(queries(of_kit().workflow())[0].0, "SELECT 2");
}

#[test]
fn a_text_may_stand_in_a_file() {
    #[derive(Serialize, pg_durable_sdk::JsonSchema)]
    struct Order {
        id: i64,
    }

    #[pg_durable_sdk::workflow(name = "report")]
    async fn report(order: Order) -> Result<i64> {
        let one: i64 = sql!("SELECT 1").await?;
        sql!(include_str!("sql/report_of_order.sql")).await
    }

    let shop = 7;
    let text = "-- The report of a shop.\nINSERT INTO report (shop, document)\nSELECT $1, '{}'::jsonb\nRETURNING id\n";
    check(sql!(include_str!("sql/report.sql")), text, json!([7]));
    assert_eq!(queries(report().workflow())[1].0, "SELECT $input.id + $one AS id\n");
}
