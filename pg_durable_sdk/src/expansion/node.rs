//! The nodes of a workflow.

use crate::{Part, Retry, Workflow, fault::Misplaced};
use pg_durable_graph::{Graph, kind, matching::Matching};
use std::time::Duration;

/// A workflow whose result is that of this part.
pub fn workflow<T>(part: Part) -> Workflow<T> {
    Workflow::new().step(part).returns()
}

/// What a word stands for, with the name of its result.
pub fn leaf(leaf: impl Into<Part>, name: Option<&str>) -> Part {
    leaf.into().named(name.map(str::to_owned))
}

/// A step whose only row, which has the name `rows`, is kept once more, as a document.
pub fn as_document(step: Part, rows: &str, is_nullable: bool, is_row: bool, name: Option<&str>) -> Part {
    let document = super::Statement::new().document(rows, is_nullable, is_row).sql();
    sequence(vec![step, leaf(document, name)])
}

/// What stands where there is no step: a wait of no time.
pub fn nothing() -> Part {
    super::words::sleep(Duration::ZERO)
}

/// One part after the other; there is at least one.
pub fn sequence(parts: Vec<Part>) -> Part {
    Part::sequence(parts).expect("the macro makes no empty sequence")
}

/// All branches at once.
pub fn join(branches: Vec<Part>) -> Part {
    Part::over(branches, Graph::join)
}

/// All branches at once, and the first wins.
pub fn race(branches: Vec<Part>, name: Option<&str>) -> Part {
    Part::over(branches, Graph::race).named(name.map(str::to_owned))
}

/// The same, and the result tells who has won.
pub fn race_tagged(branches: Vec<Part>, name: Option<&str>) -> Part {
    Part::over(branches, Graph::race_tagged).named(name.map(str::to_owned))
}

/// One of two, by the truth of the condition's result.
pub fn if_else(condition: Part, then: Part, otherwise: Part) -> Part {
    Part::over(vec![condition, then, otherwise], |graphs| match <[Graph; 3]>::try_from(graphs) {
        Ok([condition, then, otherwise]) => Ok(Graph::if_else(condition, then, otherwise)),
        Err(_) => unreachable!("there are three"),
    })
}

/// One of two, by whether a result of SQL has a row, or where one column is meant, a value in it.
pub fn if_some(name: &str, is_row: bool, then: Part, otherwise: Part) -> Part {
    if !is_row {
        let condition =
            super::Statement::new().text("SELECT ").reference(name, true, None).text(" IS NOT NULL");
        return if_else(condition.sql().into(), then, otherwise);
    }
    Part::over(vec![then, otherwise], |graphs| match <[Graph; 2]>::try_from(graphs) {
        Ok([then, otherwise]) => Ok(Graph::if_rows(name, then, otherwise)),
        Err(_) => unreachable!("there are two"),
    })
}

/// The body again and again.
pub fn repeat(body: Part) -> Part {
    Part::over(vec![body], |graphs| match <[Graph; 1]>::try_from(graphs) {
        Ok([body]) => Ok(Graph::repeat(body, None)),
        Err(_) => unreachable!("there is one"),
    })
}

/// What is carried out where a body fails, which finds the failure under this name.
pub fn catch(body: Part, handler: Part, error: &str) -> Part {
    Part::over(vec![body, handler], |graphs| match <[Graph; 2]>::try_from(graphs) {
        Ok([body, handler]) => Graph::catch(body, handler, vec![Matching::All], error),
        Err(_) => unreachable!("there are two"),
    })
}

/// What is tried again where it fails.
pub fn retry(body: Part, policy: Retry) -> Part {
    policy.over(body)
}

/// Leaves the nearest loop.
pub fn leave() -> Part {
    Part::leaf(Ok(kind::Break { value: None }))
}

/// Puts faults at the root of a part.
pub(crate) fn with_faults(part: Part, faults: Vec<Misplaced>) -> Part {
    faults.into_iter().fold(part, Part::with_fault)
}
