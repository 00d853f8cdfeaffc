//! A client that shares its backends with others, by a pooler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pg_durable_sdk::{Client, Definition, JsonSchema, Run, Status, Workflow, sql};
use pg_durable_tests::server::{administer, shared};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::kit::run;
use super::pgbouncer::{Pgbouncer, PoolMode};

const OTHERS: usize = 16;
const RUNS: usize = 200;

/// What another client of the pooler runs, over and over; its settings are those of the role.
const OTHER: &str = "SELECT pg_catalog.string_agg(name || '=' || setting, ' ' ORDER BY name) \
     FROM pg_catalog.pg_settings, pg_catalog.pg_sleep(0.02) \
     WHERE name IN ('statement_timeout', 'idle_session_timeout', 'default_transaction_isolation')";

const SETTINGS: &str =
    "default_transaction_isolation=repeatable read idle_session_timeout=3600000 statement_timeout=60000";

fn prepare(role: &str) {
    administer(
        shared(),
        &format!(
            "ALTER ROLE {role} SET statement_timeout = '60s'; ALTER ROLE {role} SET idle_session_timeout = '1h';
             ALTER ROLE {role} SET default_transaction_isolation = 'repeatable read'"
        ),
    );
}

/// Runs statements until told to stop, and returns what went wrong.
fn other(client: tokio_postgres::Client, is_over: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut wrong = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            match client.query_typed(OTHER, &[]).await {
                Ok(rows) if rows[0].get::<_, &str>(0) == SETTINGS => {}
                Ok(rows) => wrong.push(rows[0].get(0)),
                Err(error) => wrong.push(format!("{error:?}")),
            }
        }
        wrong
    })
}

async fn check_others(pgbouncer: &Pgbouncer) {
    let client = Client::connect(&pgbouncer.dsn()).await.expect("it connects");
    let is_over = Arc::new(AtomicBool::new(false));
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        others.push(other(pgbouncer.connect().await, is_over.clone()));
    }
    let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 1").returns::<i32>());
    let mut waits = Vec::new();
    let mut runs: Vec<Run<i32>> = Vec::new();
    // Each that comes ends the call for those before it.
    for _ in 0..RUNS {
        let started = workflow.start(&client).await.expect("it starts");
        runs.push(started.clone());
        waits.push(tokio::spawn(async move { started.result().await }));
    }
    for started in &runs {
        started.signal("go", &()).await.expect("it waits");
    }
    for wait in waits {
        assert_eq!(wait.await.expect("no panic").expect("it completes"), 1);
    }
    is_over.store(true, Ordering::Relaxed);
    for other in others {
        assert_eq!(other.await.expect("no panic"), Vec::<String>::new());
    }
}

#[test]
fn others_of_a_pool_by_transaction_are_left_alone() {
    run("sdk_pooler_transaction", async |_client, _session| {
        prepare("sdk_pooler_transaction");
        if let Some(pgbouncer) = Pgbouncer::start("sdk_pooler_transaction", PoolMode::Transaction, 6).await {
            check_others(&pgbouncer).await;
        }
    });
}

#[test]
fn others_of_a_pool_by_session_are_left_alone() {
    run("sdk_pooler_session", async |_client, _session| {
        prepare("sdk_pooler_session");
        if let Some(pgbouncer) = Pgbouncer::start("sdk_pooler_session", PoolMode::Session, OTHERS + 4).await {
            check_others(&pgbouncer).await;
        }
    });
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    id: i64,
}

fn pooled() -> Definition<Order, i64> {
    Definition::new("sdk_pooler.order", 1, || {
        Workflow::new().wait_for_signal("go").step(sql("SELECT $input.id").returns())
    })
}

#[test]
fn all_that_a_client_does_works_in_a_pool_by_transaction() {
    run("sdk_pooler_calls", async |_client, _session| {
        let role = "sdk_pooler_calls";
        let Some(pgbouncer) = Pgbouncer::start(role, PoolMode::Transaction, 3).await else { return };
        let client = Client::connect(&pgbouncer.dsn()).await.expect("it connects");
        client.check(pooled).await.expect("it is right");
        client.register(pooled).await.expect("it is registered");

        let mut db = pgbouncer.connect().await;
        let tx = db.transaction().await.expect("it begins");
        let id = client
            .start(pooled, Order { id: 7 })
            .idempotency_key("seven")
            .start_in(&tx)
            .await
            .expect("it starts");
        tx.commit().await.expect("it is committed");
        let started = client.find("seven").await.expect("it answers").expect("it is found");
        assert_eq!(started.id(), &id);
        assert!(started.explain().await.expect("it answers").contains("go"));
        assert!(!started.nodes().await.expect("it answers").is_empty());
        started.signal("go", &()).await.expect("it waits");
        let mut changes = started.watch();
        while let Some(change) = changes.next().await {
            change.expect("it answers");
        }
        assert_eq!(started.returns::<i64>().result().await.expect("it completes"), 7);

        let named = client.run_named("sdk_pooler.order", &Order { id: 8 }).await.expect("it starts");
        named.cancel("enough").await.expect("it is cancelled");
        assert_eq!(named.status().await.expect("it answers"), Status::Cancelled);
        let page = client.list().status(Status::Cancelled).page().await.expect("it answers");
        assert_eq!(page.instances.len(), 1);
    });
}
