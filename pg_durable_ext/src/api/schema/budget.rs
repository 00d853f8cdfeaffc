//! How much work a validation may be: references that branch make it double with each level of a document.
//!
//! Every schema within a schema gets a keyword of ours, which counts. The validator knows no way to stop it in the middle
//! but to unwind.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::{Keyword, ValidationError, ValidationOptions};
use serde_json::Value;

use crate::pg::latch;

/// How often schemas are applied at the most, beside what the size of the document allows.
const BASE: u64 = 200_000;
/// How often for each value of the document.
const PER_VALUE: u64 = 200;
/// After how many times interrupts are served.
const INTERRUPTS_EVERY: u64 = 1024;

const KEYWORD: &str = "x-pg-durable-step";
/// What these hold is no schema, whatever it looks like.
const DATA: [&str; 8] =
    ["const", "enum", "default", "examples", "dependentRequired", "discriminator", "required", "$vocabulary"];
/// What these hold are schemas by name.
const MAPS: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// A validation was more work than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded;

/// A schema's reference leads to a place that is no schema by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadReference(pub String);

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Does a validation within the budget that belongs to a document.
pub fn within<T>(document: &Value, validate: impl FnOnce() -> T) -> Result<T, Exceeded> {
    LEFT.set(BASE + PER_VALUE * values(document));
    catch_unwind(AssertUnwindSafe(validate)).or_else(|payload| match payload.downcast::<Exceeded>() {
        Ok(exceeded) => Err(*exceeded),
        // An interrupt, say.
        Err(other) => resume_unwind(other),
    })
}

/// Has the keyword known.
pub fn known(options: ValidationOptions<'_>) -> ValidationOptions<'_> {
    options.with_keyword(KEYWORD, |_, _, _| Ok(Box::new(Step)))
}

/// Puts the keyword into a schema and all schemas within it.
pub fn instrument(schema: &mut Value) -> Result<(), BadReference> {
    mark(schema);
    let mut resources = Vec::new();
    let mut references = Vec::new();
    collect(schema, &mut resources, &mut references);
    for reference in references {
        let Some((_, pointer)) = reference.split_once('#') else { continue };
        let pointer = percent_decoded(pointer);
        latch::check_interrupts();
        let mut targets = resources.iter().filter_map(|resource| resource.pointer(&pointer));
        if targets.any(|target| target.is_object() && target.get(KEYWORD).is_none()) {
            return Err(BadReference(reference.to_owned()));
        }
    }
    Ok(())
}

fn mark(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                match member {
                    Value::Object(by_name) if MAPS.contains(&name.as_str()) => {
                        by_name.values_mut().for_each(mark);
                    }
                    member => mark(member),
                }
            }
            members.insert(KEYWORD.to_owned(), Value::Bool(true));
        }
        Value::Array(elements) => elements.iter_mut().for_each(mark),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Finds the references, and what their pointers may begin at: the whole, and what has a name of its own.
fn collect<'a>(schema: &'a Value, resources: &mut Vec<&'a Value>, references: &mut Vec<&'a str>) {
    match schema {
        Value::Object(members) => {
            let is_named = ["$id", "id"].iter().any(|name| members.get(*name).is_some_and(Value::is_string));
            if is_named || resources.is_empty() {
                resources.push(schema);
            }
            for name in ["$ref", "$dynamicRef", "$recursiveRef"] {
                references.extend(members.get(name).and_then(Value::as_str));
            }
            members.values().for_each(|member| collect(member, resources, references));
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| collect(element, resources, references));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn percent_decoded(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        decoded.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// How many values a document consists of.
fn values(document: &Value) -> u64 {
    1 + match document {
        Value::Object(members) => members.values().map(values).sum(),
        Value::Array(elements) => elements.iter().map(values).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Applies to every value, and counts.
struct Step;

impl Keyword<'_> for Step {
    fn validate(&self, _: &Value) -> Result<(), ValidationError<'static>> {
        count();
        Ok(())
    }

    fn is_valid(&self, _: &Value) -> bool {
        count();
        true
    }
}

fn count() {
    let left = LEFT.get();
    if left == 0 {
        resume_unwind(Box::new(Exceeded));
    }
    LEFT.set(left - 1);
    if left.is_multiple_of(INTERRUPTS_EVERY) {
        latch::check_interrupts();
    }
}
