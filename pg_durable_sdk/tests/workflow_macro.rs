//! Each construct of `#[workflow]` and the graph that it becomes.

#[allow(dead_code, reason = "what the workflows are run with is for the integration tests")]
mod constructs;

#[allow(dead_code, reason = "what the workflows are run with is for the integration tests")]
mod matrix;

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
fn a_constant_in_a_message_is_no_reference() {
    use pg_durable_sdk::workflow;

    const PRICE: &str = "5 $ of $order.id";
    const PLAIN: f64 = 1.5;

    #[workflow(name = "refused")]
    async fn refused() -> Result<()> {
        fail!("{PLAIN} and \"{PLAIN}\"").detail("{PRICE}")
    }

    let error = refused().graph().unwrap_err();
    let faults: Vec<&str> = error.faults().iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(faults, ["the value '5 $ of $order.id' would be read as a reference"]);
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

    mod names {
        pub const WEEKLY: &str = "weekly";
    }

    #[workflow(name = names::WEEKLY, version = 2)]
    async fn weekly() -> Result<()> {
        Ok(())
    }

    #[workflow(name = concat!("month", "ly"))]
    async fn monthly() -> Result<()> {
        Ok(())
    }

    assert_eq!((weekly().name(), weekly().version()), ("weekly", 2));
    assert_eq!(monthly().name(), "monthly");
}

#[test]
fn a_definition_knows_what_its_signals_bring() {
    use constructs::Approval;
    use pg_durable_sdk::workflow;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct WithoutSchema {
        id: i64,
    }
    const BY_CONSTANT: &str = "by constant";

    #[workflow(name = "typed")]
    async fn typed() -> Result<()> {
        let _a: Approval = signal("by let").await?;
        let _b: Option<Approval> = signal(BY_CONSTANT).timeout(hours(1)).await?;
        if let Some(_c) = signal("by returns").timeout(hours(1)).returns::<Approval>().await? {
            signal::<Vec<i64>>("in a branch").await?;
        }
        select! {
            _d: Approval = signal("in select") => { signal::<String>("in a handler").await?; }
            _ = sleep(hours(1)) => {}
        }
        let (_e, _f): (Approval, i64) = join!(signal("in join"), signal("number")).await?;
        let _g: Approval = race!(signal("in race"), signal("by let")).await?;
        signal::<()>("nothing").await?;
        let _h: Approval = match retry!(Retry::new(), async {
            let h: Approval = signal("in retry").await?;
            Ok(h)
        })
        .await
        {
            Ok(h) => h,
            Err(_) => {
                let h: Approval = signal("in an arm").await?;
                Approval { approved: h.approved, by: None }
            }
        };
        Ok(())
    }

    #[workflow(name = "untyped")]
    async fn untyped() -> Result<()> {
        signal("anything").await?;
        signal::<WithoutSchema>("without schema").await?;
        signal::<i64>("sometimes").await?;
        signal("sometimes").await?;
        signal::<i64>("two").await?;
        signal::<String>("two").await?;
        Ok(())
    }

    let schemas = typed().signal_schemas();
    let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
    let approvals =
        ["by constant", "by let", "by returns", "in an arm", "in join", "in race", "in retry", "in select"];
    let others = ["in a branch", "in a handler", "nothing", "number"];
    assert_eq!(names.len(), approvals.len() + others.len(), "{names:?}");
    for name in approvals {
        assert_eq!(schemas[name]["required"], serde_json::json!(["approved"]), "{name}");
    }
    assert_eq!(schemas["in a branch"]["items"]["type"], "integer");
    assert_eq!(schemas["in a handler"]["type"], "string");
    assert_eq!(schemas["number"]["type"], "integer");
    assert_eq!(schemas["nothing"]["enum"], serde_json::json!([null, {}]));
    assert!(untyped().signal_schemas().is_empty(), "{:?}", untyped().signal_schemas());
}

#[test]
fn an_instance_knows_its_id() {
    use pg_durable_sdk::{Workflow, sql, workflow};
    use serde::Serialize;

    #[derive(Serialize, pg_durable_sdk::JsonSchema)]
    struct Run {
        id: i64,
    }

    #[workflow(name = "own")]
    async fn own() -> Result<String> {
        Ok(run.id)
    }
    // A name of the body takes its place.
    #[workflow(name = "other")]
    async fn other(run: Run) -> Result<i64> {
        Ok(run.id)
    }

    let select = |text| Workflow::new().step(sql(text)).explain();
    assert_eq!(own().explain(), select("SELECT '{sys_instance_id}'::text AS value"));
    assert_eq!(other().explain(), select("SELECT $input.id::bigint AS value"));
}

#[test]
fn a_result_is_captured_by_what_leaves_it() {
    use pg_durable_sdk::{Workflow, signal, sql, workflow};
    use std::time::Duration;

    #[allow(unused_variables, reason = "a wait leaves nothing to use")]
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

#[test]
fn fields_follow_a_value_into_every_graph() {
    let drawn = matrix::cells().into_iter().map(|cell| {
        let (source, way) = (cell.source, cell.way);
        let graph = cell.workflow.graph().unwrap_or_else(|error| panic!("{source}, {way}: {error}"));
        let mut lines = vec![format!("{source}, {way}")];
        draw(&serde_json::to_value(graph).expect("a graph is JSON"), 1, &mut lines);
        lines.join("\n")
    });
    insta::assert_snapshot!("matrix", drawn.collect::<Vec<_>>().join("\n\n"));
}

/// A line for each node but THEN, with all of its text.
fn draw(node: &serde_json::Value, depth: usize, lines: &mut Vec<String>) {
    let text = |member: &str| node[member].as_str().unwrap_or_default();
    let inner = match text("node_type") {
        "THEN" => depth,
        kind => {
            let name = if text("result_name").is_empty() { "" } else { " -> " };
            let line = format!("{}{kind} {}{name}{}", "  ".repeat(depth), text("query"), text("result_name"));
            lines.push(line.trim_end().to_owned());
            depth + 1
        }
    };
    for child in ["condition_node", "left_node", "right_node"] {
        if node[child].is_object() {
            draw(&node[child], inner, lines);
        }
    }
    for child in node["nodes"].as_array().into_iter().flatten() {
        draw(child, inner, lines);
    }
}
