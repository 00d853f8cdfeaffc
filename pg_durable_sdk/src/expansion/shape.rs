//! What a type looks like in JSON, asked of the type itself: it is handed a deserializer that has nothing and
//! only notes what it is asked for.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
};
use std::fmt;

/// Whether the type asks for a struct or map, inside of any `Option` and newtype.
pub fn is_row<T: DeserializeOwned>() -> bool {
    matches!(T::deserialize(Asked), Err(Shape::Row(_)))
}

/// The names by which a struct reads its fields; `None` where it takes others, too.
pub fn read_fields<T: DeserializeOwned>() -> Option<Vec<String>> {
    match T::deserialize(Asked) {
        Err(Shape::Row(Some(fields))) => Some(fields.iter().map(|field| (*field).to_owned()).collect()),
        Err(Shape::Row(None) | Shape::Other) | Ok(_) => None,
    }
}

/// The names by which the schema of a struct knows its fields; `None` where there is more to it.
pub fn schema_fields<T: JsonSchema>() -> Option<Vec<String>> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let properties = schema.get("properties")?.as_object()?;
    let has_more =
        ["additionalProperties", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(*key).is_some());
    (!has_more).then(|| properties.keys().cloned().collect())
}

/// What was asked for.
#[derive(Debug)]
enum Shape {
    /// A struct with its fields, or a map.
    Row(Option<&'static [&'static str]>),
    Other,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type was asked for its shape")
    }
}

impl std::error::Error for Shape {}

impl serde::de::Error for Shape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Shape::Other
    }
}

struct Asked;

macro_rules! other {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Shape> {
            Err(Shape::Other)
        }
    )+};
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Shape;

    other! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_unit deserialize_seq deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Shape> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Shape> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Row(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::Row(Some(fields)))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Other)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Other)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::Other)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn structs_and_maps_are_rows() {
        #[derive(Deserialize)]
        struct Hold {
            #[allow(dead_code, reason = "only its type is asked")]
            id: i64,
        }
        #[derive(Deserialize)]
        struct Wrapped(#[allow(dead_code, reason = "only its type is asked")] Hold);
        #[derive(Deserialize)]
        struct Id(#[allow(dead_code, reason = "only its type is asked")] i64);
        #[derive(Deserialize)]
        enum State {
            Open,
        }
        assert!(is_row::<Hold>() && is_row::<Option<Hold>>() && is_row::<Wrapped>());
        assert!(is_row::<std::collections::BTreeMap<String, i64>>());
        assert!(!is_row::<i64>() && !is_row::<Option<String>>() && !is_row::<Id>());
        assert!(!is_row::<Vec<Hold>>() && !is_row::<State>() && !is_row::<serde_json::Value>());
        let _ = State::Open;
    }

    #[test]
    fn fields_have_the_names_that_they_have_in_json() {
        #[derive(Deserialize, serde::Serialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        struct Order {
            order_id: i64,
        }
        #[derive(Deserialize, serde::Serialize, JsonSchema)]
        struct More {
            id: i64,
            #[serde(flatten)]
            order: Order,
        }
        assert_eq!(read_fields::<Order>().unwrap(), ["orderId"]);
        assert_eq!(schema_fields::<Order>().unwrap(), ["orderId"]);
        assert_eq!(read_fields::<More>(), None);
        assert_eq!(schema_fields::<More>().unwrap(), ["id", "orderId"]);
        assert_eq!(read_fields::<i64>(), None);
        assert_eq!(schema_fields::<i64>(), None);
    }
}
