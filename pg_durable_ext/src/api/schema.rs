//! JSON Schemas of registered workflows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use self::budget::Exceeded;

mod budget;

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

/// Why a document was not found to fit.
#[derive(Debug)]
pub enum Misfit {
    /// It violates the schema: the first violations, and how many more there are.
    Violates { violations: Vec<Violation>, more: usize },
    /// Finding out would be too much work.
    TooMuchWork,
    /// The schema cannot be used.
    Schema(Violation),
}

/// Whether a document fits a schema.
pub fn fits(schema: &str, document: &Value) -> Result<(), Misfit> {
    let validator = validator(schema).map_err(Misfit::Schema)?;
    let found = budget::within(document, || {
        // The short answer remembers what it has looked at; the long one is for those that do not fit.
        if validator.is_valid(document) {
            return Vec::new();
        }
        let shown = |error: jsonschema::ValidationError<'_>| Violation {
            at: error.instance_path().to_string(),
            problem: error.masked().to_string(),
        };
        validator.iter_errors(document).map(shown).collect()
    });
    match found {
        Ok(found) if found.is_empty() => Ok(()),
        Ok(mut violations) => {
            let more = violations.len().saturating_sub(VIOLATIONS_MAX);
            violations.truncate(VIOLATIONS_MAX);
            Err(Misfit::Violates { violations, more })
        }
        Err(Exceeded) => Err(Misfit::TooMuchWork),
    }
}

thread_local! {
    static KEPT: RefCell<HashMap<String, Rc<Validator>>> = RefCell::new(HashMap::new());
}

fn validator(schema: &str) -> Result<Rc<Validator>, Violation> {
    if let Some(known) = KEPT.with_borrow(|kept| kept.get(schema).cloned()) {
        return Ok(known);
    }
    let whole = |problem: String| Violation { at: String::new(), problem };
    let mut parsed: Value = serde_json::from_str(schema).map_err(|error| whole(error.to_string()))?;
    budget::instrument(&mut parsed)
        .map_err(|bad| whole(format!("\"{}\" refers to what is no schema", bad.0)))?;
    // An engine without backtracking: a pattern cannot keep a session busy for ever.
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    let made = budget::known(options).build(&parsed);
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
