//! Definitions: started with their input, registered, run by name.

use std::time::Duration;

use pg_durable_sdk::{
    Client, Definition, JsonSchema, RegisterError, ResultError, Run, RunAs, StartError, Workflow, signal,
    sql, workflow,
};
use pg_durable_tests::server::{administer, shared, tester};
use serde::{Deserialize, Serialize};

use super::kit::{PATIENCE, in_runtime, own_server, run};

#[derive(Serialize, JsonSchema)]
#[schemars(crate = "pg_durable_sdk::schemars")]
struct Order {
    id: i64,
    sku: String,
    qty: i32,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[schemars(crate = "pg_durable_sdk::schemars")]
struct Receipt {
    invoice: i64,
    sku: String,
}

fn order() -> Order {
    Order { id: 7, sku: "A-1".to_owned(), qty: 2 }
}

fn receipt() -> Receipt {
    Receipt { invoice: 9, sku: "A-1".to_owned() }
}

fn fulfil() -> Definition<Order, Receipt> {
    fulfil_by("SELECT $input.id::bigint + $input.qty::bigint AS invoice, $input.sku AS sku")
}

/// The same under the same version, but for the SQL.
fn fulfil_otherwise() -> Definition<Order, Receipt> {
    fulfil_by("SELECT $input.id::bigint - $input.qty::bigint AS invoice, $input.sku AS sku")
}

fn fulfil_by(query: &str) -> Definition<Order, Receipt> {
    Definition::new("order.fulfil", 1, || Workflow::new().step(sql(query).returns::<Receipt>()))
}

/// The same under another name: names belong to all of the server.
fn named(name: &'static str) -> Definition<Order, Receipt> {
    Definition::new(name, 1, || fulfil().workflow().clone())
}

fn count() -> Definition<(), i64> {
    Definition::new("count", 1, || Workflow::new().step(sql("SELECT 42").returns()))
        .description("Counts to 42.")
}

fn whoami() -> Definition<(), String> {
    Definition::new("sdk.whoami", 1, || Workflow::new().step(sql("SELECT current_user::text").returns()))
        .run_as(RunAs::Owner)
}

#[test]
fn a_definition_is_started_with_its_input() {
    run("sdk_definition", async |client, session| {
        let started: Run<Receipt> = client.start(fulfil, order()).await.expect("it starts");
        assert_eq!(started.result().await.expect("it completes"), receipt());
        assert_eq!(session.value("SELECT label FROM df.instances"), "order.fulfil");

        let again = |key: &'static str| client.start(fulfil(), order()).label("again").idempotency_key(key);
        let (a, b) = tokio::join!(again("one"), again("one"));
        assert_eq!(a.expect("it starts").id(), b.expect("it starts").id());
        assert_eq!(session.value("SELECT count(*) FROM df.instances WHERE label = 'again'"), "1");

        let config = shared().dsn("sdk_definition", "postgres");
        let (mut db, connection) =
            tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("it connects");
        tokio::spawn(connection);
        let tx = db.transaction().await.expect("it begins");
        let id = client.start(fulfil, order()).start_in(&tx).await.expect("it starts");
        tx.rollback().await.expect("it rolls back");
        assert!(matches!(client.run(id).result().await, Err(ResultError::UnknownInstance(_))));

        // A workflow that is not a definition has its input, too.
        let workflow = Workflow::new().input(&order()).step(sql("SELECT $input.qty::int").returns::<i32>());
        let started = workflow.start(&client).await.expect("it starts");
        assert_eq!(started.result().await.expect("it completes"), 2);
    });
}

#[test]
fn a_day_passes_when_the_test_says_so() {
    let server = own_server();
    in_runtime(async {
        let client = Client::connect(&server.dsn("app", "postgres")).await.expect("it connects");
        let approval = signal("approval").timeout(Duration::from_secs(24 * 60 * 60)).named("approval");
        let workflow = Workflow::new()
            .wait_for_signal(approval)
            .step(sql("SELECT $approval.timed_out").returns::<bool>());
        let started = workflow.start(&client).await.expect("it starts");
        started.until_waiting_for("signal approval").await.expect("it comes to that");
        let day = Duration::from_secs(24 * 60 * 60);
        tokio::task::block_in_place(|| server.advance(day)).expect("the clock moves");
        assert!(started.result().await.expect("it completes"));
    });
}

#[test]
fn a_registered_workflow_is_run_by_name() {
    run("sdk_registered", async |client, session| {
        let fulfil = || named("sdk.registered");
        client.register(fulfil).await.expect("it is registered");
        client.register(fulfil).await.expect("the same once more is nothing");
        let input = serde_json::json!({"id": 7, "sku": "A-1", "qty": 2});
        let started =
            client.run_named("sdk.registered", &input).returns::<Receipt>().await.expect("it starts");
        assert_eq!(started.result().await.expect("it completes"), receipt());
        let started = client.run_version("sdk.registered", 1, &order()).await.expect("it starts");
        assert_eq!(
            started.result().await.expect("it completes").one::<Receipt>().expect("it fits"),
            receipt()
        );
        // And from SQL.
        session.run("SELECT df.run('sdk.registered', '{\"id\": 7, \"sku\": \"A-1\", \"qty\": 2}', label => 'from SQL')");
        assert_eq!(
            session.value("SELECT input_schema ->> 'title' FROM df.workflows WHERE name = 'sdk.registered'"),
            "Order"
        );

        let key = "mine";
        let started =
            client.run_named("sdk.registered", &order()).idempotency_key(key).await.expect("it starts");
        let found = client.find(key).await.expect("it is asked").expect("it is there");
        assert_eq!(found.id(), started.id());
    });
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "pg_durable_sdk::schemars")]
struct Approval {
    approved: bool,
}

#[workflow(name = "sdk.decide", version = 1)]
async fn decide() -> Result<bool> {
    let approval: Approval = signal("approval").await?;
    Ok(approval.approved)
}

fn decide_built() -> Definition<(), bool> {
    let decided = sql("SELECT $approval.data.approved::boolean").returns();
    Definition::new("sdk.decide_built", 1, || {
        Workflow::new().wait_for_signal(signal("approval").named("approval")).step(decided)
    })
    .signal::<Approval>("approval")
}

#[test]
fn a_signal_that_does_not_fit_is_refused() {
    run("sdk_signal_schema", async |client, _| {
        client.register((decide, decide_built)).await.expect("they are registered");
        for name in ["sdk.decide", "sdk.decide_built"] {
            let started = client.run_named(name, &()).returns::<bool>().await.expect("it starts");
            let wrong = serde_json::json!({"approved": "perhaps"});
            let error = started.signal("approval", &wrong).await.expect_err("it does not fit");
            assert_eq!(error.sqlstate(), Some("22023"), "{name}: {error}");
            assert!(error.to_string().contains("approval"), "{name}: {error}");
            started.signal("approval", &Approval { approved: true }).await.expect("it fits");
            assert!(started.result().await.expect("it completes"), "{name}");
        }
    });
}

#[test]
fn an_input_that_does_not_fit_starts_nothing() {
    run("sdk_schema", async |client, session| {
        client.register(named("sdk.schema")).await.expect("it is registered");
        let input = serde_json::json!({"id": "seven", "qty": 2});
        let error = client.run_named("sdk.schema", &input).await.expect_err("it does not fit");
        assert_eq!(error.sqlstate(), Some("22023"));
        assert!(error.hint().is_some(), "{error}");
        let StartError::InvalidInput { name, violations, .. } = error else { panic!("{error}") };
        assert_eq!(name, "sdk.schema");
        let pointers: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
        assert!(pointers.contains(&"/id") && pointers.contains(&""), "{violations:?}");

        let unknown = client.run_named("sdk.nothing", &()).await.expect_err("it is not registered");
        assert!(
            matches!(&unknown, StartError::UnknownWorkflow { name, version: None, .. } if name == "sdk.nothing"),
            "{unknown:?}"
        );
        assert!(unknown.hint().is_some());
        let unknown = client.run_version("sdk.schema", 2, &order()).await.expect_err("there is one version");
        assert!(matches!(unknown, StartError::UnknownWorkflow { version: Some(2), .. }), "{unknown:?}");
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "0");
    });
}

#[test]
fn a_changed_workflow_needs_another_version() {
    run("sdk_conflict", async |client, session| {
        client.register(fulfil).await.expect("it is registered");
        // All or none: the first of the two is not registered either.
        let error = client.register((count, fulfil_otherwise)).await.expect_err("it is another");
        assert_eq!(error.sqlstate(), Some("42710"));
        assert!(error.hint().is_some());
        let RegisterError::Conflict { difference, .. } = error else { panic!("{error}") };
        assert!(
            difference.contains("- ") && difference.contains("$input.id::bigint - $input.qty::bigint"),
            "{difference}"
        );
        assert_eq!(session.value("SELECT count(*) FROM df.workflows WHERE name = 'count'"), "0");
        client.register((count, fulfil)).await.expect("both are right");
        assert_eq!(
            session.value("SELECT description FROM df.workflows WHERE name = 'count'"),
            "Counts to 42."
        );

        // What takes no input is run without one.
        session.run("SELECT df.run('count')");
        assert_eq!(
            client
                .run_named("count", &())
                .returns::<i64>()
                .await
                .expect("it starts")
                .result()
                .await
                .expect("it completes"),
            42
        );
        let error = client.run_named("count", &7).await.expect_err("it takes nothing");
        assert!(matches!(error, StartError::InvalidInput { .. }), "{error:?}");

        let faulty = || -> Definition<(), i64> {
            Definition::new("sdk.faulty", 1, || Workflow::new().step(sql("SELECT $nothing").returns()))
        };
        let error = client.register((count, faulty)).await.expect_err("it is faulty");
        assert!(matches!(&error, RegisterError::Workflow { name, .. } if name == "sdk.faulty"), "{error:?}");
        assert!(error.hint().is_some());
    });
}

#[test]
fn grants_say_who_runs_what_as_whom() {
    run("sdk_owner", async |owner, session| {
        owner.register(whoami).await.expect("it is registered");
        tokio::task::block_in_place(|| tester(shared(), "sdk_guest"));
        let guest = Client::connect(&shared().dsn("sdk_guest", "postgres")).await.expect("it connects");
        let error = guest.run_named("sdk.whoami", &()).await.expect_err("it is not theirs");
        assert!(matches!(error, StartError::UnknownWorkflow { .. }), "{error:?}");
        let error = guest.register(whoami).await.expect_err("the name is not theirs");
        assert!(matches!(error, RegisterError::NotAllowed { .. }), "{error:?}");

        session.run("SELECT df.grant_run('sdk.whoami', 'sdk_guest')");
        let started = guest.run_named("sdk.whoami", &()).idempotency_key("once").returns::<String>().await;
        let started = started.expect("they may now");
        let result = tokio::time::timeout(PATIENCE, started.result()).await.expect("it ends");
        assert_eq!(result.expect("it completes"), "sdk_owner");
        let found = guest.find("once").await.expect("it is asked").expect("it is there");
        assert_eq!(found.id(), started.id());

        tokio::task::block_in_place(|| administer(shared(), "SELECT df.revoke_usage('sdk_guest')"));
        let error = guest.run_named("sdk.whoami", &()).await.expect_err("they may nothing");
        assert!(matches!(error, StartError::NotAllowed { .. }), "{error:?}");
    });
}
