//! Values that stand for those which a run will have: of the right type and shape, and never looked at.

use serde_json::{Map, Value, json};

/// How deep a schema is followed: it may refer to itself.
const DEPTH_MAX: usize = 16;

/// A value of an SQL type, as a result's JSON would have it. What a `json` column holds is not known.
pub fn of_type(type_name: &str) -> Value {
    let name = type_name.trim_start_matches("pg_catalog.");
    match name.split('(').next().unwrap_or(name).trim() {
        "json" | "jsonb" => Value::Null,
        "boolean" | "bool" => json!(true),
        "smallint" | "integer" | "bigint" | "real" | "double precision" | "oid" => json!(1),
        "numeric" | "money" => json!("1"),
        "uuid" => json!("00000000-0000-0000-0000-000000000000"),
        "date" => json!("2000-01-01"),
        "interval" | "time" | "time without time zone" | "time with time zone" => json!("00:00:00"),
        name if name.starts_with("timestamp") => json!("2000-01-01T00:00:00"),
        name if name.ends_with("[]") => json!([]),
        _ => json!("1"),
    }
}

/// A document that fits a JSON Schema, with every property that it names. NULL stands for what the schema leaves open.
pub fn of_schema(schema: &Value) -> Value {
    inner(schema, schema, 0)
}

fn inner(root: &Value, schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| inner(root, target, depth + 1));
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let members =
            properties.iter().map(|(name, property)| (name.clone(), inner(root, property, depth + 1)));
        return Value::Object(members.collect::<Map<_, _>>());
    }
    let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
    for member in ["anyOf", "oneOf", "allOf"] {
        if let Some(schemas) = schema.get(member).and_then(Value::as_array) {
            let mut others = schemas.iter().filter(|schema| !is_null(schema));
            return match (others.next(), others.next()) {
                (Some(only), None) => inner(root, only, depth + 1),
                _ => Value::Null,
            };
        }
    }
    let named: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => Vec::new(),
    };
    match named.as_slice() {
        ["integer"] => json!(1),
        ["number"] => json!(1.5),
        ["string"] => json!("1"),
        ["boolean"] => json!(true),
        ["array"] => json!([]),
        _ => Value::Null,
    }
}

/// Fills in what a path leads to where `known` leaves that open, and says whether it does: then the value is text that may
/// stand for anything. `document` is `known`, with what was filled in before.
pub fn reach<'n>(known: &Value, document: &mut Value, path: impl IntoIterator<Item = &'n str>) -> bool {
    let (mut known, mut at) = (Some(known), document);
    for member in path {
        let is_open = known.is_none_or(Value::is_null);
        if is_open && !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(members) = at else { return false };
        if is_open {
            at = members.entry(member).or_insert(Value::Null);
            known = None;
            continue;
        }
        match members.get_mut(member) {
            Some(inner) => at = inner,
            // Known not to be there: whoever resolves the reference says so.
            None => return false,
        }
        known = known.and_then(|known| known.get(member));
    }
    let is_open = known.is_none_or(Value::is_null);
    if is_open && at.is_null() {
        *at = json!("1");
    }
    is_open
}
