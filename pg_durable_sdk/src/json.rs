//! JSON as the server writes it: numbers digit by digit, members in their order.
//!
//! `serde_json`'s own tree keeps them with features only, which would change how all of a user's program reads and writes JSON.

use pg_durable_graph::{
    number,
    pieces::{NotJson, Piece, Pieces},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        self, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use std::fmt;

/// How deep a document may be nested: what reads, prints or drops it recurses.
const DEPTH_MAX: usize = 128;

/// The newtype by which a [`Value`] asks another one for its text.
const TEXT: &str = "$pg_durable_sdk::json";

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Value>),
    Object(Map),
}

/// A number, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number(String);

/// An object: names, each once, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Map(Vec<(String, Value)>);

pub(crate) type Iter<'a> =
    std::iter::Map<std::slice::Iter<'a, (String, Value)>, fn(&'a (String, Value)) -> (&'a String, &'a Value)>;

impl Value {
    pub(crate) fn parse(text: &str) -> Result<Self, NotJson> {
        let mut pieces = Pieces::new(text);
        let mut open: Vec<Open> = Vec::new();
        while let Some(piece) = pieces.read()? {
            let value = match piece {
                Piece::Array | Piece::Object if open.len() == DEPTH_MAX => return Err(NotJson { at: 0 }),
                Piece::Array => {
                    open.push(Open::Array(Vec::new()));
                    continue;
                }
                Piece::Object => {
                    open.push(Open::Object { members: Vec::new(), name: String::new() });
                    continue;
                }
                Piece::Name(next) => {
                    if let Some(Open::Object { name, .. }) = open.last_mut() {
                        *name = next;
                    }
                    continue;
                }
                Piece::Null => Value::Null,
                Piece::Bool(truth) => Value::Bool(truth),
                Piece::Number(digits) => Value::Number(Number(digits.to_owned())),
                Piece::Text(text) => Value::String(text),
                Piece::End => match open.pop() {
                    Some(Open::Array(items)) => Value::Array(items),
                    Some(Open::Object { members, .. }) => Value::Object(Map::new(members)),
                    None => return Err(NotJson { at: 0 }),
                },
            };
            match open.last_mut() {
                Some(Open::Array(items)) => items.push(value),
                Some(Open::Object { members, name }) => members.push((std::mem::take(name), value)),
                None => return pieces.read().map(|_| value),
            }
        }
        Err(NotJson { at: text.len() })
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub(crate) fn is_array(&self) -> bool {
        matches!(self, Value::Array(_))
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }

    pub(crate) fn as_object(&self) -> Option<&Map> {
        match self {
            Value::Object(members) => Some(members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Value::Null => Unexpected::Unit,
            Value::Bool(truth) => Unexpected::Bool(*truth),
            Value::Number(number) => number.unexpected(),
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

/// An array or object that is not over.
enum Open {
    Array(Vec<Value>),
    Object { members: Vec<(String, Value)>, name: String },
}

impl Map {
    /// Of members of one name the last counts.
    fn new(mut members: Vec<(String, Value)>) -> Self {
        let mut places: Vec<usize> = (0..members.len()).collect();
        places.sort_by_key(|place| &members[*place].0);
        let is_last = |pair: &[usize]| members[pair[0]].0 != members[pair[1]].0;
        if !places.windows(2).all(is_last) {
            let mut keeps = vec![true; members.len()];
            for pair in places.windows(2).filter(|pair| !is_last(pair)) {
                keeps[pair[0]] = false;
            }
            let mut keeps = keeps.into_iter();
            members.retain(|_| keeps.next().unwrap_or(true));
        }
        Self(members)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn iter(&self) -> Iter<'_> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Number {
    /// As a number, where one keeps every digit, else as text, as SQL's `numeric` comes.
    fn visit<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match number::exact(&self.0) {
            Some(number) => number.deserialize_any(visitor),
            None => visitor.visit_borrowed_str(&self.0),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        let integer =
            self.0.parse().map(Unexpected::Signed).or_else(|_| self.0.parse().map(Unexpected::Unsigned));
        integer
            .ok()
            .or_else(|| self.0.parse().map(Unexpected::Float).ok())
            .unwrap_or(Unexpected::Other("number"))
    }
}

/// With numbers that cannot be exact as text.
impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(Number(digits)) => {
                number::exact(digits).map_or_else(|| Self::String(digits.clone()), Self::Number)
            }
            Value::String(text) => Self::String(text.clone()),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
        }
    }
}

#[cfg(test)]
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Self::parse(&value.to_string()).expect("a value is JSON")
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::Value::from(self).serialize(serializer)
    }
}

/// As JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::to_string(text).map_err(|_| fmt::Error);
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => truth.fmt(f),
            Value::Number(Number(digits)) => f.write_str(digits),
            Value::String(text) => f.write_str(&quoted(text)?),
            Value::Array(items) => {
                for (nth, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if nth == 0 { '[' } else { ',' })?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Value::Object(Map(members)) => {
                for (nth, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{}:{value}", if nth == 0 { '{' } else { ',' }, quoted(name)?)?;
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// Numbers of other documents come as the reader has them.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TEXT, Whole)
    }
}

/// Takes the text of a [`Value`], or else whatever there is.
struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Value::parse(text).map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, document: D) -> Result<Value, D::Error> {
        let document = serde_json::Value::deserialize(document)?;
        Value::parse(&document.to_string()).map_err(de::Error::custom)
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for &'de Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn items(items: &[Value]) -> impl SeqAccess<'_, Error = serde_json::Error> {
    SeqDeserializer::new(items.iter())
}

fn members(members: &Map) -> impl MapAccess<'_, Error = serde_json::Error> {
    MapDeserializer::new(members.iter().map(|(name, value)| (name.as_str(), value)))
}

/// What is wanted in place of anything.
macro_rules! numbers {
    ($($method:ident: $type:ty, $visit:ident;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
            match self {
                Value::Number(number) => match number.0.parse::<$type>() {
                    Ok(parsed) => visitor.$visit(parsed),
                    Err(_) => number.visit(visitor),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )+};
}

macro_rules! floats {
    ($($method:ident: $type:ty, $visit:ident;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
            match self {
                Value::Number(number) => match number.0.parse::<$type>() {
                    Ok(parsed) if parsed.is_finite() => visitor.$visit(parsed),
                    Ok(_) | Err(_) => number.visit(visitor),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )+};
}

/// As of `serde_json`'s own tree, but that no digit is lost: a number may be read as text.
impl<'de> Deserializer<'de> for &'de Value {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(number) => number.visit(visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(array) => visitor.visit_seq(items(array)),
            Value::Object(object) => visitor.visit_map(members(object)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match self {
            Value::Number(Number(digits)) => visitor.visit_borrowed_str(digits),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        match name {
            TEXT => visitor.visit_str(&self.to_string()),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        match self {
            Value::String(variant) => visitor.visit_enum(BorrowedStrDeserializer::new(variant)),
            Value::Object(object) if object.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(members(object)))
            }
            Value::Object(_) => Err(de::Error::invalid_value(Unexpected::Map, &"map with a single key")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(de::Error::invalid_type(self.unexpected(), &"string or map"))
            }
        }
    }

    numbers! {
        deserialize_i8: i8, visit_i8;
        deserialize_i16: i16, visit_i16;
        deserialize_i32: i32, visit_i32;
        deserialize_i64: i64, visit_i64;
        deserialize_i128: i128, visit_i128;
        deserialize_u8: u8, visit_u8;
        deserialize_u16: u16, visit_u16;
        deserialize_u32: u32, visit_u32;
        deserialize_u64: u64, visit_u64;
        deserialize_u128: u128, visit_u128;
    }

    floats! {
        deserialize_f32: f32, visit_f32;
        deserialize_f64: f64, visit_f64;
    }

    forward_to_deserialize_any! {
        bool char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use std::{collections::BTreeMap, fmt::Debug};

    fn value(text: &str) -> Value {
        Value::parse(text).expect("JSON")
    }

    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + Debug>(text: &str, expected: T) {
        assert_eq!(T::deserialize(&value(text)).expect("it fits"), expected, "{text}");
    }

    #[track_caller]
    fn refuse<T: DeserializeOwned + Debug>(text: &str, message: &str) {
        let error = T::deserialize(&value(text)).expect_err("it does not fit");
        assert_eq!(error.to_string(), message, "{text}");
    }

    #[test]
    fn text_comes_out_as_it_went_in() {
        for text in [
            "null",
            r#"{"b":1.10,"a":[],"c":{}}"#,
            r#"[1e400,-0,12345678901234567890123,true,"\"\\\n",[false,null]]"#,
        ] {
            assert_eq!(value(text).to_string(), text);
            assert_eq!(Value::deserialize(&value(text)).expect("a document"), value(text));
        }
        assert_eq!(value(r#"{"a":1,"b":2,"a":3}"#).to_string(), r#"{"b":2,"a":3}"#);
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::parse(&deep(DEPTH_MAX)).is_ok());
        assert!(Value::parse(&deep(DEPTH_MAX + 1)).is_err());
    }

    #[test]
    fn types_are_read_as_from_any_json() {
        #[derive(Debug, PartialEq, Deserialize)]
        enum Way {
            Foot,
            Car(u8),
            Train { seat: i64 },
        }
        check("7", 7_u8);
        check("7", 7.0_f32);
        check("-7", Some(-7_i128));
        check("null", None::<i64>);
        check("null", ());
        check(r#""a""#, 'a');
        check(r#"[1,"b",[true]]"#, (1, "b".to_owned(), [true]));
        check(r#"{"a":1.5,"b":2}"#, BTreeMap::from([("a".to_owned(), 1.5), ("b".to_owned(), 2.0)]));
        check(
            r#"["Foot",{"Car":2},{"Train":{"seat":3}}]"#,
            vec![Way::Foot, Way::Car(2), Way::Train { seat: 3 }],
        );
        refuse::<i64>("1.5", "invalid type: floating point `1.5`, expected i64");
        refuse::<u8>("300", "invalid value: integer `300`, expected u8");
        refuse::<u8>("-1", "invalid value: integer `-1`, expected u8");
        refuse::<bool>("0", "invalid type: integer `0`, expected a boolean");
        refuse::<String>("true", "invalid type: boolean `true`, expected a string");
        refuse::<i64>(r#""7""#, "invalid type: string \"7\", expected i64");
        refuse::<(i64, i64)>("[1]", "invalid length 1, expected a tuple of size 2");
        refuse::<Way>("7", "invalid type: integer `7`, expected string or map");
        refuse::<Way>(r#""Bus""#, "unknown variant `Bus`, expected one of `Foot`, `Car`, `Train`");
        refuse::<Way>(r#"{"Car":1,"Foot":2}"#, "invalid value: map, expected map with a single key");
    }

    #[test]
    fn no_digit_of_a_number_is_lost() {
        check("18446744073709551616", 18_446_744_073_709_551_616_u128);
        check("-170141183460469231731687303715884105728", i128::MIN);
        check("1234567890123.456789", "1234567890123.456789".to_owned());
        check("1.10", "1.10".to_owned());
        check("7", serde_json::json!(7));
        check("0.1", serde_json::json!(0.1));
        for float in [0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, 5e-324, 123_456.789e3, 1e23, -0.0] {
            for text in [format!("{float:e}"), format!("{float:?}")] {
                let plain = serde_json::Value::from(&value(&text));
                assert_eq!(plain.as_f64(), Some(float), "{text}");
                check(&text, float);
            }
        }
        for text in ["1234567890123.456789", "18446744073709551616", "1e+400"] {
            let plain = serde_json::Value::deserialize(&value(text)).expect("any value");
            assert_eq!(plain.as_str().map_or(plain.to_string(), str::to_owned), text);
            assert_eq!(serde_json::Value::from(&value(text)), plain);
        }
        assert!(f64::deserialize(&value("1e400")).is_err());
    }
}
