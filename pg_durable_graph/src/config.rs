//! The JSON objects that some kinds carry in their `query` string.

use serde_json::{Map, Value};

use crate::error::Problem;

/// Reads a config object. `node_type` is for the message.
pub(crate) fn object(node_type: &'static str, query: &str) -> Result<Map<String, Value>, Problem> {
    // The usual recursion limit of serde_json stays on: no config of ours is nested.
    match serde_json::from_str(query) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::ConfigNotObject(node_type)),
        Err(error) => Err(Problem::ConfigNotJson { node_type, reason: error.to_string() }),
    }
}

/// Takes a member that is a string, or absent, or null.
pub(crate) fn optional_text(
    node_type: &'static str,
    object: &Map<String, Value>,
    member: &str,
) -> Result<Option<String>, Problem> {
    match object.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Problem::Config { node_type, reason: format!("has a {member} that is not a string") })
        }
    }
}

/// Takes a member that must be a string.
pub(crate) fn text(
    node_type: &'static str,
    object: &Map<String, Value>,
    member: &str,
) -> Result<String, Problem> {
    optional_text(node_type, object, member)?
        .ok_or_else(|| Problem::Config { node_type, reason: format!("has no {member}") })
}

/// Appends `text` as a JSON string.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is always JSON"));
}

/// Checks the `query` of a kind that has no config: it may be an empty object.
pub(crate) fn refuse_embedded(
    node_type: &'static str,
    member: &'static str,
    query: &str,
) -> Result<(), Problem> {
    refuse_members(node_type, member, &object(node_type, query)?)
}

/// Refuses what a config has beside the members that its kind has taken out of it.
pub(crate) fn refuse_members(
    node_type: &'static str,
    member: &'static str,
    object: &Map<String, Value>,
) -> Result<(), Problem> {
    if object.contains_key(member) {
        return Err(Problem::Embedded { member, node_type });
    }
    match object.keys().next() {
        Some(other) => {
            Err(Problem::Config { node_type, reason: format!("has the unknown member '{other}'") })
        }
        None => Ok(()),
    }
}
