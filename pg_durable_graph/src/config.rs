//! The JSON objects that some kinds carry in their `query` string.

use serde_json::{Map, Value};

use crate::error::Problem;
use crate::matching::Matching;

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

/// Takes a member that is an array of words for failures, or absent, or null.
pub(crate) fn matching(
    node_type: &'static str,
    object: &mut Map<String, Value>,
    member: &'static str,
) -> Result<Option<Vec<Matching>>, Problem> {
    let words = match object.remove(member) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(words)) => words.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => None,
    };
    let words: Vec<String> = words.ok_or_else(|| Problem::Config {
        node_type,
        reason: format!("needs an array of strings in {member}"),
    })?;
    Matching::parse_all(member, &words).map(Some)
}

/// Takes a `policy`, which may be the one word that is known.
pub(crate) fn takes_policy(
    node_type: &'static str,
    object: &mut Map<String, Value>,
    word: &str,
) -> Result<bool, Problem> {
    let policy = optional_text(node_type, object, "policy")?;
    object.remove("policy");
    match policy.as_deref() {
        None => Ok(false),
        Some(policy) if policy == word => Ok(true),
        Some(other) => {
            Err(Problem::Config { node_type, reason: format!("has the unknown policy '{other}'") })
        }
    }
}

/// Writes a config object, its members in the order in which they are pushed.
#[derive(Default)]
pub(crate) struct Writer(String);

impl Writer {
    /// A member whose value is given as JSON.
    pub fn push(&mut self, member: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_json_string(&mut self.0, member);
        self.0.push(':');
        self.0.push_str(json);
    }

    /// A member that is a string.
    pub fn push_text(&mut self, member: &str, text: &str) {
        let mut json = String::new();
        push_json_string(&mut json, text);
        self.push(member, &json);
    }

    /// A member that is an array of strings.
    pub fn push_texts(&mut self, member: &str, texts: &[impl ToString]) {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        self.push(member, &serde_json::to_string(&texts).expect("strings are always JSON"));
    }

    /// The object; `None` where it would be empty.
    pub fn finish(mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push('}');
        Some(self.0)
    }
}
