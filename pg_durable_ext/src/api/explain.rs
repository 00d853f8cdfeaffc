//! `df.explain()`.

use pg_durable_graph::Graph;
use pg_durable_graph::explain::{self, InstanceHeader, Mark};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::ApiError;
use super::instance::visible;
use super::node::Shown;
use super::registry;
use crate::engine::wake;
use crate::store;

#[pg_extern]
fn instance_explain(input: &str) -> Result<String, ErrorReport> {
    let input = input.trim();
    let lower = input.to_ascii_lowercase();
    if wake::instance_number(&lower).is_some() {
        return Ok(instance(&lower)?);
    }
    if let Some(definition) = registry::definition_of(input)? {
        let graph = Graph::from_json(&definition.graph).map_err(ApiError::InvalidGraph)?;
        return Ok(explain::explain(&graph, |_| None));
    }
    Ok(graph(input)?)
}

fn instance(id: &str) -> Result<String, ApiError> {
    let Some(shown) = Shown::load(id)? else {
        return Err(match visible(id) {
            Some(_) => ApiError::OwnersNodes(id.to_owned()),
            None => ApiError::UnknownInstance(id.to_owned()),
        });
    };
    let statuses = shown.statuses();
    let mut status = shown.instance.status.clone();
    if let Some(first) = status.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let output = store::output(id);
    let header = InstanceHeader {
        id: &shown.instance.id,
        label: shown.instance.label.as_deref(),
        status: &status,
        output: output.as_deref(),
    };
    Ok(explain::explain_instance(&header, &shown.graph, |node| Some(mark(statuses[node.index()]))))
}

thread_local! {
    static IS_LOOKING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether `df.explain` is evaluating an expression, in which nothing may start.
pub fn is_looking() -> bool {
    IS_LOOKING.get()
}

/// While it lives, [`is_looking`].
struct Looking;

impl Looking {
    fn begin() -> Looking {
        IS_LOOKING.set(true);
        Looking
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // Runs while an error unwinds too: the next statement must not be affected.
        IS_LOOKING.set(false);
    }
}

fn mark(status: &str) -> Mark {
    match status {
        "completed" => Mark::Completed,
        "failed" => Mark::Failed,
        "running" => Mark::Running,
        "skipped" => Mark::Skipped,
        _ => Mark::Pending,
    }
}

fn graph(input: &str) -> Result<String, ApiError> {
    /// What an SQL statement may begin with.
    const VERBS: [&str; 16] = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP", "CALL", "DO", "TRUNCATE",
        "GRANT", "REVOKE", "EXPLAIN", "VACUUM", "REINDEX",
    ];
    let is_json = input.starts_with('{');
    let verb = input.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_statement = VERBS.contains(&verb.to_ascii_uppercase().as_str());
    let is_expression =
        ["~>", "|=>", "?>", "!>", "@>", "df."].iter().any(|operator| input.contains(operator));
    let text = if is_json {
        input.to_owned()
    } else if is_expression && !is_statement {
        // Evaluated with the caller's rights; df.start(...) gives back its graph instead of starting it.
        let _looking = Looking::begin();
        crate::pg::spi::Session::open().evaluate(input).ok_or(ApiError::ExpressionNull)?
    } else if is_statement {
        input.to_owned()
    } else {
        return Err(ApiError::CannotExplain);
    };
    let graph = Graph::from_json(&text).map_err(ApiError::InvalidGraph)?;
    Ok(explain::explain(&graph, |_| None))
}
