//! Waiting until an instance waits.

use std::time::Duration;

use pg_durable_sdk::testing::WaitingError;
use pg_durable_sdk::{RunError, Status, Workflow, signal, sql};

use super::kit::run;

#[test]
fn an_instance_is_seen_where_it_waits() {
    run("sdk_until_waiting", async |client, _session| {
        let both = Workflow::new().fan_out((signal("a"), signal("b"))).wait_for_signal("last");
        let started = both.start(&client).await.expect("it starts");
        for name in ["a", "b", "last"] {
            started.until_waiting_for(format!("signal {name}")).await.expect("it comes to that");
            started.signal(name, &()).await.expect("it is there");
        }
        started.result().await.expect("it completes");
    });
}

#[test]
fn what_an_instance_waits_for_instead_is_told() {
    run("sdk_until_late", async |client, _session| {
        let both = Workflow::new().fan_out((signal("a"), signal("b")));
        let started = both.start(&client).await.expect("it starts");
        for name in ["signal a", "signal b"] {
            started.until_waiting_for(name).await.expect("it comes to that");
        }
        let limit = Duration::from_millis(60);
        let error = started.until_waiting_for("timer").within(limit).await.expect_err("there is no timer");
        let id = started.id();
        assert_eq!(
            error.to_string(),
            format!(
                "instance {id} does not wait for timer after 60ms; it is running and waits for signal a, signal b"
            )
        );
        assert!(
            matches!(error, WaitingError::Deadline { waiting_for, .. } if waiting_for == ["signal a", "signal b"])
        );
    });
}

#[test]
fn an_instance_that_is_over_or_unknown_is_not_waited_for() {
    run("sdk_until_never", async |client, _session| {
        let started = Workflow::new().step(sql("SELECT 1")).start(&client).await.expect("it starts");
        let error = started.until_waiting_for("signal go").await.expect_err("it waits for nothing");
        assert!(matches!(error, WaitingError::Terminal { status: Status::Completed, .. }), "{error}");
        let error = client.run("ffffffff").until_waiting_for("timer").await.expect_err("there is none");
        assert!(matches!(error, WaitingError::Run(RunError::UnknownInstance(_))), "{error}");
    });
}
