//! How Rust values become the JSON that the server is sent.
//!
//! As `serde_json` writes them, but for what that loses or refuses without need: a float that is no number of JSON is its
//! text, as in PostgreSQL's own `to_jsonb`; an `f32` has the digits that it is written with; and an integer beyond 64 bits is
//! its text, as a `numeric` is in results.

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How the names of structs begin by which `serde_json` tells itself of a number or document that is text already.
const OF_SERDE_JSON: &str = "$serde_json::private::";

/// The JSON of a value, or what of it there is none of, and where.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Value, serde_json::Error> {
    value.serialize(INSIDE).map_err(serde_json::Error::custom)
}

/// A value as a parameter.
#[derive(Debug, PartialEq)]
pub(crate) enum Param {
    Value(Value),
    /// The JSON value `null`, where `Value::Null` is NULL: of a `serde_json::Value`, also in an `Option`.
    JsonNull,
}

/// The same of a value that is a parameter, for which nothing but its SQL type says what may stand there: the sign of zero, of
/// which the server's JSON knows nothing, is kept in text, too.
pub(crate) fn to_param<T: Serialize + ?Sized>(value: &T) -> Result<Param, serde_json::Error> {
    match value.serialize(Writer { is_param: true }) {
        Ok(value) => Ok(Param::Value(signed(value))),
        Err(refused) if refused.is_json_null => Ok(Param::JsonNull),
        Err(refused) => Err(serde_json::Error::custom(refused)),
    }
}

fn signed(value: Value) -> Value {
    match value {
        Value::Number(number)
            if number.as_f64().is_some_and(|value| value == 0.0 && value.is_sign_negative()) =>
        {
            Value::from("-0")
        }
        Value::Array(items) => items.into_iter().map(signed).collect(),
        other => other,
    }
}

/// What cannot be written.
#[derive(Debug)]
struct Refused {
    /// The way to it, such as `items[2].by`; empty for all of the value.
    path: String,
    message: String,
    /// It is the JSON value `null`, and a parameter, in which that would be NULL.
    is_json_null: bool,
}

impl Refused {
    fn new(message: impl fmt::Display) -> Self {
        Self { path: String::new(), message: message.to_string(), is_json_null: false }
    }

    /// The same as seen from further out.
    fn within(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path.insert_str(0, &format!("{outer}{dot}"));
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl std::error::Error for Refused {}

impl serde::ser::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

/// The text of a float that JSON has no number for, as PostgreSQL writes and reads it.
fn no_number(value: f64) -> Value {
    let text = match (value.is_nan(), value.is_sign_negative()) {
        (true, _) => "NaN",
        (false, true) => "-Infinity",
        (false, false) => "Infinity",
    };
    Value::from(text)
}

#[derive(Clone, Copy)]
struct Writer {
    /// Whether what comes is all of a parameter.
    is_param: bool,
}

/// Writes what is inside of something.
const INSIDE: Writer = Writer { is_param: false };

macro_rules! as_value {
    ($($method:ident: $type:ty;)+) => {$(
        fn $method(self, value: $type) -> Result<Value, Refused> {
            Ok(Value::from(value))
        }
    )+};
}

impl Serializer for Writer {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Variant<Items>;
    type SerializeMap = Members;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Variant<Members>;

    as_value! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_str: &str;
    }

    fn serialize_i128(self, value: i128) -> Result<Value, Refused> {
        Ok(Number::from_i128(value).map_or_else(|| Value::from(value.to_string()), Value::Number))
    }

    fn serialize_u128(self, value: u128) -> Result<Value, Refused> {
        Ok(Number::from_u128(value).map_or_else(|| Value::from(value.to_string()), Value::Number))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, Refused> {
        // The shortest digits that are read as this `f32`, and not those of the `f64` beside it.
        let written = value.to_string().parse().unwrap_or(f64::from(value));
        self.serialize_f64(written)
    }

    fn serialize_f64(self, value: f64) -> Result<Value, Refused> {
        Ok(Number::from_f64(value).map_or_else(|| no_number(value), Value::Number))
    }

    fn serialize_char(self, value: char) -> Result<Value, Refused> {
        Ok(Value::from(value.to_string()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Refused> {
        Ok(Value::from(bytes))
    }

    fn serialize_none(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Refused> {
        match self.is_param {
            true => Err(Refused { is_json_null: true, ..Refused::new("it is null") }),
            false => Ok(Value::Null),
        }
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Refused> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Refused> {
        let value = value.serialize(INSIDE).map_err(|refused| refused.within(variant))?;
        Ok(in_variant(variant, value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, Refused> {
        Ok(Items(Vec::with_capacity(len.unwrap_or_default())))
    }

    fn serialize_tuple(self, len: usize) -> Result<Items, Refused> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items, Refused> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Variant<Items>, Refused> {
        Ok(Variant { name, content: self.serialize_seq(Some(len))? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Refused> {
        Ok(Members::default())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Refused> {
        Ok(match name.starts_with(OF_SERDE_JSON) {
            true => Fields::Text(Value::Null),
            false => Fields::Members(Members::default()),
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Variant<Members>, Refused> {
        Ok(Variant { name, content: Members::default() })
    }
}

fn in_variant(name: &str, content: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), content)]))
}

/// An array that grows.
struct Items(Vec<Value>);

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let place = self.0.len();
        self.0.push(value.serialize(INSIDE).map_err(|refused| refused.within(&format!("[{place}]")))?);
        Ok(())
    }
}

/// An object that grows.
#[derive(Default)]
struct Members {
    members: Map<String, Value>,
    /// Whose value comes next.
    name: String,
}

impl Members {
    fn insert<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Refused> {
        let value = value.serialize(INSIDE).map_err(|refused| refused.within(name))?;
        self.members.insert(name.to_owned(), value);
        Ok(())
    }
}

/// A struct: an object, unless it is what `serde_json` has as text.
enum Fields {
    Members(Members),
    Text(Value),
}

/// What is inside of an enum's variant.
struct Variant<C> {
    name: &'static str,
    content: C,
}

macro_rules! arrays {
    ($($trait:ident: $push:ident;)+) => {$(
        impl $trait for Items {
            type Ok = Value;
            type Error = Refused;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.push(value)
            }

            fn end(self) -> Result<Value, Refused> {
                Ok(Value::Array(self.0))
            }
        }
    )+};
}

arrays! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
}

impl SerializeTupleVariant for Variant<Items> {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.content.push(value).map_err(|refused| refused.within(self.name))
    }

    fn end(self) -> Result<Value, Refused> {
        Ok(in_variant(self.name, Value::Array(self.content.0)))
    }
}

impl SerializeMap for Members {
    type Ok = Value;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.name = name_of(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let name = std::mem::take(&mut self.name);
        self.insert(&name, value)
    }

    fn end(self) -> Result<Value, Refused> {
        Ok(Value::Object(self.members))
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        match self {
            Fields::Members(members) => members.insert(name, value),
            Fields::Text(text) => {
                *text = value.serialize(INSIDE)?;
                Ok(())
            }
        }
    }

    fn end(self) -> Result<Value, Refused> {
        match self {
            Fields::Members(members) => members.end(),
            Fields::Text(text) => {
                serde_json::from_str(text.as_str().unwrap_or_default()).map_err(Refused::new)
            }
        }
    }
}

impl SerializeStructVariant for Variant<Members> {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.content.insert(name, value).map_err(|refused| refused.within(self.name))
    }

    fn end(self) -> Result<Value, Refused> {
        Ok(in_variant(self.name, Value::Object(self.content.members)))
    }
}

/// The name that a key of a map is in JSON, by `serde_json`'s own rules.
fn name_of<K: Serialize + ?Sized>(key: &K) -> Result<String, Refused> {
    struct Single<'a, K: ?Sized>(&'a K);

    impl<K: Serialize + ?Sized> Serialize for Single<'_, K> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(self.0, ())])
        }
    }

    match serde_json::to_value(Single(key)).map_err(Refused::new)? {
        Value::Object(members) => members.into_iter().next().map(|(name, _)| name),
        _ => None,
    }
    .ok_or_else(|| Refused::new("key must be a string"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Reading {
        at: f64,
        more: Vec<f32>,
    }

    #[derive(Serialize)]
    enum Shape {
        None,
        Circle(f64),
        Box(i128, u128),
        Line { by: f64 },
    }

    #[track_caller]
    fn check<T: Serialize + ?Sized>(value: &T, expected: Value) {
        assert_eq!(to_json(value).expect("it is JSON"), expected);
    }

    #[test]
    fn what_is_no_number_of_json_is_its_text() {
        check(&f64::NAN, json!("NaN"));
        check(&[f32::INFINITY, f32::NEG_INFINITY, -f32::NAN], json!(["Infinity", "-Infinity", "NaN"]));
        check(
            &Some(Reading { at: f64::INFINITY, more: vec![1.1] }),
            json!({"at": "Infinity", "more": [1.1]}),
        );
        check(&BTreeMap::from([(7, Shape::Circle(f64::NAN))]), json!({"7": {"Circle": "NaN"}}));
        check(&Shape::Line { by: f64::NEG_INFINITY }, json!({"Line": {"by": "-Infinity"}}));
        let beyond = json!({"Box": ["-170141183460469231731687303715884105728", 5]});
        check(&Shape::Box(i128::MIN, 5), beyond);
    }

    #[test]
    fn the_sign_of_zero_is_kept_where_no_document_is() {
        assert_eq!(to_param(&[-0.0, 0.0]).expect("it is JSON"), Param::Value(json!(["-0", 0.0])));
        assert_eq!(to_param(&-0.0_f32).expect("it is JSON"), Param::Value(json!("-0")));
        check(&-0.0, json!(-0.0));
    }

    #[test]
    fn the_null_of_json_is_no_null() {
        for (value, expected) in [
            (Some(Value::Null), Param::JsonNull),
            (None, Param::Value(Value::Null)),
            (Some(json!([null])), Param::Value(json!([null]))),
        ] {
            assert_eq!(to_param(&value).expect("it is JSON"), expected);
        }
        assert_eq!(to_param(&Value::Null).expect("it is JSON"), Param::JsonNull);
        assert_eq!(to_param(&Shape::None).expect("it is JSON"), Param::Value(json!("None")));
        check(&vec![Some(Value::Null), None], json!([null, null]));
    }

    #[test]
    fn all_else_is_as_serde_json_writes_it() {
        let document = json!({"b": [1, null, {"c": -1.5}], "a": u64::MAX, "d": true, "e": "x"});
        for value in [document, json!(null), json!(i64::MIN), json!(1e300)] {
            check(&value, value.clone());
        }
        check(&(1, 'c', "x", (), Some(2), None::<i64>), json!([1, "c", "x", null, 2, null]));
        check(&Shape::None, json!("None"));
        check(&bytes::Bytes::from_static(&[0, 255]).as_ref(), json!([0, 255]));
        let raw: &dyn Fn(&str) -> Number = &|text| text.parse().expect("a number");
        check(&raw("18446744073709551615"), json!(u64::MAX));
    }

    #[test]
    fn what_is_refused_is_named() {
        #[derive(Serialize)]
        struct Order {
            items: Vec<BTreeMap<(i64, i64), i64>>,
        }
        let order = Order { items: vec![BTreeMap::new(), BTreeMap::from([((1, 2), 3)])] };
        let error = to_json(&order).expect_err("a pair is no name");
        assert_eq!(error.to_string(), "items[1]: key must be a string");
    }
}
