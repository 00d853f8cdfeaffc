//! When a result counts as true for IF and LOOP.

use serde_json::Value;

use crate::number;
use crate::outcome::Outcome;

/// Whether a result is true: with rows the first column of the first row decides, else the value itself.
pub fn is_true(value: &Value) -> bool {
    match value.get("rows") {
        Some(Value::Array(rows)) => match rows.first() {
            Some(Value::Object(row)) => row.values().next().is_some_and(scalar_is_true),
            Some(other) => scalar_is_true(other),
            None => false,
        },
        _ => scalar_is_true(value),
    }
}

/// [`is_true`], with the first column as the result had it, whatever order the row's members are in.
pub fn outcome_is_true(outcome: &Outcome) -> bool {
    let first = outcome.columns.as_deref().and_then(|columns| columns.first());
    match (outcome.value.pointer("/rows/0"), first) {
        (Some(Value::Object(row)), Some(column)) => row.get(&column.name).is_some_and(scalar_is_true),
        _ => is_true(&outcome.value),
    }
}

fn scalar_is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => !number::is_zero(number),
        Value::String(text) => text_is_true(text.trim()),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn text_is_true(text: &str) -> bool {
    match text.to_ascii_lowercase().as_str() {
        "" | "f" | "false" | "no" => false,
        "t" | "true" | "yes" => true,
        other => other.parse::<f64>() != Ok(0.0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::outcome::Column;

    #[test]
    fn truth_follows_the_value() {
        for (value, expected) in [
            (json!(null), false),
            (json!(true), true),
            (json!(false), false),
            (json!(0), false),
            (json!(0.0), false),
            (json!(-1), true),
            (json!(""), false),
            (json!("  "), false),
            (json!("f"), false),
            (json!("False"), false),
            (json!(" no "), false),
            (json!("t"), true),
            (json!("TRUE"), true),
            (json!("yes"), true),
            (json!("0"), false),
            (json!("0.00"), false),
            (json!("-0"), false),
            (json!("2"), true),
            (json!("off"), true),
            (json!([]), false),
            (json!([0]), true),
            (json!({}), false),
            (json!({"a": false}), true),
            (json!({"rows": [], "row_count": 0}), false),
            (json!({"rows": [{"a": false, "b": true}], "row_count": 1}), false),
            (json!({"rows": [{"a": "t"}, {"a": "f"}], "row_count": 2}), true),
            (json!({"rows": [{}], "row_count": 1}), false),
            (json!({"rows": "none"}), true),
        ] {
            assert_eq!(is_true(&value), expected, "{value}");
            assert_eq!(outcome_is_true(&Outcome::plain(value.clone())), expected, "{value}");
        }
    }

    #[test]
    fn truth_takes_the_first_column_of_the_result() {
        let columns = ["second_key", "first_key"].map(|name| Column::new(name, "boolean"));
        let outcome = Outcome {
            value: json!({"rows": [{"first_key": false, "second_key": true}], "row_count": 1}),
            columns: Some(Arc::new(columns.to_vec())),
            branches: None,
        };
        assert!(outcome_is_true(&outcome));
        assert!(!is_true(&outcome.value));
    }
}
