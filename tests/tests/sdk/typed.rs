//! Results as Rust types.

use pg_durable_sdk::{Output, ResultError, Workflow, sql};
use serde::Deserialize;

use super::kit::run;

#[derive(Debug, PartialEq, Deserialize)]
struct Hold {
    id: i64,
    amount: f64,
    note: Option<String>,
}

#[test]
fn results_are_of_the_type_that_the_workflow_returns() {
    run("sdk_typed", async |client, _session| {
        let hold = sql("SELECT 7 AS id, 19.90 AS amount, NULL AS note").returns::<Hold>();
        // What `sql!` makes of a capture of `hold` before and after it was added.
        let workflow = Workflow::new().step(&hold);
        let query = format!(
            "SELECT ${0}.id + 1 AS id, ${0}.amount AS amount, 'x' AS note",
            hold.captured_from("hold")
        );
        let workflow = workflow.step(sql(query).returns::<Hold>());
        let started = workflow.start(&client).await.expect("it starts");
        let expected = Hold { id: 8, amount: 19.9, note: Some("x".to_owned()) };
        assert_eq!(started.result().await.expect("it completes"), expected);
        let reattached = client.run(started.id()).returns::<Option<Hold>>();
        assert_eq!(reattached.result().await.expect("it completes"), Some(expected));

        let all = Workflow::new().step(sql("SELECT n FROM generate_series(1, 3) AS n").returns::<Vec<i32>>());
        let all = all.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(all, [1, 2, 3]);

        let both = Workflow::new()
            .fan_out((sql("SELECT 1"), sql("SELECT 'a' AS a UNION ALL SELECT 'b'")))
            .returns::<(i64, Vec<String>)>();
        let both = both.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(both, (1, vec!["a".to_owned(), "b".to_owned()]));

        let none = Workflow::new().step(sql("SELECT 1 AS n WHERE false").returns::<Option<i64>>());
        let none = none.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(none, None);
    });
}

#[test]
fn a_result_of_another_type_is_kept_in_the_error() {
    run("sdk_mistyped", async |client, _session| {
        let workflow = Workflow::new().step(sql("SELECT 'seven' AS id").returns::<Hold>());
        let started = workflow.start(&client).await.expect("it starts");
        let error = started.result().await.expect_err("it does not fit");
        assert!(error.hint().is_some());
        let ResultError::Output { output, .. } = error else { panic!("{error}") };
        assert_eq!(output.one::<String>().expect("a text"), "seven");
        let output: Output = client.run(started.id()).result().await.expect("it completed");
        assert_eq!(output.rows().len(), 1);
    });
}
