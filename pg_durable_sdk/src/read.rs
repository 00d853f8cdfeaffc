//! How results become Rust types: what `serde` is told of rows.
//!
//! The type that is wanted decides: a sequence takes all rows, an option none or one, anything else exactly
//! one. Within a row a struct or map takes the columns, a tuple them in order, a value the only column. What asks for
//! anything, as tagged enums and types of other crates do, gets the only column, or the row where there are several.

use crate::{
    OutputError,
    json::{Map, Value},
};
use pg_durable_graph::{Column as Described, Layout, columns};
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use std::{borrow::Cow, marker::PhantomData};

mod bytes;
mod missing;

use missing::Missing;
pub(crate) use missing::Reading;

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

/// The only row of a result.
pub(crate) fn only<'de>(
    rows: &'de [Value],
    layout: Option<&'de Layout>,
    reading: &'de Reading,
) -> Result<Row<'de>, OutputError> {
    match rows {
        [_] => Ok(all(rows, layout, reading).next().expect("there is one")),
        _ => Err(OutputError::RowCount(rows.len())),
    }
}

/// The rows of a result.
pub(crate) fn all<'de>(
    rows: &'de [Value],
    layout: Option<&'de Layout>,
    reading: &'de Reading,
) -> impl ExactSizeIterator<Item = Row<'de>> {
    let columns = match layout {
        Some(Layout::Rows(columns)) => Some(columns.as_slice()),
        Some(Layout::Branches(_)) | None => None,
    };
    rows.iter().enumerate().map(move |(nth, row)| Row { row, nth, columns, reading })
}

/// A result: of SQL its rows, of a fan-out the branches' results, of anything else a document.
#[derive(Clone, Copy)]
pub(crate) struct Whole<'de> {
    pub(crate) value: &'de Value,
    pub(crate) layout: Option<&'de Layout>,
    pub(crate) reading: &'de Reading,
}

/// A row: an object, whose members have another order than the columns.
#[derive(Clone, Copy)]
pub(crate) struct Row<'de> {
    row: &'de Value,
    /// Which of the result's rows it is.
    nth: usize,
    /// Not known of results that came in a list.
    columns: Option<&'de [Described]>,
    reading: &'de Reading,
}

/// A column's value or a part of it. Numbers may be text: `numeric` is, so that no digit is lost.
#[derive(Clone, Copy)]
pub(crate) struct Column<'de> {
    value: &'de Value,
    /// Whether it is the JSON value `null`, which is not NULL.
    is_json_null: bool,
}

impl<'de> Column<'de> {
    pub(crate) fn of(value: &'de Value) -> Self {
        Self { value, is_json_null: false }
    }
}

fn null_of_json() -> OutputError {
    OutputError::custom(
        "the null of JSON, which is not NULL: read it as a serde_json::Value, or select NULLIF(…, 'null')",
    )
}

impl<'de> Whole<'de> {
    /// What an option asks: whether there is anything.
    fn is_nothing(self) -> bool {
        match rows_of(self.value) {
            Some(rows @ [_]) => only(rows, self.layout, self.reading).is_ok_and(Row::is_null),
            Some(rows) => rows.is_empty(),
            None => self.value.is_null(),
        }
    }

    /// The results of a fan-out's branches.
    fn branches(self, results: &'de [Value]) -> impl ExactSizeIterator<Item = Whole<'de>> {
        let layouts = match self.layout {
            Some(Layout::Branches(layouts)) => layouts.as_slice(),
            Some(Layout::Rows(_)) | None => &[],
        };
        let layout = move |place: usize| layouts.get(place).and_then(Option::as_ref);
        results.iter().enumerate().map(move |(place, value)| Whole {
            value,
            layout: layout(place),
            reading: self.reading,
        })
    }
}

impl<'de> Row<'de> {
    fn members(self) -> Result<&'de Map, OutputError> {
        self.row.as_object().ok_or_else(|| OutputError::custom("the row is no object"))
    }

    /// The columns, in their order where that is known.
    fn columns(self) -> Result<Vec<Named<'de>>, OutputError> {
        let members = self.members()?;
        let Some(described) = self.columns else {
            return Ok(members
                .iter()
                .map(|(name, value)| Named(Cow::Borrowed(name), Column::of(value)))
                .collect());
        };
        let column = |(name, column): (String, &Described)| {
            let value = members.get(&name).unwrap_or(&Value::Null);
            Named(name.into(), Column { value, is_json_null: column.is_json_null(self.nth) })
        };
        Ok(columns::members(described).into_iter().zip(described).map(column).collect())
    }

    /// Those of a row that is read by names, which several of them must not have.
    fn named_columns(self, is_read: impl Fn(&str) -> bool) -> Result<Vec<Named<'de>>, OutputError> {
        let repeated = columns::repeated(self.columns.unwrap_or_default());
        match repeated.into_iter().find(|name| is_read(name)) {
            Some(name) => {
                let members = columns::ambiguous(self.columns.unwrap_or_default(), name);
                Err(OutputError::Ambiguous { column: name.to_owned(), members })
            }
            None => self.columns(),
        }
    }

    /// The name and value of a row of one column.
    fn only_column(self) -> Result<Named<'de>, OutputError> {
        let mut columns = self.columns()?;
        match (columns.pop(), columns.len()) {
            (Some(only), 0) => Ok(only),
            (last, count) => {
                let count = count + usize::from(last.is_some());
                Err(OutputError::custom(format!("the row has {count} columns, where one value is wanted")))
            }
        }
    }

    /// The only column, where that is a `bytea`.
    fn only_bytes(self) -> Option<Vec<u8>> {
        self.only_column().ok().and_then(|Named(_, column)| column.as_bytes())
    }

    /// Whether there is nothing in it but a NULL.
    fn is_null(self) -> bool {
        self.only_column().is_ok_and(|Named(_, column)| column.is_null())
    }

    /// The only column, where that is a document and the row is not meant: there is no field of the column's name.
    fn document(self, fields: &[&str]) -> Option<Named<'de>> {
        let only = self.only_column().ok()?;
        (only.1.value.is_object() && !fields.contains(&only.0.as_ref())).then_some(only)
    }
}

impl<'de> Row<'de> {
    /// The columns, and behind them the fields that none of them has.
    fn with_fields(self, columns: Vec<Named<'de>>, fields: &'static [&'static str]) -> Fields<'de> {
        let missing = self.reading.missing(fields, &columns).into_iter();
        let names = columns.iter().map(|Named(name, _)| name.to_string()).collect();
        Fields { columns: Members::of(columns), names, missing, next: None, reading: self.reading }
    }
}

impl Column<'_> {
    fn is_null(self) -> bool {
        self.value.is_null() && !self.is_json_null
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
            let Named(name, column) = self.only_column()?;
            column.$method($($argument,)* visitor).map_err(|error| error.within(&name))
        }
    )+};
}

impl<'de> Whole<'de> {
    fn one(self) -> Result<One<'de>, OutputError> {
        match rows_of(self.value) {
            Some(rows) => only(rows, self.layout, self.reading).map(One::Row),
            None => Ok(One::Column(Column::of(self.value))),
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
            WHOLE => {
                let whole = crate::Output::to_whole(self.value, self.layout);
                visitor.visit_newtype_struct(StrDeserializer::new(&whole))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        let Some(rows) = rows_of(self.value) else {
            return match self.value {
                Value::Array(results) => visit_all(self.branches(results), visitor),
                _ => Column::of(self.value).deserialize_seq(visitor),
            };
        };
        match only(rows, self.layout, self.reading) {
            Ok(row) if let Some(bytes) = row.only_bytes() => bytes::visit_or(row, &bytes, visitor),
            Ok(_) | Err(_) => visit_all(all(rows, self.layout, self.reading), visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, OutputError> {
        match self.value {
            Value::Array(results) => visit_all(self.branches(results), visitor),
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
            Ok(Named(name, column)) => column.deserialize_any(visitor).map_err(|error| error.within(&name)),
            Err(_) => visitor.visit_map(Members::of(self.columns()?)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match self.document(&[]) {
            Some(Named(_, column)) => column.deserialize_map(visitor),
            None => visitor.visit_map(Members::of(self.named_columns(|_| true)?)),
        }
    }

    /// The columns in their order, unless there is only one, and it is an array.
    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, OutputError> {
        match self.only_column() {
            Ok(Named(name, column)) if column.value.is_array() => {
                column.deserialize_seq(visitor).map_err(|error| error.within(&name))
            }
            Ok(Named(name, column)) if let Some(bytes) = column.as_bytes() => {
                bytes::visit_or(column, &bytes, visitor).map_err(|error| error.within(&name))
            }
            Ok(only) => visit_all([only].into_iter(), visitor),
            Err(_) if self.columns.is_none() => Err(OutputError::custom(
                "a list does not tell in which order the columns are: read the result of the run itself",
            )),
            Err(_) => visit_all(self.columns()?.into_iter(), visitor),
        }
    }

    tuple_structs_as_tuples! {}

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        match self.document(fields) {
            Some(Named(_, column)) => column.deserialize_struct(name, fields, visitor),
            None => visitor
                .visit_map(self.with_fields(self.named_columns(|name| fields.contains(&name))?, fields)),
        }
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
            match self.value.as_str().map(str::parse::<$type>) {
                Some(Ok(number)) => visitor.$visit(number),
                _ if self.is_json_null => Err(null_of_json()),
                Some(Err(_)) | None => self.value.$method(visitor).map_err(OutputError::shape),
            }
        }
    )+};
}

/// As `serde_json` reads it.
macro_rules! plain {
    ($($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, OutputError> {
            match self.is_json_null {
                true => Err(null_of_json()),
                false => self.value.$method($($argument,)* visitor).map_err(OutputError::shape),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Column<'de> {
    type Error = OutputError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        match self.value {
            Value::Array(items) => visit_all(items.iter().map(Column::of), visitor),
            Value::Object(members) => {
                let member = |(name, value)| Named(Cow::from(name), Column::of(value));
                visitor.visit_map(Members::of(members.iter().map(member).collect()))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.value.deserialize_any(visitor).map_err(OutputError::shape)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
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
        match (self.value, self.as_bytes()) {
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
        match self.value {
            Value::String(variant) => visitor.visit_enum(BorrowedStrDeserializer::new(variant)),
            Value::Object(members)
                if let (Some((name, content)), 1) = (members.iter().next(), members.len()) =>
            {
                visitor.visit_enum(Variant { name, content: Column::of(content) })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.value.deserialize_enum(name, variants, visitor).map_err(OutputError::shape)
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

/// A column or member, whose name errors tell.
struct Named<'de>(Cow<'de, str>, Column<'de>);

/// The members of an object, or columns of a row.
struct Members<'de> {
    members: std::vec::IntoIter<Named<'de>>,
    value: Option<Named<'de>>,
}

impl<'de> Members<'de> {
    fn of(members: Vec<Named<'de>>) -> Self {
        Self { members: members.into_iter(), value: None }
    }

    fn is_over(&self) -> bool {
        self.members.len() == 0
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = OutputError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, OutputError> {
        let Some(member) = self.members.next() else { return Ok(None) };
        let key = match &member.0 {
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            Cow::Owned(name) => seed.deserialize(StrDeserializer::new(name)),
        };
        self.value = Some(member);
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, OutputError> {
        let Named(name, value) =
            self.value.take().ok_or_else(|| OutputError::custom("a value before its name"))?;
        seed.deserialize(value).map_err(|error| error.within(&name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len())
    }
}

/// The columns of a row that a struct is read from.
struct Fields<'de> {
    columns: Members<'de>,
    names: Vec<String>,
    missing: std::vec::IntoIter<missing::Field>,
    /// The missing field whose value comes next.
    next: Option<&'static str>,
    reading: &'de Reading,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = OutputError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, OutputError> {
        if !self.columns.is_over() {
            return self.columns.next_key_seed(seed);
        }
        let Some(field) = self.missing.next() else { return Ok(None) };
        self.reading.name(field);
        self.next = Some(field.1);
        seed.deserialize(BorrowedStrDeserializer::new(field.1)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, OutputError> {
        match self.next.take() {
            Some(name) => seed.deserialize(Missing { name, columns: &self.names, reading: self.reading }),
            None => self.columns.next_value_seed(seed),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.columns.size_hint()
    }
}

/// Something in a sequence.
trait Item<'de> {
    fn read<S: DeserializeSeed<'de>>(self, place: usize, seed: S) -> Result<S::Value, OutputError>;
}

impl<'de> Item<'de> for Named<'de> {
    fn read<S: DeserializeSeed<'de>>(self, _place: usize, seed: S) -> Result<S::Value, OutputError> {
        seed.deserialize(self.1).map_err(|error| error.within(&self.0))
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
