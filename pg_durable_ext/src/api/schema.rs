//! JSON Schemas of registered workflows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The most violations that are told.
const VIOLATIONS_MAX: usize = 20;
/// The most schemas that a process keeps ready.
const KEPT_MAX: usize = 64;

/// Something that a schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A JSON pointer; empty for the whole document.
    pub at: String,
    /// What is wrong, without the value.
    pub problem: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = if self.at.is_empty() { "(all of it)" } else { &self.at };
        write!(f, "{at}: {}", self.problem)
    }
}

/// Whether a text is a schema that can be used here, without any others.
pub fn check(schema: &str) -> Result<(), Violation> {
    validator(schema).map(|_| ())
}

/// How a document violates a schema: the first violations, and how many more there are.
pub fn violations(schema: &str, document: &Value) -> Result<(Vec<Violation>, usize), Violation> {
    let validator = validator(schema)?;
    let mut found: Vec<_> = validator
        .iter_errors(document)
        .map(|error| Violation { at: error.instance_path().to_string(), problem: error.masked().to_string() })
        .collect();
    let more = found.len().saturating_sub(VIOLATIONS_MAX);
    found.truncate(VIOLATIONS_MAX);
    Ok((found, more))
}

thread_local! {
    static KEPT: RefCell<HashMap<String, Rc<Validator>>> = RefCell::new(HashMap::new());
}

fn validator(schema: &str) -> Result<Rc<Validator>, Violation> {
    if let Some(known) = KEPT.with_borrow(|kept| kept.get(schema).cloned()) {
        return Ok(known);
    }
    let whole = |problem: String| Violation { at: String::new(), problem };
    let parsed: Value = serde_json::from_str(schema).map_err(|error| whole(error.to_string()))?;
    // An engine without backtracking: a pattern cannot keep a session busy for ever.
    let made = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(&parsed);
    let made = made.map_err(|error| Violation {
        at: error.instance_path().to_string(),
        problem: error.masked().to_string(),
    })?;
    let made = Rc::new(made);
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(schema.to_owned(), made.clone());
    });
    Ok(made)
}
