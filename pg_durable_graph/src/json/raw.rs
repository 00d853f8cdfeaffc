//! JSON objects as they are read, whatever they hold.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::limits::MAX_PARAM_DEPTH;

/// An object as it was read: any member may still be anything.
#[derive(Default)]
pub(super) struct Raw {
    pub node_type: Text,
    pub left: Child,
    pub right: Child,
    pub condition: Child,
    pub extra: Extra,
    pub query: Text,
    pub params: Params,
    pub result_name: Text,
}

#[derive(Default)]
pub(super) enum Params {
    #[default]
    Absent,
    Given(Vec<Value>),
    NotArray,
    TooDeep,
}

#[derive(Default)]
pub(super) enum Text {
    #[default]
    Absent,
    Given(String),
    Other,
}

#[derive(Default, Clone, Copy)]
pub(super) enum Child {
    #[default]
    Absent,
    /// An index into the arena.
    Node(usize),
    NotObject,
}

#[derive(Default)]
pub(super) enum Extra {
    #[default]
    Absent,
    Given(Vec<Child>),
    NotArray,
}

/// The member under which the parser gives a number that it keeps as text, if it was built to do so.
pub(crate) const NUMBER: &str = "$serde_json::private::Number";

/// Everything but the types that a visitor expects: consumed, and answered with one value.
macro_rules! visit_scalars_as {
    ($value:expr; $($visit:ident: $type:ty),*) => {
        $(fn $visit<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> { Ok($value) })*
    };
}

macro_rules! visit_seq_as {
    ($value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

macro_rules! visit_map_as {
    ($value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

pub(super) struct ChildSeed<'a> {
    pub arena: &'a mut Vec<Raw>,
}

impl<'de> DeserializeSeed<'de> for ChildSeed<'_> {
    type Value = Child;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Child, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ChildSeed<'_> {
    type Value = Child;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Child, A::Error> {
        let mut raw = Raw::default();
        while let Some(member) = map.next_key::<String>()? {
            if member == NUMBER {
                map.next_value::<IgnoredAny>()?;
                return Ok(Child::NotObject);
            }
            let child = ChildSeed { arena: &mut *self.arena };
            match member.as_str() {
                "node_type" => raw.node_type = map.next_value_seed(TextSeed)?,
                "left_node" => raw.left = map.next_value_seed(child)?,
                "right_node" => raw.right = map.next_value_seed(child)?,
                "condition_node" => raw.condition = map.next_value_seed(child)?,
                "extra_nodes" => raw.extra = map.next_value_seed(ExtraSeed { arena: self.arena })?,
                "query" => raw.query = map.next_value_seed(TextSeed)?,
                "params" => raw.params = map.next_value_seed(ParamsSeed)?,
                "result_name" => raw.result_name = map.next_value_seed(TextSeed)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.arena.push(raw);
        Ok(Child::Node(self.arena.len() - 1))
    }

    visit_seq_as!(Child::NotObject);
    visit_scalars_as!(Child::NotObject; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: serde::de::Error>(self) -> Result<Child, E> {
        Ok(Child::Absent)
    }
}

struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Given(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text::Given(text))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Text, E> {
        Ok(Text::Absent)
    }

    visit_seq_as!(Text::Other);
    visit_map_as!(Text::Other);
    visit_scalars_as!(Text::Other; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64);
}

struct ExtraSeed<'a> {
    arena: &'a mut Vec<Raw>,
}

impl<'de> DeserializeSeed<'de> for ExtraSeed<'_> {
    type Value = Extra;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Extra, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ExtraSeed<'_> {
    type Value = Extra;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of nodes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Extra, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = seq.next_element_seed(ChildSeed { arena: &mut *self.arena })? {
            children.push(child);
        }
        Ok(Extra::Given(children))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Extra, E> {
        Ok(Extra::Absent)
    }

    visit_map_as!(Extra::NotArray);
    visit_scalars_as!(Extra::NotArray; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str);
}

struct ParamsSeed;

impl<'de> DeserializeSeed<'de> for ParamsSeed {
    type Value = Params;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Params, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ParamsSeed {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params, A::Error> {
        let is_too_deep = Cell::new(false);
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(ValueSeed { depth: 0, is_too_deep: &is_too_deep })? {
            values.push(value);
        }
        Ok(if is_too_deep.get() { Params::TooDeep } else { Params::Given(values) })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Params, E> {
        Ok(Params::Absent)
    }

    visit_map_as!(Params::NotArray);
    visit_scalars_as!(Params::NotArray; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str);
}

/// A bound value. What is nested too deep is consumed and noted, so that the text stays JSON.
struct ValueSeed<'a> {
    depth: usize,
    is_too_deep: &'a Cell<bool>,
}

impl ValueSeed<'_> {
    /// The seed for what is inside; `None` where that would be too deep.
    fn inner(&self) -> Option<ValueSeed<'_>> {
        if self.depth == MAX_PARAM_DEPTH {
            self.is_too_deep.set(true);
            return None;
        }
        Some(ValueSeed { depth: self.depth + 1, is_too_deep: self.is_too_deep })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let next = match self.inner() {
                Some(inner) => seq.next_element_seed(inner)?,
                None => seq.next_element::<IgnoredAny>()?.map(|_| Value::Null),
            };
            match next {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = serde_json::Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == NUMBER {
                let number: String = map.next_value()?;
                return number.parse().map(Value::Number).map_err(serde::de::Error::custom);
            }
            let value = match self.inner() {
                Some(inner) => map.next_value_seed(inner)?,
                None => map.next_value::<IgnoredAny>().map(|_| Value::Null)?,
            };
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        value.to_string().parse().map(Value::Number).map_err(E::custom)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        value.to_string().parse().map(Value::Number).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}
