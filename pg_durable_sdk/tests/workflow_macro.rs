//! Each construct of `#[workflow]` and the graph that it becomes.

#[allow(dead_code, reason = "what the workflows are run with is for the integration tests")]
mod constructs;

use constructs::constructs;

#[test]
fn the_macro_makes_the_graph_that_the_builder_makes() {
    for construct in constructs() {
        let graph = |workflow: &pg_durable_sdk::Workflow| {
            let graph = workflow.graph().unwrap_or_else(|error| panic!("{}: {error}", construct.name));
            serde_json::to_string_pretty(&graph).expect("a graph is JSON")
        };
        let (by_macro, by_builder) = (graph(&construct.by_macro), graph(&construct.by_builder));
        assert_eq!(by_macro, by_builder, "{}: left by the macro, right by the builder", construct.name);
    }
}

#[test]
fn graphs_stay_as_they_are() {
    for construct in constructs() {
        let graph = construct.by_macro.graph().expect("it is right");
        insta::assert_json_snapshot!(construct.name, graph);
    }
}

#[test]
fn what_only_the_types_know_is_a_fault_of_the_graph() {
    use pg_durable_sdk::{JsonSchema, workflow};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Order {
        order_id: i64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Hold {
        #[serde(rename = "number")]
        id: i64,
    }

    #[workflow(name = "renamed")]
    async fn renamed(order: Order) -> Result<Hold> {
        let hold: Hold = sql!("SELECT {order.order_id} AS number").await?;
        sql!("SELECT {hold}").await?;
        Ok(Hold { id: hold.id })
    }

    let error = renamed().graph().unwrap_err();
    let faults: Vec<String> =
        error.faults().iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
    assert_eq!(
        faults,
        [
            "root.left.left: the field order_id is not called so in JSON: it has orderId",
            "root.left.right: hold is a row, and a row is not one value",
            "root.right: the field id is not called so in JSON: it has number",
            "root.right: the field id is not called so in JSON: it has number",
        ]
    );
}

#[test]
fn a_workflow_is_a_definition() {
    use pg_durable_sdk::{Definition, workflow};

    /// Kept, and shown by editors.
    #[workflow(name = "nightly")]
    pub async fn nightly() -> Result<()> {
        sql!("CALL nightly()").await?;
        Ok(())
    }

    let definition: Definition<(), ()> = nightly();
    assert_eq!((definition.name(), definition.version()), ("nightly", 1));
}

#[test]
fn a_result_is_captured_by_what_leaves_it() {
    use pg_durable_sdk::{Workflow, signal, sql, workflow};
    use std::time::Duration;

    #[workflow(name = "either")]
    async fn either() -> Result<bool> {
        let first: constructs::Approval = race!(signal("a"), signal("b")).await?;
        let own = signal("c").timeout(hours(1)).returns::<constructs::Approval>().await?;
        let pause = sleep(millis(1)).await?;
        let (waited, count): ((), i64) = join!(async { sleep(millis(2)).await }, sql!("SELECT 1")).await?;
        sql!("SELECT {first.approved}::boolean AND {own.approved}::boolean AND {count} = 1").await
    }

    let wait = |millis| Workflow::new().sleep(Duration::from_millis(millis));
    let built = Workflow::new()
        .step(Workflow::new().race((signal("a"), signal("b"))).named("first"))
        .wait_for_signal(signal("c").timeout(Duration::from_secs(3600)).named("own"))
        .step(wait(1))
        .fan_out((wait(2), sql("SELECT 1").named("count")))
        .step(sql("SELECT $first.data.approved::boolean AND $own.data.approved?::boolean AND $count = 1"));
    assert_eq!(either().explain(), built.explain());
    assert!(either().graph().is_ok());
}
