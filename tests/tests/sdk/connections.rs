//! How a client connects, and how many connections it has.

use pg_durable_sdk::{Client, ConnectError, Run, Workflow, sql};
use pg_durable_tests::server::shared;
use tokio_postgres::{Config, NoTls};

use super::kit::{Aside, run};
use super::proxy::Proxy;

const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND application_name = 'pg_durable_sdk'";

async fn check(client: Client) {
    let workflow = Workflow::new().step(sql("SELECT 42").returns::<i32>());
    let started = workflow.start(&client).await.expect("it starts");
    assert_eq!(started.result().await.expect("it completes"), 42);
}

#[test]
fn strings_urls_and_configs_lead_to_the_server() {
    run("sdk_connects", async |_client, _session| {
        let port = shared().port();
        let config: Config = shared().dsn("sdk_connects", "postgres").parse().expect("it is right");
        check(Client::connect_with(config, NoTls).await.expect("it connects")).await;
        let url = format!("postgres://sdk_connects@127.0.0.1:{port}/postgres");
        check(Client::connect(&url).await.expect("it connects")).await;

        let error = Client::connect("host=").await.expect_err("there is no host");
        assert!(matches!(error, ConnectError::Config(_) | ConnectError::Server(_)), "{error}");
        let error = Client::connect(&format!("{url}?sslmode=require")).await.expect_err("there is no TLS");
        assert!(matches!(error, ConnectError::Tls), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("connect_with")));
        let error = Client::connect("host=127.0.0.1 port=1 user=x").await.expect_err("nobody listens");
        assert!(matches!(&error, ConnectError::Server(server) if server.is_connection_lost()), "{error}");
        let unknown = shared().dsn("sdk_nobody", "postgres");
        let error = Client::connect(&unknown).await.expect_err("there is no such role");
        assert_eq!(error.sqlstate(), Some("28000"));
    });
}

#[test]
fn a_start_is_one_round_trip() {
    run("sdk_round_trip", async |_client, _session| {
        let proxy = Proxy::to(shared().port()).await;
        let dsn = format!("host=127.0.0.1 port={} user=sdk_round_trip dbname=postgres", proxy.port());
        let client = Client::connect(&dsn).await.expect("it connects");
        let workflow = (0..20).fold(Workflow::new(), |workflow, n| workflow.step(sql(format!("SELECT {n}"))));
        let before = proxy.requests();
        workflow.start(&client).await.expect("it starts");
        assert_eq!(proxy.requests() - before, 1);
    });
}

#[test]
fn a_pool_gives_its_connections() {
    run("sdk_pool", async |_client, session| {
        let mut config: Config = shared().dsn("sdk_pool", "postgres").parse().expect("it is right");
        config.application_name("pooled");
        let manager = deadpool_postgres::Manager::new(config, NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).max_size(2).build().expect("it is right");
        let client = Client::from_pool(pool.clone());
        let runs: Vec<Run<i32>> = start_waiting(&client, 20).await;
        let waits = wait_for(&runs);
        // Somebody else uses the pool at the same time.
        pool.get().await.expect("it has a connection").batch_execute("SELECT 1").await.expect("it works");
        until_waiting(session);
        send_go(&runs).await;
        for wait in waits {
            assert_eq!(wait.await.expect("no panic").expect("it completes"), 1);
        }
        let pooled = "SELECT count(*) <= 3 FROM pg_stat_activity WHERE usename = current_user AND application_name = 'pooled'";
        assert_eq!(session.value(pooled), "t");
        pool.close();
        let error = client.list().page().await.expect_err("the pool is closed");
        assert_eq!(error.to_string(), "the pool is closed");
        assert!(error.hint().is_some());
    });
}

#[test]
fn many_results_are_awaited_on_two_connections() {
    run("sdk_many", async |client, session| {
        let runs = start_waiting(&client, 200).await;
        let waits = wait_for(&runs);
        until_waiting(session);
        assert_eq!(session.value(CONNECTIONS), "2");
        send_go(&runs).await;
        for wait in waits {
            assert_eq!(wait.await.expect("no panic").expect("it completes"), 1);
        }
        assert_eq!(session.value(CONNECTIONS), "2");
    });
}

async fn start_waiting(client: &Client, count: usize) -> Vec<Run<i32>> {
    let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 1").returns::<i32>());
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(workflow.start(client).await.expect("it starts"));
    }
    runs
}

type Wait = tokio::task::JoinHandle<Result<i32, pg_durable_sdk::ResultError>>;

fn wait_for(runs: &[Run<i32>]) -> Vec<Wait> {
    let wait = |run: Run<i32>| tokio::spawn(async move { run.result().await });
    runs.iter().cloned().map(wait).collect()
}

fn until_waiting(session: &Aside) {
    session.until(
        "SELECT count(*) = 1 FROM pg_stat_activity
         WHERE query LIKE '%await_any%' AND state = 'active' AND pid <> pg_backend_pid() AND usename = current_user",
    );
}

async fn send_go(runs: &[Run<i32>]) {
    for run in runs {
        run.signal("go", &()).await.expect("it is there");
    }
}
