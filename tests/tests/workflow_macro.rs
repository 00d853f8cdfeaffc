//! Workflows written with `#[workflow]` on a real server: they leave what the builder's leave.

#[path = "../../pg_durable_sdk/tests/constructs/mod.rs"]
mod constructs;
#[path = "../../pg_durable_sdk/tests/matrix/mod.rs"]
mod matrix;

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
        let left = match construct.failure {
            None => Ok(construct.result.clone()),
            Some(failure) => Err(failure.map(|text| text.map(str::to_owned)).to_vec()),
        };
        let (by_macro, by_builder) = (
            run(&session, &construct, &construct.by_macro),
            run(&session, &construct, &construct.by_builder),
        );
        assert_eq!(by_macro, left, "{}", construct.name);
        assert_eq!(by_builder, left, "{}, by the builder", construct.name);
    }
}

#[test]
fn fields_follow_a_value_wherever_it_goes() {
    tester(shared(), "macro_matrix");
    let session = Session::open(shared(), "macro_matrix", "postgres").expect("the role may log in");
    let schema = schemars::schema_for!(matrix::Input).to_value().to_string();
    let input = matrix::input();
    let mut wrong = Vec::new();
    for cell in matrix::cells() {
        let name = format!("{}, {}", cell.source, cell.way);
        let graph = cell.workflow.graph().unwrap_or_else(|error| panic!("{name}: {error}")).to_json();
        let check =
            format!("SELECT sqlstate, message FROM df.check({}, {})", literal(&graph), literal(&schema));
        match session.rows(&check) {
            Ok(findings) if findings.is_empty() => {}
            findings => wrong.push(format!("{name}: df.check: {findings:?}")),
        }
        match result(&session, &cell.workflow, &input, &matrix::signals()) {
            Ok(output) => {
                let found = (cell.read)(&output);
                if found != cell.result {
                    wrong.push(format!("{name}: {found}, not {}", cell.result));
                }
            }
            Err(failure) => wrong.push(format!("{name}: {failure:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// SQLSTATE, message, detail and hint.
type Failure = Vec<Option<String>>;

/// The rows that a workflow leaves, or why it failed.
fn run(session: &Session, construct: &Construct, workflow: &Workflow<Output>) -> Result<Value, Failure> {
    let output = result(session, workflow, &construct.input, &construct.signals)?;
    Ok(output.json().get("rows").cloned().unwrap_or_default())
}

fn result(
    session: &Session,
    workflow: &Workflow<Output>,
    input: &Value,
    signals: &[(&str, Value)],
) -> Result<Output, Failure> {
    let graph = workflow.graph().unwrap_or_else(|error| panic!("{error}")).to_json();
    let input = input.to_string();
    // In one transaction, so that no instance is over before its last signal.
    session.run("BEGIN");
    let id = session.value(&format!("SELECT df.start({}, input => {})", literal(&graph), literal(&input)));
    for (name, payload) in signals {
        let payload = payload.to_string();
        session.run(&format!("SELECT df.signal('{id}', {}, {})", literal(name), literal(&payload)));
    }
    session.run("COMMIT");
    match session.value(&format!("SELECT df.await_instance('{id}', 30)")).as_str() {
        "completed" => {
            let result = session.value(&format!("SELECT coalesce(df.result('{id}')::jsonb, 'null')"));
            Ok(serde_json::from_str(&result).expect("a result is JSON"))
        }
        _ => {
            let select = format!("SELECT sqlstate, message, detail, hint FROM df.error('{id}')");
            Err(session.rows(&select).expect("there is an error").swap_remove(0))
        }
    }
}

#[test]
fn an_option_hides_no_missing_column_from_check() {
    use pg_durable_sdk::workflow;

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Row {
        id: i64,
        note: Option<String>,
    }

    #[workflow(name = "hidden")]
    async fn hidden() -> Result<Option<String>> {
        let row: Row = sql!("SELECT 1::bigint AS id").await?;
        Ok(row.note)
    }

    tester(shared(), "macro_hidden");
    let session = Session::open(shared(), "macro_hidden", "postgres").expect("the role may log in");
    let graph = hidden().graph().expect("it is right").to_json();
    let found = session.rows(&format!("SELECT path, message FROM df.check({})", literal(&graph)));
    let message = "$row.note?: result has no field 'note' (available: id)";
    assert_eq!(found, Ok(vec![vec![Some("root.right".to_owned()), Some(message.to_owned())]]));
}
