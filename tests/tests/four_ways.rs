//! docs/from-sql-to-rust-and-back.md: one workflow four ways is one graph.

use pg_durable_sdk::{JsonSchema, Workflow, signal, sql, workflow};
use pg_durable_tests::server::{shared, tester};
use pg_durable_tests::session::Session;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/from-sql-to-rust-and-back.md");
const SOURCE: &str = include_str!("four_ways.rs");

#[test]
fn four_ways_make_one_graph() {
    tester(shared(), "four_ways");
    let session = Session::open(shared(), "four_ways", "postgres").expect("the role may log in");
    let graph_of = |workflow: &Workflow<Receipt>| {
        serde_json::to_value(workflow.graph().expect("it is right")).expect("a graph is JSON")
    };
    let expected = graph_of(fulfil().workflow());
    assert_eq!(graph_of(&fulfil_by_hand()), expected, "the builder");
    let in_sql = block_after("## In SQL, with operators", "sql");
    for (way, expression) in
        [("operators", in_sql), ("functions", block_after("## In SQL, with functions", "sql"))]
    {
        let graph = session.value(&format!("SELECT {expression}"));
        assert_eq!(serde_json::from_str::<Value>(&graph).expect("a graph is JSON"), expected, "{way}");
    }
    let explained = block_after("## The graph", "text");
    assert_eq!(fulfil().explain(), explained);
}

#[test]
fn the_page_shows_what_is_tested() {
    for (heading, mark) in
        [("## In Rust, with the builder", "builder"), ("## In Rust, with the macro", "macro")]
    {
        assert_eq!(source_between(mark), block_after(heading, "rust"), "{mark}");
    }
}

/// The first code block of this language after a heading.
fn block_after(heading: &str, language: &str) -> String {
    let section = PAGE.split_once(heading).unwrap_or_else(|| panic!("the page has no {heading}")).1;
    let code = section.split_once(&format!("```{language}\n")).expect("the section has code").1;
    code.split_once("\n```").expect("the code ends").0.to_owned()
}

/// This file between `// begin …` and `// end …`.
fn source_between(mark: &str) -> String {
    let code = SOURCE.split_once(&format!("// begin {mark}\n")).expect("it begins").1;
    code.split_once(&format!("\n// end {mark}")).expect("it ends").0.to_owned()
}

// begin macro
#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    id: i64,
    sku: String,
    qty: i32,
}

#[derive(Serialize, Deserialize)]
struct Row {
    id: i64,
}

#[derive(Serialize, Deserialize)]
struct Approval {
    approved: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Receipt {
    invoice: i64,
}

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let hold: Row =
        sql!("UPDATE stock SET held = held + {order.qty} WHERE sku = {order.sku} RETURNING id").await?;

    let (invoice, _label): (Row, ()) = join!(
        sql!("INSERT INTO invoice (order_id) VALUES ({order.id}) RETURNING id"),
        sql!("INSERT INTO label (order_id) VALUES ({order.id})"),
    )
    .await?;

    let approval: Option<Approval> = signal("approval").timeout(hours(24)).await?;
    if sql!("SELECT {approval.approved}").await? {
        sql!("UPDATE orders SET state = 'shipped' WHERE id = {order.id}").await?;
    } else {
        sql!("UPDATE stock SET held = held - {order.qty} WHERE id = {hold.id}").await?;
    }
    Ok(Receipt { invoice: invoice.id })
}
// end macro

// begin builder
fn fulfil_by_hand() -> Workflow<Receipt> {
    let hold =
        sql("UPDATE stock SET held = held + $input.qty WHERE sku = $input.sku RETURNING id").returns::<Row>();
    let invoice = sql("INSERT INTO invoice (order_id) VALUES ($input.id) RETURNING id").returns::<Row>();
    let give_back = sql!("UPDATE stock SET held = held - $input.qty WHERE id = {hold.id}");
    let receipt = sql!("SELECT {invoice.id} AS invoice").returns::<Receipt>();

    Workflow::new()
        .step(hold)
        .fan_out((invoice, sql("INSERT INTO label (order_id) VALUES ($input.id)")))
        .wait_for_signal(signal("approval").timeout(Duration::from_secs(24 * 60 * 60)).named("approval"))
        .branch(
            sql("SELECT $approval.data.approved?"),
            sql("UPDATE orders SET state = 'shipped' WHERE id = $input.id"),
            give_back,
        )
        .step(receipt)
}
// end builder
