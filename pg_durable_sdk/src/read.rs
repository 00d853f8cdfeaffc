//! How results become Rust types: what `serde` is told of rows.
//!
//! The type that is wanted decides: a sequence takes all rows, an option none or one, anything else exactly
//! one. Within a row a struct or map takes the columns, a tuple them in order, a value the only column. What asks for
//! anything, as tagged enums and types of other crates do, gets the only column, or the row where there are several.

use crate::{
    OutputError,
    json::{self, Map, Value},
};
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use std::marker::PhantomData;

mod bytes;

/// The newtype by which [`Output`](crate::Output) asks for the whole result, unread.
pub(crate) const WHOLE: &str = "$pg_durable_sdk::Output";

/// The rows of an SQL step's result; `None` of any other.
pub(crate) fn rows_of(result: &Value) -> Option<&[Value]> {
    let object = result.as_object()?;
    match (object.get("rows"), object.get("row_count")) {
        (Some(Value::Array(rows)), Some(Value::Number(_))) => Some(rows),
        _ => None,
    }
}

/// The only row.
pub(crate) fn only(rows: &[Value]) -> Result<Row<'_>, OutputError> {
    match rows {
        [row] => Ok(Row(row)),
        _ => Err(OutputError::RowCount(rows.len())),
    }
}

/// A result: of SQL its rows, of a fan-out the branches' results, of anything else a document.
#[derive(Clone, Copy)]
pub(crate) struct Whole<'de>(pub(crate) &'de Value);

/// A row: an object.
#[derive(Clone, Copy)]
pub(crate) struct Row<'de>(pub(crate) &'de Value);

/// A column's value or a part of it. Numbers may be text: `numeric` is, so that no digit is lost.
#[derive(Clone, Copy)]
pub(crate) struct Column<'de>(pub(crate) &'de Value);

impl<'de> Whole<'de> {
    /// What an option asks: whether there is anything.
    fn is_nothing(self) -> bool {
        match rows_of(self.0) {
            Some([row]) => Row(row).is_null(),
            Some(rows) => rows.is_empty(),
            None => self.0.is_null(),
        }
    }
}

impl<'de> Row<'de> {
    fn columns(self) -> Result<&'de Map, OutputError> {
        self.0.as_object().ok_or_else(|| serde::de::Error::custom("the row is no object"))
    }

    /// The name and value of a row of one column.
    fn only_column(self) -> Result<(&'de str, Column<'de>), OutputError> {
        let columns = self.columns()?;
        match (columns.iter().next(), columns.len()) {
            (Some((name, value)), 1) => Ok((name, Column(value))),
            (_, count) => {
                Err(OutputError::custom(format!("the row has {count} columns, where one value is wanted")))
            }
        }
    }

    /// The only column, where that is a `bytea`.
    fn only_bytes(self) -> Option<Vec<u8>> {
        self.only_column().ok().and_then(|(_, column)| column.as_bytes())
    }

    fn is_null(self) -> bool {
        self.only_column().is_ok_and(|(_, column)| column.0.is_null())
    }

    /// Where a map is wanted: the row, unless its only column is a document.
    fn as_map(self) -> Column<'de> {
        match self.only_column() {
            Ok((_, column @ Column(Value::Object(_)))) => column,
            Ok(_) | Err(_) => Column(self.0),
        }
    }

    /// Where a struct is wanted: the row, unless its only column is a document that the struct must mean.
    fn as_struct(self, fields: &[&str]) -> Result<Column<'de>, OutputError> {
        let columns = self.columns()?;
        match (columns.iter().next(), columns.len()) {
            (Some((name, value @ Value::Object(_))), 1) if !fields.contains(&name.as_str()) => {
                Ok(Column(value))
            }
            _ => Ok(Column(self.0)),
        }
    }
}

/// Lets methods of one deserializer be those of another.
macro_rules! pass_on {
    ($to:ident: $($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, OutputError> {
            self.$to()?.$method($($argument,)* visitor)
        }
    )+};
}

macro_rules! tuple_structs_as_tuples {
    () => {
        fn deserialize_tuple_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            len: usize,
            visitor: V,
        ) -> Result<V::Value, OutputError> {
            self.deserialize_tuple(len, visitor)
        }
    };
}

/// The same for the only column of a row, which errors name.
macro_rules! pass_to_column {
    ($($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, OutputError> {
            let (name, column) = self.only_column()?;
            column.$method($($argument,)* visitor).map_err(|error| error.within(name))
        }
    )+};
}

impl<'de> Whole<'de> {
    fn one(self) -> Result<One<'de>, OutputError> {
        match rows_of(self.0) {
            Some(rows) => only(rows).map(One::Row),
            None => Ok(One::Column(Column(self.0))),
        }
    }
}

/// What a single value is read from.
enum One<'de> {
    Row(Row<'de>),
    Column(Column<'de>),
}

macro_rules! either {
    ($($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, OutputError> {
            match self {
                One::Row(row) => row.$method($($argument,)* visitor),
                One::Column(column) => column.$method($($argument,)* visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for One<'de> {
    type Error = OutputError;

    either! {
        deserialize_any() deserialize_bool() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_identifier() deserialize_map()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_option() deserialize_unit() deserialize_seq()
        deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

impl<'de> Deserializer<'de> for Whole<'de> {
    type Error = OutputError;

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        match name {
            WHOLE => visitor.visit_newtype_struct(self.0).map_err(OutputError::shape),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match (rows_of(self.0), self.0) {
            (Some([row]), _) if let Some(bytes) = Row(row).only_bytes() => {
                bytes::visit_or(Row(row), &bytes, visitor)
            }
            (Some(rows), _) => visit_all(rows.iter().map(Row), visitor),
            (None, Value::Array(results)) => visit_all(results.iter().map(Whole), visitor),
            (None, _) => Column(self.0).deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, OutputError> {
        match self.0 {
            Value::Array(results) => visit_all(results.iter().map(Whole), visitor),
            _ => self.one()?.deserialize_tuple(len, visitor),
        }
    }

    tuple_structs_as_tuples! {}

    /// `()` is for who does not care.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        visitor.visit_unit()
    }

    pass_on! { one:
        deserialize_any() deserialize_bool() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_identifier() deserialize_map()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

impl<'de> Deserializer<'de> for Row<'de> {
    type Error = OutputError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match self.only_column() {
            Ok((name, column)) => column.deserialize_any(visitor).map_err(|error| error.within(name)),
            Err(_) => Column(self.0).deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        self.as_map().deserialize_map(visitor)
    }

    /// The columns in their order, unless there is only one, and it is an array.
    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, OutputError> {
        match self.only_column() {
            Ok((name, column @ Column(Value::Array(_)))) => {
                column.deserialize_seq(visitor).map_err(|error| error.within(name))
            }
            Ok((name, column)) if let Some(bytes) = column.as_bytes() => {
                bytes::visit_or(column, &bytes, visitor).map_err(|error| error.within(name))
            }
            Ok(_) | Err(_) => {
                let columns = self.columns()?.iter().map(|(name, value)| Named(name, Column(value)));
                visit_all(columns, visitor)
            }
        }
    }

    tuple_structs_as_tuples! {}

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        self.as_struct(fields)?.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { ignored_any identifier }

    pass_to_column! {
        deserialize_bool() deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_u128() deserialize_f32() deserialize_f64() deserialize_seq()
        deserialize_unit_struct(name: &'static str)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

/// A number, which may be text.
macro_rules! numbers {
    ($($method:ident: $type:ty, $visit:ident;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
            match self.0.as_str().map(str::parse::<$type>) {
                Some(Ok(number)) => visitor.$visit(number),
                Some(Err(_)) | None => self.0.$method(visitor).map_err(OutputError::shape),
            }
        }
    )+};
}

/// As `serde_json` reads it.
macro_rules! plain {
    ($($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, OutputError> {
            self.0.$method($($argument,)* visitor).map_err(OutputError::shape)
        }
    )+};
}

impl<'de> Deserializer<'de> for Column<'de> {
    type Error = OutputError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match self.0 {
            Value::Array(items) => visit_all(items.iter().map(Column), visitor),
            Value::Object(members) => visitor.visit_map(Members { members: members.iter(), value: None }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.0.deserialize_any(visitor).map_err(OutputError::shape)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match self.as_bytes() {
            Some(bytes) => bytes::visit(&bytes, visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, OutputError> {
        self.deserialize_seq(visitor)
    }

    tuple_structs_as_tuples! {}

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match (self.0, self.as_bytes()) {
            (_, Some(bytes)) => visitor.visit_byte_buf(bytes),
            // A text has bytes in some encoding: which, only SQL can say.
            (Value::String(_), None) => {
                Err(OutputError::custom("a text is no bytes: select it as bytea, convert_to(…, 'UTF8')"))
            }
            (_, None) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        match self.0 {
            Value::String(variant) => visitor.visit_enum(BorrowedStrDeserializer::new(variant)),
            Value::Object(members)
                if let (Some((name, content)), 1) = (members.iter().next(), members.len()) =>
            {
                visitor.visit_enum(Variant { name, content: Column(content) })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.0.deserialize_enum(name, variants, visitor).map_err(OutputError::shape)
            }
        }
    }

    forward_to_deserialize_any! { map struct }

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
        deserialize_f32: f32, visit_f32;
        deserialize_f64: f64, visit_f64;
    }

    plain! {
        deserialize_bool() deserialize_char() deserialize_str() deserialize_string() deserialize_identifier()
        deserialize_ignored_any() deserialize_unit() deserialize_unit_struct(name: &'static str)
    }
}

/// An enum's variant with something in it: `{"variant": content}`.
struct Variant<'de> {
    name: &'de str,
    content: Column<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = OutputError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), OutputError> {
        Ok((seed.deserialize(BorrowedStrDeserializer::<OutputError>::new(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = OutputError;

    fn unit_variant(self) -> Result<(), OutputError> {
        self.newtype_variant_seed(PhantomData)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, OutputError> {
        seed.deserialize(self.content).map_err(|error| error.within(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, OutputError> {
        self.content.deserialize_tuple(len, visitor).map_err(|error| error.within(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        self.content.deserialize_struct("", fields, visitor).map_err(|error| error.within(self.name))
    }
}

/// The members of an object, or columns of a row.
struct Members<'de> {
    members: json::Iter<'de>,
    value: Option<(&'de str, &'de Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = OutputError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, OutputError> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, OutputError> {
        let (name, value) =
            self.value.take().ok_or_else(|| OutputError::custom("a value before its name"))?;
        seed.deserialize(Column(value)).map_err(|error| error.within(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len())
    }
}

/// A column, whose name errors tell.
struct Named<'de>(&'de str, Column<'de>);

/// Something in a sequence.
trait Item<'de> {
    fn read<S: DeserializeSeed<'de>>(self, place: usize, seed: S) -> Result<S::Value, OutputError>;
}

impl<'de> Item<'de> for Named<'de> {
    fn read<S: DeserializeSeed<'de>>(self, _place: usize, seed: S) -> Result<S::Value, OutputError> {
        seed.deserialize(self.1).map_err(|error| error.within(self.0))
    }
}

macro_rules! items_by_place {
    ($($deserializer:ident)+) => {$(
        impl<'de> Item<'de> for $deserializer<'de> {
            fn read<S: DeserializeSeed<'de>>(self, place: usize, seed: S) -> Result<S::Value, OutputError> {
                seed.deserialize(self).map_err(|error| error.within(&format!("[{place}]")))
            }
        }
    )+};
}

items_by_place! { Whole Row Column }

struct Items<I> {
    items: I,
    taken: usize,
}

impl<'de, I> SeqAccess<'de> for Items<I>
where
    I: ExactSizeIterator,
    I::Item: Item<'de>,
{
    type Error = OutputError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, OutputError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let place = self.taken;
        self.taken += 1;
        item.read(place, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

fn visit_all<'de, V, I>(items: I, visitor: V) -> Result<V::Value, OutputError>
where
    V: Visitor<'de>,
    I: ExactSizeIterator,
    I::Item: Item<'de>,
{
    let mut items = Items { items, taken: 0 };
    let value = visitor.visit_seq(&mut items)?;
    match items.items.len() {
        0 => Ok(value),
        left => {
            let wanted = format!("{} elements in sequence", items.taken);
            Err(OutputError::invalid_length(items.taken + left, &wanted.as_str()))
        }
    }
}

impl serde::de::Error for OutputError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::shape(serde_json::Error::custom(message))
    }
}

#[cfg(test)]
mod tests;
