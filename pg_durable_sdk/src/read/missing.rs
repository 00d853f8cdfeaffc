//! Fields that no column has.
//!
//! `serde` makes `None` of a missing field that is an `Option`, so that a name that is written wrong reads as NULL. A row is
//! therefore followed by the fields that it lacks, each with a value that only says what it is asked for: an `Option` is
//! refused. What asks otherwise is left to `serde`, which knows defaults, and so is a name that is another's alias: those are
//! found out by reading once more without them.

use super::Named;
use crate::OutputError;
use serde::{
    Deserializer,
    de::{Error as _, Visitor},
    forward_to_deserialize_any,
};
use std::cell::{Cell, RefCell};

/// A field of a struct: the struct by its list of fields, and the name.
pub(super) type Field = (*const &'static str, &'static str);

/// What one result has shown while it was read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Fields that are left to `serde`.
    excused: RefCell<Vec<Field>>,
    /// The field that was named and has not been refused.
    named: Cell<Option<Field>>,
}

impl Reading {
    /// Reads until no field is left to be excused.
    pub(crate) fn of<T>(read: impl Fn(&Reading) -> Result<T, OutputError>) -> Result<T, OutputError> {
        let reading = Reading::default();
        loop {
            let result = read(&reading);
            match (&result, reading.named.take()) {
                (Err(_), Some(field)) => reading.excused.borrow_mut().push(field),
                (Ok(_) | Err(_), _) => return result,
            }
        }
    }

    /// The fields that a row lacks.
    pub(super) fn missing(&self, fields: &'static [&'static str], columns: &[Named<'_>]) -> Vec<Field> {
        let excused = self.excused.borrow();
        let fields = fields.iter().map(|name| (fields.as_ptr(), *name));
        let is_missing = |(_, name): &Field| columns.iter().all(|Named(column, _)| column != name);
        fields.filter(is_missing).filter(|field| !excused.contains(field)).collect()
    }

    pub(super) fn name(&self, field: Field) {
        self.named.set(Some(field));
    }
}

/// The value of a field that no column has.
pub(super) struct Missing<'a> {
    pub(super) name: &'static str,
    pub(super) columns: &'a [String],
    pub(super) reading: &'a Reading,
}

impl<'de> Deserializer<'de> for Missing<'_> {
    type Error = OutputError;

    fn deserialize_option<V: Visitor<'de>>(self, _: V) -> Result<V::Value, OutputError> {
        self.reading.named.set(None);
        Err(OutputError::NoColumn { column: self.name.to_owned(), available: self.columns.to_vec() })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, OutputError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, OutputError> {
        Err(OutputError::missing_field(self.name))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
