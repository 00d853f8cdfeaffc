//! The JSON Schemas (2020-12) of Rust types.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Value, json};

/// The schema of what a type is written as.
pub fn written<T: JsonSchema>() -> Value {
    allowing_nothing(
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>(),
    )
}

/// The schema of what a type is read from.
pub fn read<T: JsonSchema>() -> Value {
    allowing_nothing(
        SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>(),
    )
}

/// Lets `()` be `{}` as well as `null`: that is what `df.run(name)` and `df.signal(id, name)` send.
fn allowing_nothing(mut schema: Schema) -> Value {
    if schema.get("type").is_some_and(|of| of == "null") {
        schema.remove("type");
        schema.insert("enum".to_owned(), json!([null, {}]));
    }
    schema.to_value()
}
