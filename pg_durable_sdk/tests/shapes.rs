//! The shapes that users' programs are written against: this compiles, or such programs do not any more.

use pg_durable_sdk::{
    Change, Client, Definition, Graph, InstanceId, JsonSchema, Output, Part, Run, RunNode, Status, Step,
    Workflow, signal, sql,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    id: i64,
    sku: String,
    qty: i32,
    amount: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Receipt {
    invoice: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Hold {
    id: i64,
    sku: String,
}

async fn builder(db: &mut tokio_postgres::Client) -> Result<()> {
    let client = Client::connect("host=localhost user=app dbname=shop").await?;

    let run = Workflow::new()
        .label("nightly-report")
        .step(sql("SELECT id, region FROM shops WHERE open").named("shop"))
        .fan_out([
            sql("SELECT count(*) FROM orders WHERE shop = $shop.id").named("orders"),
            sql("SELECT sum(amount) FROM orders WHERE shop = $shop.id").named("revenue"),
        ])
        .step(sql("INSERT INTO report VALUES ($shop.id, $orders, $revenue) RETURNING id"))
        .start(&client)
        .await?;

    let status = run.status().await?;
    assert_eq!(status, Status::Running);
    let out = run.result().await?;
    let _: String = serde_json::to_string(&out)?;
    let _: &[serde_json::Value] = out.rows();
    let _: i64 = out.one::<i64>()?;

    let _: &InstanceId = run.id();
    run.signal("approval", &serde_json::json!({"approved": true})).await?;
    run.cancel("no longer needed").await?;
    let _: Vec<RunNode> = run.nodes().await?;
    let _: String = run.explain().await?;
    let run: Run = client.run("a1b2c3d4");
    let _: Output = run.result().await?;

    let mut changes = run.watch();
    let _: Option<std::result::Result<Change, pg_durable_sdk::RunError>> = changes.next().await;
    fn is_stream<S: futures_util::Stream + Send + Unpin>(_: S) {}
    is_stream(changes);
    let page = client.list().status(Status::Running).label("nightly-report").page_size(10).page().await?;
    let _: Option<pg_durable_sdk::Cursor> = page.next;
    is_stream(client.list().stream());

    let tx = db.transaction().await?;
    let id = Workflow::new().step(sql("SELECT 1")).start_in(&tx).await?;
    tx.commit().await?;
    client.run(id).result().await?;
    Ok(())
}

fn every_kind() -> Workflow {
    let nested = Workflow::new().step(sql("SELECT 1")).step(sql("SELECT 2"));
    Workflow::new()
        .fan_out(vec![sql("SELECT 1"), sql("SELECT 2"), sql("SELECT 3")])
        .fan_out((sql("SELECT 1"), nested.clone()))
        .race([sql("SELECT 1"), sql("SELECT 2")])
        .race((signal("go"), Workflow::new().sleep(Duration::from_secs(60))))
        .branch(sql("SELECT true"), sql("SELECT 1"), nested.clone())
        .repeat(Workflow::new().break_with("7"))
        .repeat_while(sql("SELECT 1"), sql("SELECT false"))
        .sleep(Duration::from_secs(1))
        .wait_for_signal("name")
        .wait_for_schedule("0 9 * * 1-5")
        .step(nested)
        .step(Part::from(sql("SELECT 1")))
}

#[test]
fn every_kind_has_a_graph_and_drawings() {
    let workflow = every_kind();
    let graph: Graph = workflow.graph().expect("it is right");
    let wire: serde_json::Value = serde_json::to_value(&graph).expect("a graph is JSON");
    assert_eq!(wire["node_type"], "THEN");
    let _: (String, String) = (workflow.explain(), workflow.to_mermaid());
}

async fn typed(client: &Client) -> Result<()> {
    let hold: Step<Hold> = sql("SELECT id, sku FROM stock LIMIT 1").returns::<Hold>();
    let workflow: Workflow<Hold> = Workflow::new().sleep(Duration::from_secs(1)).step(&hold);
    let run: Run<Hold> = workflow.start(client).await?;
    let held: Hold = run.result().await?;
    let _: (i64, String) = (held.id, held.sku);
    let workflow = Workflow::new().fan_out((hold, sql("SELECT 1"))).returns::<(Hold, i64)>();
    let (_, _): (Hold, i64) = workflow.start(client).await?.result().await?;
    let _: Option<Hold> = client.run("a1b2c3d4").returns().result().await?;
    Ok(())
}

fn fulfil() -> Definition<Order, Receipt> {
    let invoice = sql("INSERT INTO invoice VALUES ($input.id, $input.amount) RETURNING id AS invoice");
    let workflow = Workflow::new().step(invoice.returns::<Receipt>());
    Definition::new("order.fulfil", 1, || workflow)
}

async fn registered(client: &Client) -> Result<()> {
    let order = Order { id: 7, sku: "A-1".to_owned(), qty: 2, amount: 19.9 };
    let run: Run<Receipt> = client.start(fulfil, order).await?;
    let _: Receipt = run.result().await?;
    fn nightly_report() -> Definition<(), i64> {
        Definition::new("nightly.report", 1, || Workflow::new().step(sql("SELECT 1").returns()))
    }
    client.check(&every_kind()).await?;
    client.check(fulfil).await?;
    client.register(fulfil).await?;
    client.register((fulfil, nightly_report)).await?;
    let run = client.start(nightly_report, ()).await?;
    let _: Option<i64> = Some(run.result().await?);
    client.run_named("order.fulfil", &serde_json::json!({"id": 7})).await?.result().await?;
    Ok(())
}

#[test]
fn a_function_stands_for_its_definition() {
    let definition: Definition<Order, Receipt> = fulfil();
    assert_eq!((definition.name(), definition.version()), ("order.fulfil", 1));
    assert_eq!(definition.graph().expect("it is right").len(), 1);
    assert!(definition.explain().contains("INSERT INTO invoice"), "{}", definition.explain());
    assert!(definition.to_mermaid().starts_with("flowchart"), "{}", definition.to_mermaid());
    let required = &definition.input_schema()["required"];
    assert_eq!(*required, serde_json::json!(["id", "sku", "qty", "amount"]));
    assert_eq!(definition.output_schema()["properties"]["invoice"]["type"], "integer");
    assert_eq!(definition.workflow().explain(), fulfil().explain());
}

#[test]
fn futures_may_move_between_threads() {
    fn check<F: Future + Send>(_: impl FnOnce(&'static Client) -> F) {}
    check(typed);
    check(registered);
    fn check_builder<F: Future + Send>(_: impl FnOnce(&'static mut tokio_postgres::Client) -> F) {}
    check_builder(builder);
}
