use super::*;
use crate::Fault;

/// All messages of a chain, as services print it.
fn chain(error: &dyn StdError) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

#[test]
fn no_error_says_what_its_source_says() {
    let server = ServerError::unexpected_answer;
    let json = || serde_json::from_str::<i64>("x").expect_err("it is no number");
    let fault = || Fault { path: "root.left".into(), sqlstate: None, message: "is wrong".into(), hint: None };
    let workflow = || WorkflowError::from(fault());
    let config = "hots=x".parse::<tokio_postgres::Config>().expect_err("there is no such option");
    let (id, name) = (|| InstanceId::from("a1b2c3d4".to_owned()), || "order.ship".to_owned());
    let output = || OutputError::shape(json()).within("id").within("[2]");
    let failure = || Box::new(Failure { message: "no stock".into(), ..Failure::default() });
    let errors: Vec<(Box<dyn StdError>, &str)> = vec![
        (
            Box::new(ConnectError::Config(config)),
            "the connection string cannot be read: invalid connection string: unknown option `hots`",
        ),
        (
            Box::new(ConnectError::Server(server())),
            "could not connect: the server's answer has an unexpected form",
        ),
        (Box::new(StartError::Workflow(workflow())), "root.left: is wrong"),
        (Box::new(StartError::Server(server())), "the server's answer has an unexpected form"),
        (
            Box::new(StartError::Input(Arc::new(json()))),
            "the input cannot be written as JSON: expected value at line 1 column 1",
        ),
        (
            Box::new(StartError::UnknownWorkflow { name: name(), version: Some(2), source: server() }),
            "there is no workflow order.ship, version 2, that this role may run: the server's answer has an unexpected form",
        ),
        (
            Box::new(StartError::InvalidInput { name: name(), violations: Vec::new(), source: server() }),
            "the input does not fit the schema of workflow order.ship: the server's answer has an unexpected form",
        ),
        (
            Box::new(StartError::NotAllowed { name: None, source: server() }),
            "this role may not start the workflow: the server's answer has an unexpected form",
        ),
        (
            Box::new(StartError::Lost { idempotency_key: "k".into(), source: server() }),
            "the connection was lost; start again with the idempotency key k: the server's answer has an unexpected form",
        ),
        (Box::new(CheckError::Workflow(workflow())), "root.left: is wrong"),
        (
            Box::new(RegisterError::Workflow { name: name(), source: workflow() }),
            "workflow order.ship is wrong: root.left: is wrong",
        ),
        (
            Box::new(RegisterError::Conflict { difference: String::new(), source: server() }),
            "another workflow is registered already: the server's answer has an unexpected form",
        ),
        (
            Box::new(RegisterError::NotAllowed { source: server() }),
            "this role may not register the workflows: the server's answer has an unexpected form",
        ),
        (Box::new(RunError::Server(server())), "the server's answer has an unexpected form"),
        (
            Box::new(ResultError::Failed { id: id(), failure: failure() }),
            "instance a1b2c3d4 failed: no stock",
        ),
        (
            Box::new(ResultError::Output {
                id: id(),
                output: Output::new(serde_json::Value::Null.into()),
                source: output(),
            }),
            "the result of instance a1b2c3d4 is not of the expected type: the result does not fit the type at [2].id: expected value at line 1 column 1",
        ),
        (
            Box::new(SignalError::Payload(json())),
            "the payload cannot be written as JSON: expected value at line 1 column 1",
        ),
        (Box::new(CancelError::Server(server())), "the server's answer has an unexpected form"),
    ];
    for (error, expected) in &errors {
        let chain = chain(error.as_ref());
        assert_eq!(chain.join(": "), *expected);
        for pair in chain.windows(2) {
            assert!(!pair[0].contains(&pair[1]), "{chain:?}");
        }
    }
}

#[test]
fn violations_are_read_line_by_line() {
    let detail =
        "/id: \"x\" is not of type \"integer\"\n(all of it): \"sku\" is a required property\nand 3 more";
    let found: Vec<String> = Violation::all(detail).iter().map(Violation::to_string).collect();
    assert_eq!(found, ["/id: \"x\" is not of type \"integer\"", "\"sku\" is a required property"]);
    assert_eq!(Violation::all(detail)[1].pointer, "");
}
