//! The graphs of the examples, as JSON, as text and as Mermaid: a change of any shows in a review.

use pg_durable_examples::{ingest, maintenance, nightly, order_approval};
use pg_durable_sdk::Workflow;

fn check<T>(name: &str, workflow: &Workflow<T>) {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!(format!("{name}.graph"), workflow.graph().expect("it is right"));
        insta::assert_snapshot!(format!("{name}.explain"), workflow.explain());
        insta::assert_snapshot!(format!("{name}.mermaid"), workflow.to_mermaid());
    });
}

#[test]
fn order_approval_stays_as_it_is() {
    check("order_approval", order_approval::fulfil().workflow());
}

#[test]
fn ingest_stays_as_it_is() {
    check("ingest", ingest::load().workflow());
}

#[test]
fn nightly_stays_as_it_is() {
    check("nightly", &nightly::every_night(&["north", "south"].map(str::to_owned)));
}

#[test]
fn maintenance_stays_as_it_is() {
    check("maintenance", &maintenance::maintain(&["app.visits", "app.\"Orders\""]));
}
