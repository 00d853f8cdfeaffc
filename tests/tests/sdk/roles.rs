//! Roles whose settings or rights are not the usual ones.

use pg_durable_sdk::{Client, StartError, Workflow, sql};
use pg_durable_tests::server::{administer, shared};

use super::kit::run;

/// Starts instances side by side as a role with these settings, and awaits them.
async fn check(role: &str, settings: &[&str]) {
    for setting in settings {
        administer(shared(), &format!("ALTER ROLE {role} SET {setting}"));
    }
    let client = Client::connect(&shared().dsn(role, "postgres")).await.expect("the role may log in");
    let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 7").returns::<i32>());
    let mut waits = Vec::new();
    for _ in 0..10 {
        let started = workflow.start(&client).await.expect("it starts");
        let awaited = started.clone();
        waits.push((started, tokio::spawn(async move { awaited.result().await })));
    }
    for (started, wait) in waits {
        started.signal("go", &()).await.expect("it is there");
        assert_eq!(wait.await.expect("no panic").expect("it completes"), 7);
        assert_eq!(started.result().await.expect("it has completed"), 7);
    }
}

#[test]
fn results_are_awaited_whatever_the_isolation_of_the_role_is() {
    for (role, isolation) in
        [("sdk_roles_repeatable", "repeatable read"), ("sdk_roles_serializable", "serializable")]
    {
        run(role, async |_client, _session| {
            check(role, &[&format!("default_transaction_isolation = '{isolation}'")]).await;
        });
    }
}

#[test]
fn results_are_awaited_longer_than_the_limits_of_the_role() {
    run("sdk_roles_limits", async |_client, session| {
        let limits = ["statement_timeout = '500ms'", "idle_in_transaction_session_timeout = '500ms'"];
        for limit in limits {
            administer(shared(), &format!("ALTER ROLE sdk_roles_limits SET {limit}"));
        }
        let dsn = shared().dsn("sdk_roles_limits", "postgres");
        let client = Client::connect(&dsn).await.expect("the role may log in");
        let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 7").returns::<i32>());
        let started = workflow.start(&client).await.expect("it starts");
        let awaited = started.clone();
        let wait = tokio::spawn(async move { awaited.result().await });
        // One and the same call goes on for longer than that.
        session.until(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'sdk_roles_limits' AND state = 'active'
             AND query LIKE '%await_any%' AND pid <> pg_backend_pid() AND query_start < clock_timestamp() - interval '1s'",
        );
        started.signal("go", &()).await.expect("it is there");
        assert_eq!(wait.await.expect("no panic").expect("it completes"), 7);
    });
}

#[test]
fn a_role_that_only_reads_awaits_and_is_told_what_it_cannot_start() {
    run("sdk_roles_reader", async |client, _session| {
        let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 7").returns::<i32>());
        let started = workflow.start(&client).await.expect("it starts");
        administer(shared(), "ALTER ROLE sdk_roles_reader SET default_transaction_read_only = on");
        let dsn = shared().dsn("sdk_roles_reader", "postgres");
        let reader = Client::connect(&dsn).await.expect("the role may log in");
        let error = workflow.start(&reader).await.expect_err("it may not write");
        assert_eq!(error.sqlstate(), Some("25006"));
        assert!(error.hint().is_some_and(|hint| hint.contains("default_transaction_read_only")), "{error}");
        let read = reader.run(started.id()).returns::<i32>();
        let wait = tokio::spawn(async move { read.result().await });
        administer(shared(), "ALTER ROLE sdk_roles_reader RESET default_transaction_read_only");
        started.signal("go", &()).await.expect("it is there");
        assert_eq!(wait.await.expect("no panic").expect("it completes"), 7);
    });
}

#[test]
fn a_role_without_the_right_is_told_so() {
    run("sdk_roles_stranger", async |_client, _session| {
        administer(shared(), "SELECT df.revoke_usage('sdk_roles_stranger')");
        let dsn = shared().dsn("sdk_roles_stranger", "postgres");
        let client = Client::connect(&dsn).await.expect("the role may log in");
        let workflow = Workflow::new().label("nightly").step(sql("SELECT 1"));
        let error = workflow.start(&client).await.expect_err("it may not");
        assert!(
            matches!(&error, StartError::NotAllowed { name: Some(name), .. } if name == "nightly"),
            "{error:?}"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("grant_usage")));
    });
}
