//! Workflows written with `#[workflow]` on a real server: they leave what the builder's leave.

#[path = "../../pg_durable_sdk/tests/constructs/mod.rs"]
mod constructs;

use constructs::{Construct, constructs};
use pg_durable_sdk::{Output, Workflow};
use pg_durable_tests::server::{literal, shared, tester};
use pg_durable_tests::session::Session;
use serde_json::Value;

#[test]
fn workflows_of_the_macro_leave_what_those_of_the_builder_leave() {
    tester(shared(), "macro_constructs");
    let session = Session::open(shared(), "macro_constructs", "postgres").expect("the role may log in");
    for construct in constructs() {
        let (by_macro, by_builder) = (
            run(&session, &construct, &construct.by_macro),
            run(&session, &construct, &construct.by_builder),
        );
        assert_eq!(by_macro, construct.result, "{}", construct.name);
        assert_eq!(by_builder, construct.result, "{}, by the builder", construct.name);
    }
}

/// The rows that a workflow leaves.
fn run(session: &Session, construct: &Construct, workflow: &Workflow<Output>) -> Value {
    let graph = workflow.graph().unwrap_or_else(|error| panic!("{}: {error}", construct.name)).to_json();
    let input = construct.input.to_string();
    let id = session.value(&format!("SELECT df.start({}, input => {})", literal(&graph), literal(&input)));
    for (name, payload) in &construct.signals {
        let payload = payload.to_string();
        session.run(&format!("SELECT df.signal('{id}', {}, {})", literal(name), literal(&payload)));
    }
    let status = session.value(&format!("SELECT df.await_instance('{id}', 30)"));
    let failure = || session.value(&format!("SELECT coalesce((SELECT e::text FROM df.error('{id}') e), '')"));
    assert_eq!(status, "completed", "{}: {}", construct.name, failure());
    let rows = session.value(&format!("SELECT coalesce(df.result('{id}')::jsonb->'rows', 'null')"));
    serde_json::from_str(&rows).expect("rows are JSON")
}
