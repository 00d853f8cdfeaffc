//! Connections lost at the worst moments, and servers that go and come back.

use std::time::Duration;

use pg_durable_sdk::testing::StopMode;
use pg_durable_sdk::{Client, StartError, Status, Workflow, sql};
use pg_durable_tests::server::shared;
use tokio::task::block_in_place;

use super::kit::{in_runtime, own_server, run, until};
use super::proxy::{Loss, Proxy};

fn workflow() -> Workflow<i32> {
    Workflow::new().step(sql("SELECT 42").returns())
}

fn dsn(proxy: &Proxy, role: &str) -> String {
    format!("host=127.0.0.1 port={} user={role} dbname=postgres", proxy.port())
}

#[test]
fn a_start_whose_answer_is_lost_starts_one_instance() {
    run("sdk_lost_answer", async |_client, session| {
        let proxy = Proxy::to(shared().port()).await;
        let client = Client::connect(&dsn(&proxy, "sdk_lost_answer")).await.expect("it connects");
        proxy.lose("df.start", Loss::Answer, 2);
        let started = workflow().start(&client).await.expect("it starts in the end");
        assert_eq!(proxy.losses(), 2);
        assert_eq!(started.result().await.expect("it completes"), 42);
        assert_eq!(session.value("SELECT string_agg(id, ',') FROM df.instances"), started.id().as_str());
    });
}

#[test]
fn a_start_whose_request_is_lost_starts_one_instance() {
    run("sdk_lost_request", async |_client, session| {
        let proxy = Proxy::to(shared().port()).await;
        let client = Client::connect(&dsn(&proxy, "sdk_lost_request")).await.expect("it connects");
        proxy.lose("df.start", Loss::Request, 2);
        let started = workflow().start(&client).await.expect("it starts in the end");
        assert_eq!(proxy.losses(), 2);
        assert_eq!(session.value("SELECT string_agg(id, ',') FROM df.instances"), started.id().as_str());
    });
}

#[test]
fn whether_a_lost_start_succeeded_is_known_by_its_key() {
    run("sdk_lost", async |direct, session| {
        for (loss, is_started) in [(Loss::Answer, true), (Loss::Request, false)] {
            let proxy = Proxy::to(shared().port()).await;
            let client = Client::connect(&dsn(&proxy, "sdk_lost")).await.expect("it connects");
            let client = client.patience(Duration::from_millis(300));
            proxy.lose("df.start", loss, usize::MAX);
            let error = workflow().start(&client).await.expect_err("the connection is lost for good");
            let StartError::Lost { idempotency_key, .. } = error else { panic!("{error}") };
            let found = direct.find(&idempotency_key).await.expect("it is asked");
            assert_eq!(found.is_some(), is_started);
            // A start with that key finds the instance, or starts it.
            let again =
                workflow().idempotency_key(&*idempotency_key).start(&direct).await.expect("it starts");
            assert!(found.is_none_or(|found| found.id() == again.id()));
            let count =
                format!("SELECT count(*) FROM df.instances WHERE idempotency_key = '{idempotency_key}'");
            assert_eq!(session.value(&count), "1");
        }
    });
}

#[test]
fn a_start_that_reaches_nobody_starts_nothing() {
    run("sdk_unreached", async |_client, session| {
        let proxy = Proxy::to(shared().port()).await;
        let client = Client::connect(&dsn(&proxy, "sdk_unreached")).await.expect("it connects");
        let client = client.patience(Duration::from_millis(200));
        proxy.close().await;
        // The open session may take the first attempt, of which nobody can tell; the next ones are not sent.
        let _ = workflow().start(&client).await;
        let error = workflow().start(&client).await.expect_err("nobody listens");
        assert!(matches!(&error, StartError::Server(server) if server.is_connection_lost()), "{error:?}");
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "0");
    });
}

#[test]
fn a_start_in_a_transaction_goes_with_it() {
    run("sdk_start_in", async |client, session| {
        session.run("CREATE TABLE orders (id int)");
        let config = shared().dsn("sdk_start_in", "postgres");
        let (mut db, connection) =
            tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("it connects");
        tokio::spawn(connection);
        for commits in [true, false] {
            let tx = db.transaction().await.expect("it begins");
            tx.execute("INSERT INTO orders VALUES (7)", &[]).await.expect("it inserts");
            let id = workflow().start_in(&tx).await.expect("it starts");
            if commits {
                tx.commit().await.expect("it commits");
                assert_eq!(client.run(id).returns::<i32>().result().await.expect("it completes"), 42);
            } else {
                tx.rollback().await.expect("it rolls back");
                assert!(client.run(id).status().await.is_err());
            }
        }
        assert_eq!(session.value("SELECT count(*) FROM orders"), "1");
    });
}

#[test]
fn an_awaited_result_survives_kill_and_restart() {
    let server = own_server();
    in_runtime(async {
        let client = Client::connect(&server.dsn("app", "postgres")).await.expect("it is there");
        let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 42").returns::<i32>());
        for kills in [true, false] {
            let started = workflow.start(&client).await.expect("it starts");
            let waiting = tokio::spawn({
                let started = started.clone();
                async move { started.result().await }
            });
            block_in_place(|| {
                let is_waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%await_any($%' AND state = 'active' AND pid <> pg_backend_pid()";
                until(&server, is_waiting);
                match kills {
                    true => server.kill_postmaster().expect("it dies"),
                    false => server.stop(StopMode::Fast).expect("it stops"),
                }
                server.start_again().expect("it starts again");
            });
            // Calls that may be carried out twice do not notice.
            assert_ne!(started.status().await.expect("the connection is made anew"), Status::Completed);
            // A signal would be kept twice, so a lost connection is the caller's to judge.
            if started.signal("go", &()).await.is_err() {
                started.signal("go", &()).await.expect("the connection is made anew");
            }
            assert_eq!(waiting.await.expect("no panic").expect("it completes"), 42);
        }
    });
}
