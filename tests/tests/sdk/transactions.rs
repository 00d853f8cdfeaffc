//! Starts, signals and cancels with a caller's transaction, and ids in its SQL.

use pg_durable_sdk::{Instance, InstanceId, RunNode, SignalError, Status, Workflow, signal, sql};
use pg_durable_tests::server::shared;
use tokio_postgres::NoTls;

use super::kit::run;

async fn connect(role: &str) -> tokio_postgres::Client {
    let dsn = shared().dsn(role, "postgres");
    let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("it connects");
    tokio::spawn(connection);
    client
}

fn waiting() -> Workflow<i32> {
    Workflow::new().wait_for_signal("go").step(sql("SELECT 7").returns::<i32>())
}

#[test]
fn a_start_and_its_signal_are_one_transaction() {
    run("sdk_tx_start", async |client, _session| {
        let mut db = connect("sdk_tx_start").await;
        let tx = db.transaction().await.expect("it begins");
        let started = client.run(waiting().start_in(&tx).await.expect("it starts")).returns::<i32>();
        started.signal_in(&tx, "go", &()).await.expect("it is there");
        tx.commit().await.expect("it is committed");
        assert_eq!(started.result().await.expect("it completes"), 7);
        let tx = db.transaction().await.expect("it begins");
        let error = started.signal_in(&tx, "go", &()).await.expect_err("it is over");
        assert!(matches!(error, SignalError::Terminal(_)), "{error}");
    });
}

#[test]
fn what_is_rolled_back_was_never_sent() {
    run("sdk_tx_rollback", async |client, session| {
        let mut db = connect("sdk_tx_rollback").await;
        let started = waiting().start(&client).await.expect("it starts");
        let tx = db.transaction().await.expect("it begins");
        started.signal_in(&tx, "go", &()).await.expect("it is there");
        started.cancel_in(&tx, "no more").await.expect("it is cancelled");
        tx.rollback().await.expect("it is rolled back");
        assert_eq!(
            session.value(&format!("SELECT count(*) FROM df.signals WHERE instance_id = '{}'", started.id())),
            "0"
        );
        assert!(!started.status().await.expect("it answers").is_terminal());
        let tx = db.transaction().await.expect("it begins");
        started.cancel_in(&tx, "no more").await.expect("it is cancelled");
        tx.commit().await.expect("it is committed");
        assert_eq!(started.status().await.expect("it answers"), Status::Cancelled);
    });
}

#[test]
fn a_signal_of_one_key_is_sent_once() {
    run("sdk_signal_key", async |client, _session| {
        let mut db = connect("sdk_signal_key").await;
        let two = Workflow::new().wait_for_signal("paid").wait_for_signal(signal("paid").named("last"));
        let started =
            two.step(sql("SELECT $last.data::int").returns::<i32>()).start(&client).await.expect("it starts");
        started.signal("paid", &1).idempotency_key("payment 1").await.expect("it is there");
        started.signal("paid", &1).idempotency_key("payment 1").await.expect("it is there, and dropped");
        let tx = db.transaction().await.expect("it begins");
        started.signal("paid", &8).idempotency_key("payment 1").send_in(&tx).await.expect("and so is this");
        started.signal("paid", &2).idempotency_key("payment 2").send_in(&tx).await.expect("it is there");
        tx.rollback().await.expect("it is rolled back");
        let tx = db.transaction().await.expect("it begins");
        started.signal("paid", &2).idempotency_key("payment 2").send_in(&tx).await.expect("it is there");
        tx.commit().await.expect("it is committed");
        assert_eq!(started.result().await.expect("it completes"), 2);
        let error = started.signal("paid", &1).idempotency_key("payment 3").await.expect_err("it is over");
        assert!(matches!(error, SignalError::Terminal(_)), "{error}");
    });
}

#[test]
fn ids_and_what_is_told_of_instances_go_through_sql_and_json() {
    run("sdk_tx_json", async |client, _session| {
        let db = connect("sdk_tx_json").await;
        let started = waiting().start(&client).await.expect("it starts");
        let row = db.query_one("SELECT $1::text", &[started.id()]).await.expect("it is text");
        assert_eq!(&row.get::<_, InstanceId>(0), started.id());
        assert_eq!(&started.id().as_str().parse::<InstanceId>().expect("any text is taken"), started.id());
        let page = client.list().page().await.expect("it answers");
        let json = serde_json::to_value(&page.instances).expect("it is JSON");
        assert_eq!(json[0]["id"], started.id().as_str());
        assert!(["pending", "running"].contains(&json[0]["status"].as_str().expect("it is text")));
        assert_eq!(serde_json::from_value::<Vec<Instance>>(json).expect("it is read"), page.instances);
        let nodes = started.nodes().await.expect("it answers");
        let json = serde_json::to_value(&nodes).expect("it is JSON");
        assert_eq!(serde_json::from_value::<Vec<RunNode>>(json).expect("it is read"), nodes);
    });
}
