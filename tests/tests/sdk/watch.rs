//! Watching an instance.

use std::collections::BTreeMap;

use pg_durable_sdk::{Change, NodeState, RunError, Status, Workflow, sql};
use tokio::task::block_in_place;

use super::kit::{in_runtime, own_server, run};

fn workflow() -> Workflow {
    Workflow::new().step(sql("SELECT 1")).wait_for_signal("go").step(sql("SELECT 2"))
}

#[test]
fn changes_are_told_until_the_end() {
    run("sdk_watch", async |client, _session| {
        let started = workflow().start(&client).await.expect("it starts");
        let mut changes = started.watch();
        let mut states = BTreeMap::new();
        let mut statuses = Vec::new();
        let mut is_waiting = false;
        while let Some(change) = changes.next().await {
            match change.expect("it is there") {
                Change::Status(status) => statuses.push(status),
                Change::Node(node) => {
                    let before = states.insert(node.id.clone(), node.state);
                    assert_ne!(node.state, NodeState::Pending);
                    assert!(before != Some(NodeState::Completed), "{node:?}");
                    if node.waiting_for.as_deref() == Some("signal go") {
                        is_waiting = true;
                        started.signal("go", &()).await.expect("it is there");
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(is_waiting);
        assert_eq!(statuses.last(), Some(&Status::Completed));
        assert_eq!(states.len(), 5);
        assert!(states.values().all(|state| *state == NodeState::Completed), "{states:?}");

        // Of a terminal instance all is told at once.
        let mut again = started.watch();
        let mut told = Vec::new();
        while let Some(change) = again.next().await {
            told.push(change.expect("it is there"));
        }
        assert_eq!(told.len(), 6);
        assert_eq!(told.last(), Some(&Change::Status(Status::Completed)));
    });
}

#[test]
fn an_unknown_instance_is_an_error_and_the_end() {
    run("sdk_watch_unknown", async |client, _session| {
        let mut changes = client.run("ffffffff").watch();
        assert!(matches!(changes.next().await, Some(Err(RunError::UnknownInstance(_)))));
        assert!(changes.next().await.is_none());
    });
}

#[test]
fn loops_are_watched_pass_by_pass() {
    run("sdk_watch_loop", async |client, session| {
        session.run("CREATE SEQUENCE passes");
        let body =
            Workflow::new().wait_for_signal("next").step(sql("SELECT nextval('passes') AS n").named("n"));
        let looped = Workflow::new().repeat_while(body, sql("SELECT $n < 3"));
        let started = looped.start(&client).await.expect("it starts");
        let mut changes = started.watch();
        let mut passes = Vec::new();
        while let Some(change) = changes.next().await {
            if let Change::Node(node) = change.expect("it is there")
                && node.waiting_for.is_some()
                && passes.last() != node.generation.as_ref()
            {
                passes.extend(node.generation);
                started.signal("next", &()).await.expect("it is there");
            }
        }
        assert_eq!(passes, [1, 2, 3]);
    });
}

#[test]
fn a_watch_outlives_a_restart() {
    let server = own_server();
    in_runtime(async {
        let dsn = server.dsn("app", "postgres");
        let client = pg_durable_sdk::Client::connect(&dsn).await.expect("it is there");
        let started = workflow().start(&client).await.expect("it starts");
        let mut changes = started.watch();
        let mut last = None;
        let mut is_restarted = false;
        while let Some(change) = changes.next().await {
            let change = change.expect("it is there");
            let waits = matches!(&change, Change::Node(node) if node.waiting_for.is_some());
            last = Some(change);
            if waits && !is_restarted {
                is_restarted = true;
                block_in_place(|| server.restart().expect("it restarts"));
                if started.signal("go", &()).await.is_err() {
                    started.signal("go", &()).await.expect("the connection is made anew");
                }
            }
        }
        assert!(is_restarted);
        assert_eq!(last, Some(Change::Status(Status::Completed)));
    });
}
