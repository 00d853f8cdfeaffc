//! Starting, looking at and steering instances.

use std::time::Duration;

use pg_durable_sdk::{
    CancelError, ResultError, Retry, RunError, Settled, SignalError, StartError, Status, Workflow, fail, on,
    signal, sql,
};

use super::kit::run;

#[test]
fn a_workflow_runs_and_its_result_is_typed() {
    run("sdk_runs", async |client, session| {
        session.run("CREATE TABLE effects (n int)");
        let workflow = Workflow::new()
            .label("typed")
            .step(sql("SELECT 20 AS n, 'x' AS t").named("base"))
            .fan_out([
                sql("INSERT INTO effects VALUES ($base.n) RETURNING n").named("a"),
                sql("INSERT INTO effects VALUES ($base.n + 1) RETURNING n").named("b"),
            ])
            .step(sql("SELECT $a + $b AS sum"));
        let started = workflow.start(&client).await.expect("it starts");
        let sum: i64 = started.result().await.expect("it completes").one().expect("one number");
        assert_eq!(sum, 41);
        assert_eq!(started.status().await.expect("it is there"), Status::Completed);
        assert_eq!(session.value("SELECT string_agg(n::text, ',' ORDER BY n) FROM effects"), "20,21");
        assert_eq!(client.run(started.id().clone()).status().await.expect("it is there"), Status::Completed);
        let nodes = started.nodes().await.expect("it is there");
        assert_eq!(nodes.len(), workflow.graph().expect("it is right").len());
    });
}

#[test]
fn the_builder_makes_the_graph_that_the_operators_make() {
    run("sdk_golden", async |_client, session| {
        let cases = [
            (Workflow::new().step(sql("a").named("x")).step(sql("b")), "('a' |=> 'x') ~> 'b'"),
            (Workflow::new().fan_out([sql("a"), sql("b")]), "'a' & 'b'"),
            (Workflow::new().fan_out([sql("a"), sql("b"), sql("c")]), "df.join3('a', 'b', 'c')"),
            (Workflow::new().race([sql("a"), sql("b")]), "'a' | 'b'"),
            (Workflow::new().race_tagged([sql("a"), sql("b")]), "df.race_tagged('a', 'b')"),
            (
                Workflow::new().select([
                    on(signal("a"), sql("x")),
                    on(signal("b"), sql("y")),
                    on(Workflow::new().sleep(Duration::from_secs(9)), sql("z")),
                ]),
                "df.as(df.race_tagged(df.wait_for_signal('a'), df.wait_for_signal('b'), df.sleep(9)), 'selected')
                 ~> ('SELECT $selected.branch = 1' ?> 'x' !> ('SELECT $selected.branch = 2' ?> 'y' !> 'z'))",
            ),
            (
                Workflow::new().step(sql("a").retry(
                    Retry::new().attempts(5).backoff(Duration::from_millis(500), 1.5, Duration::from_secs(60))
                        .without_jitter().on(["40*", "timeout"]).except(["40003"]).within(Duration::from_secs(86_400)),
                )),
                "df.retry('a', 5, '0.5 s', 1.5, '1 min', 'none', '{40*,timeout}', '{40003}', '1 day')",
            ),
            (Workflow::new().step(sql("a")).step(sql("b")).retry(Retry::new().unlimited()), "df.retry('a' ~> 'b', 0)"),
            (sql("a").timeout(Duration::from_millis(1500)), "df.timeout('a', '1.5 s')"),
            (Workflow::new().step(sql("a")).step(sql("b")).timeout(Duration::from_secs(30)), "df.timeout('a' ~> 'b', '30 s')"),
            (Workflow::new().step(sql("a")).catch(sql("b")), "df.catch('a', 'b')"),
            (Workflow::new().settle([sql("a"), sql("b")]), "df.join_settled('a', 'b')"),
            (Workflow::new().race_any([sql("a"), sql("b")]), "df.race_any('a', 'b')"),
            (Workflow::new().repeat_after_failures(sql("a")), "df.loop('a', NULL, true)"),
            (
                Workflow::new().step(sql("a")).catch_on(["23505"], fail("$error.message").sqlstate("pay01").detail("d").hint("h")),
                "df.catch('a', df.fail('$error.message', 'PAY01', 'd', 'h'), '{23505}')",
            ),
            (Workflow::new().branch(sql("a"), sql("b"), sql("c")), "'a' ?> 'b' !> 'c'"),
            (Workflow::new().repeat_while(sql("a"), sql("b")), "df.loop('a', 'b')"),
            (Workflow::new().repeat(Workflow::new().break_with("7")), "@> df.break('7')"),
            (Workflow::new().sleep(Duration::from_millis(1500)), "df.sleep(1.5)"),
            (
                Workflow::new().wait_for_signal(signal("s").timeout(Duration::from_secs(9))),
                "df.wait_for_signal('s', 9)",
            ),
            (Workflow::new().wait_for_schedule("0 9 * * 1-5"), "df.wait_for_schedule('0 9 * * 1-5')"),
        ];
        for (workflow, expression) in cases {
            let graph = workflow.graph().expect("it is right").to_json();
            assert_eq!(graph, session.value(&format!("SELECT {expression}")), "{expression}");
        }
    });
}

#[test]
fn a_select_handles_the_signals_in_the_order_sent() {
    run("sdk_select", async |client, session| {
        session.run("CREATE TABLE handled (at serial, what text)");
        let add = |what: &str| {
            sql(format!("INSERT INTO handled (what) SELECT '{what} ' || ($selected.result.data)::text"))
        };
        let workflow = Workflow::new().repeat(Workflow::new().select([
            on(signal("added"), add("added")),
            on(signal("removed"), add("removed")),
            on(signal("checked out"), Workflow::new().break_with("$selected.result.data")),
            on(Workflow::new().sleep(Duration::from_secs(600)), Workflow::new().break_with("too late")),
        ]));
        let run = workflow.start(&client).await.expect("it starts");
        for (name, item) in [("removed", 1), ("added", 2), ("added", 3), ("removed", 4), ("checked out", 5)] {
            run.signal(name, &item).await.expect("it is sent");
        }
        let total: i64 = run.result().await.expect("it completes").read().expect("a number");
        assert_eq!(total, 5);
        assert_eq!(
            session.value("SELECT string_agg(what, ', ' ORDER BY at) FROM handled"),
            "removed 1, added 2, added 3, removed 4"
        );
    });
}

#[test]
fn a_failure_tells_what_and_where() {
    run("sdk_fails", async |client, _session| {
        let started = Workflow::new()
            .step(sql("SELECT 1 AS n").named("one"))
            .step(sql("SELECT $one.n / 0"))
            .start(&client)
            .await
            .expect("it starts");
        let error = started.result().await.expect_err("it fails");
        let ResultError::Failed { failure, .. } = error else { panic!("{error}") };
        assert_eq!(failure.sqlstate.as_deref(), Some("22012"));
        assert_eq!(failure.message, "division by zero");
        assert_eq!(failure.node.as_deref(), Some("00000002"));
    });
}

#[test]
fn signals_and_cancellation_reach_the_instance() {
    run("sdk_steers", async |client, _session| {
        let waiting =
            || Workflow::new().wait_for_signal(signal("go").named("go")).step(sql("SELECT $go.data AS data"));
        let started = waiting().start(&client).await.expect("it starts");
        started.signal("go", &approval()).await.expect("it is there");
        let output = started.result().await.expect("it completes");
        assert_eq!(output.rows()[0]["data"]["approved"], true);
        let error = started.signal("go", &()).await.expect_err("it has ended");
        assert!(matches!(error, SignalError::Terminal(_)), "{error}");

        let started = waiting().start(&client).await.expect("it starts");
        started.cancel("no longer needed").await.expect("it is there");
        let error = started.result().await.expect_err("it is cancelled");
        let ResultError::Cancelled { failure, .. } = error else { panic!("{error}") };
        assert_eq!(failure.message, "no longer needed");
        started.cancel("again").await.expect("that does nothing");

        let unknown = client.run("ffffffff");
        assert!(matches!(unknown.status().await, Err(RunError::UnknownInstance(_))));
        assert!(matches!(unknown.cancel("x").await, Err(CancelError::UnknownInstance(_))));
        assert!(matches!(unknown.signal("x", &()).await, Err(SignalError::UnknownInstance(_))));
        assert!(matches!(unknown.result().await, Err(ResultError::UnknownInstance(_))));
    });
}

fn approval() -> std::collections::BTreeMap<&'static str, bool> {
    [("approved", true)].into()
}

#[test]
fn one_key_starts_one_instance() {
    run("sdk_key", async |client, session| {
        let workflow = Workflow::new().step(sql("SELECT 1")).idempotency_key("only one");
        let (a, b) = tokio::join!(workflow.start(&client), workflow.start(&client));
        assert_eq!(a.expect("it starts").id(), b.expect("it is there").id());
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "1");
        let faulty = Workflow::new().step(sql("SELECT $nothing")).start(&client).await;
        assert!(matches!(faulty, Err(StartError::Workflow(_))));
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "1");
    });
}

#[test]
fn what_fails_is_tried_again_and_caught() {
    run("sdk_failure", async |client, session| {
        session.run("CREATE SEQUENCE tries; CREATE TABLE noted (sqlstate text, message text)");
        let charge =
            sql("SELECT 10 / (CASE WHEN nextval('tries') < 3 THEN 0 ELSE 5 END) AS n").returns::<i64>();
        let retry = Retry::new().attempts(4).every(Duration::from_millis(2)).on(["22012"]);
        let started = Workflow::new().step(charge.retry(retry)).start(&client).await.expect("it starts");
        assert_eq!(started.result().await.expect("it completes"), 2);
        let attempts = started.attempts().await.expect("it is there");
        let told: Vec<_> =
            attempts.iter().map(|attempt| (attempt.number, attempt.sqlstate.as_str())).collect();
        assert_eq!(told, [(1, "22012"), (2, "22012")]);
        let nodes = started.nodes().await.expect("it is there");
        assert_eq!(nodes.last().expect("there are nodes").attempt, Some(3));

        let started = Workflow::new()
            .settle([sql("SELECT 1 AS n"), sql("SELECT 1/0")])
            .returns::<Vec<Settled>>()
            .start(&client)
            .await
            .expect("it starts");
        let ends = started.result().await.expect("it completes");
        assert!(matches!(&ends[0], Settled::Completed { result } if result["rows"][0]["n"] == 1), "{ends:?}");
        assert!(
            matches!(&ends[1], Settled::Failed { error } if error.sqlstate.as_deref() == Some("22012")),
            "{ends:?}"
        );

        let started = Workflow::new()
            .step(fail("no $input.what").sqlstate("PAY01"))
            .catch_on(["PAY*"], sql("INSERT INTO noted VALUES ($error.sqlstate, $error.message)"))
            .step(sql("SELECT count(*) FROM noted"))
            .input(&serde_json::json!({"what": "money"}))
            .start(&client)
            .await
            .expect("it starts");
        started.result().await.expect("it completes");
        assert_eq!(session.value("SELECT sqlstate || ' ' || message FROM noted"), "PAY01 no money");
    });
}

#[test]
fn a_policy_that_cannot_be_is_told_with_its_place() {
    let bad = Workflow::new().step(sql("SELECT 1").retry(Retry::new().on(["4000"])));
    let error = Workflow::new().step(sql("SELECT 2")).step(bad).graph().expect_err("it is wrong").to_string();
    assert!(error.contains("retry_on has '4000', which stands for no failures"), "{error}");
    let bad = Workflow::new().step(sql("SELECT 1")).catch_on(["all", "x"], sql("SELECT 2"));
    let error = bad.graph().expect_err("it is wrong").to_string();
    assert!(error.contains("errors has 'x'"), "{error}");
}
