//! Workflows that the server looks at before they run.

use pg_durable_sdk::{CheckError, Client, Definition, Fault, JsonSchema, Workflow, sql};
use serde::Serialize;

use super::kit::run;

async fn faults(client: &Client, workflow: &Workflow) -> Vec<Fault> {
    match client.check(workflow).await {
        Ok(notes) => panic!("nothing is wrong: {notes:?}"),
        Err(CheckError::Workflow(error)) => error.faults().to_vec(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn steps_are_planned_in_the_order_of_their_bindings() {
    run("sdk_check", async |client, session| {
        session.run("CREATE TABLE shops (id bigint, region text); CREATE TABLE visits (shop bigint)");
        let shop = || Workflow::new().step(sql("SELECT id, region FROM shops").named("shop"));
        let right = shop().step(sql("INSERT INTO visits VALUES ($shop.id)"));
        assert_eq!(client.check(&right).await.expect("it is right"), []);
        assert_eq!(session.value("SELECT count(*) FROM visits"), "0");

        let found = faults(&client, &shop().step(sql("INSERT INTO visits VALUES ($shop.region)"))).await;
        assert_eq!((found[0].path.as_str(), found[0].sqlstate.as_deref()), ("root.right", Some("42804")));
        let found = faults(&client, &shop().fan_out([sql("SELECT 1"), sql("SELECT * FROM nowhere")])).await;
        assert_eq!(
            (found[0].path.as_str(), found[0].sqlstate.as_deref()),
            ("root.right.right", Some("42P01"))
        );

        // What the builder sees is not sent at all.
        let found = faults(&client, &Workflow::new().step(sql("SELECT $nothing"))).await;
        assert_eq!((found[0].path.as_str(), &found[0].sqlstate), ("root", &None));

        let made_by_a_step =
            Workflow::new().step(sql("CREATE TABLE later (n int)")).step(sql("INSERT INTO later VALUES (1)"));
        let notes = client.check(&made_by_a_step).await.expect("nobody can tell that it is wrong");
        assert_eq!(notes[0].path, "root.right");
        assert_eq!(session.value("SELECT to_regclass('later') IS NULL"), "t");
    });
}

#[derive(Serialize, JsonSchema)]
struct Visit {
    shop: i64,
    day: String,
}

#[test]
fn a_definition_is_checked_with_the_types_of_its_input() {
    run("sdk_check_input", async |client, session| {
        session.run("CREATE TABLE visits (shop bigint)");
        fn visit(query: &str) -> Definition<Visit, Vec<i64>> {
            Definition::new("visit", 1, || Workflow::new().step(sql(query).returns()))
        }
        let right = || visit("INSERT INTO visits VALUES ($input.shop) RETURNING shop");
        assert_eq!(client.check(right).await.expect("it is right"), []);
        let error =
            client.check(visit("INSERT INTO visit VALUES ($input)")).await.expect_err("no such table");
        let CheckError::Workflow(error) = error else { panic!("{error}") };
        assert_eq!(error.faults()[0].sqlstate.as_deref(), Some("42P01"));
    });
}
