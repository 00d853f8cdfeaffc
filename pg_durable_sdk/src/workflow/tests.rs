use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{schedule, signal, sql};

fn check(workflow: Workflow, wire: Value) {
    let graph = workflow.graph().expect("the workflow is right");
    assert_eq!(serde_json::to_value(&graph).expect("a graph is JSON"), wire);
}

fn check_faults(workflow: Workflow, expected: &[(&str, &str)]) {
    let error = workflow.graph().expect_err("the workflow has faults");
    let faults: Vec<_> =
        error.faults().iter().map(|fault| (fault.path.as_str(), fault.message.as_str())).collect();
    assert_eq!(faults, expected);
}

fn one() -> Value {
    json!({"node_type": "SQL", "query": "SELECT 1"})
}

#[test]
fn steps_follow_each_other() {
    check(
        Workflow::new().step(sql("SELECT 1").named("a")).step(sql("SELECT $a")).step(sql("SELECT 1")),
        json!({
            "node_type": "THEN",
            "left_node": {
                "node_type": "THEN",
                "left_node": {"node_type": "SQL", "query": "SELECT 1", "result_name": "a"},
                "right_node": {"node_type": "SQL", "query": "SELECT $a"},
            },
            "right_node": one(),
        }),
    );
}

#[test]
fn fan_out_takes_any_number_of_branches() {
    check(Workflow::new().fan_out([sql("SELECT 1")]), one());
    check(
        Workflow::new().fan_out((sql("SELECT 1"), Workflow::new().step(sql("SELECT 1")), sql("SELECT 1"))),
        json!({"node_type": "JOIN", "left_node": one(), "right_node": one(), "extra_nodes": [one()]}),
    );
}

#[test]
fn every_kind_has_its_wire_form() {
    check(
        Workflow::new().race((
            signal("go").timeout(Duration::from_secs(5)),
            Workflow::new().sleep(Duration::from_millis(500)),
        )),
        json!({
            "node_type": "RACE",
            "left_node": {"node_type": "SIGNAL", "query": "{\"signal_name\":\"go\",\"timeout_seconds\":5}"},
            "right_node": {"node_type": "SLEEP", "query": "0.5"},
        }),
    );
    check(
        Workflow::new().branch(sql("SELECT 1"), sql("SELECT 1"), sql("SELECT 1")),
        json!({"node_type": "IF", "left_node": one(), "right_node": one(), "condition_node": one()}),
    );
    check(
        Workflow::new().when(sql("SELECT 1"), sql("SELECT 1")),
        json!({
            "node_type": "IF",
            "left_node": one(),
            "right_node": {"node_type": "SLEEP", "query": "0"},
            "condition_node": one(),
        }),
    );
    check(
        Workflow::new().repeat_while(sql("SELECT 1"), sql("SELECT 1")),
        json!({"node_type": "LOOP", "left_node": one(), "condition_node": one()}),
    );
    check(
        Workflow::new().repeat(Workflow::new().break_with("7")),
        json!({"node_type": "LOOP", "left_node": {"node_type": "BREAK", "query": "{\"break_value\":\"7\"}"}}),
    );
    check(
        Workflow::new().wait_for_schedule(schedule("0 9 * * 1-5")),
        json!({"node_type": "WAIT_SCHEDULE", "query": "{\"cron_expr\":\"0 9 * * 1-5\"}"}),
    );
}

#[test]
fn faults_are_found_before_anything_is_sent() {
    let hint_of = |workflow: Workflow| workflow.graph().expect_err("faulty").faults().len();
    assert_eq!(hint_of(Workflow::new()), 1);
    assert_eq!(hint_of(Workflow::new().break_loop()), 1);
    assert_eq!(hint_of(Workflow::new().wait_for_schedule("99 * * * *")), 1);
    assert_eq!(hint_of(Workflow::new().step(sql("SELECT $missing"))), 1);
    check_faults(
        Workflow::new()
            .fan_out([sql("SELECT 1"), sql("SELECT 1")])
            .step(Workflow::new().fan_out(Vec::<crate::Step>::new())),
        &[("root.right", "fan_out has no branches")],
    );
}

#[test]
fn drawings_do_not_change_from_run_to_run() {
    let workflow =
        || Workflow::new().step(sql("SELECT 1").named("a")).fan_out([sql("SELECT $a"), sql("SELECT 1")]);
    assert_eq!(workflow().explain(), workflow().explain());
    assert!(workflow().to_mermaid().starts_with("flowchart TD"));
}

#[test]
fn a_captured_step_is_named_after_its_variable() {
    let hold = sql("SELECT 1 AS id");
    // Added before it is captured: the name is shared.
    let workflow = Workflow::new().step(&hold);
    let query = format!("SELECT ${}.id", hold.captured_from("hold"));
    check(
        workflow.step(sql(query)),
        json!({
            "node_type": "THEN",
            "left_node": {"node_type": "SQL", "query": "SELECT 1 AS id", "result_name": "hold"},
            "right_node": {"node_type": "SQL", "query": "SELECT $hold.id"},
        }),
    );
    // One step has one name, and its own comes first.
    assert_eq!(hold.clone().captured_from("other"), "hold");
    assert_eq!(hold.named("mine").captured_from("other"), "mine");
    // $input is the instance's.
    assert_eq!(sql("SELECT 1").captured_from("input"), "input_");
}

#[test]
fn one_step_may_stand_in_several_places() {
    let hold = sql("SELECT 1");
    hold.captured_from("hold");
    let workflow = Workflow::new().branch(sql("SELECT true"), &hold, hold.clone()).step(sql("SELECT $hold"));
    let graph = workflow.graph().expect("the workflow is right");
    assert_eq!(graph.iter().filter(|(_, node)| node.result_name.as_deref() == Some("hold")).count(), 2);
}

#[test]
fn two_steps_cannot_be_named_after_variables_of_one_name() {
    let captured = |name: &str| {
        let step = sql("SELECT 1");
        step.captured_from(name);
        step
    };
    let taken = "this step is named a after its variable, and another step has that name too";
    check_faults(Workflow::new().step(captured("a")).step(captured("a")), &[("root.right", taken)]);
    check_faults(
        Workflow::new().step(Workflow::new().step(captured("a")).step(sql("SELECT 1").named("a"))),
        &[("root.left", taken)],
    );
    check_faults(
        Workflow::new().step(captured("größe")).step(sql("SELECT 1")),
        &[(
            "root.left",
            "df.as: result name 'größe' is not a valid identifier \u{2014} must match [a-zA-Z_][a-zA-Z0-9_]*",
        )],
    );
}

#[test]
fn rows_of_a_step_are_looked_for_by_its_handle() {
    let on_rows = |workflow: Workflow| {
        let wire = serde_json::to_value(workflow.graph().expect("the workflow is right")).expect("JSON");
        let config: Value =
            serde_json::from_str(wire["right_node"]["query"].as_str().expect("text")).expect("JSON");
        assert_eq!(wire["left_node"]["result_name"], config["result_name"]);
        config["result_name"].clone()
    };
    let branch = |mail: &crate::Step| {
        // Deep enough for its node to move when the graph around it grows.
        let inner = Workflow::new().branch_on_rows(mail, sql("SELECT 1"), sql("SELECT 2"));
        Workflow::new().step(mail).step(inner)
    };
    assert_eq!(on_rows(branch(&sql("SELECT 1").named("mine"))), "mine");

    // Captured after the branch was made: the name is shared.
    let mail = sql("SELECT 1");
    let workflow = branch(&mail);
    let nameless = "the step whose rows are looked for has no name";
    check_faults(workflow.clone(), &[("root.right", nameless)]);
    let error = workflow.graph().expect_err("there is no name");
    assert_eq!(error.hint(), Some("Name it with named(), or capture it with sql!."));
    mail.captured_from("mail");
    assert_eq!(on_rows(workflow), "mail");

    // A step that is in no workflow.
    let elsewhere = sql("SELECT 1").named("elsewhere");
    let workflow = Workflow::new().branch_on_rows(&elsewhere, sql("SELECT 1"), sql("SELECT 2"));
    assert_eq!(workflow.graph().expect_err("nothing has that name").path(), "root");
}
