//! `bytea`, which is text in hex, as bytes.
//!
//! Lists ask for their elements, and only a list of bytes asks for a `u8`. So a list, or a tuple, is all bytes of the only
//! column where its first element is asked for as one, and what it is of any other column otherwise.

use super::Column;
use crate::OutputError;
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, SeqAccess, Visitor, value::U8Deserializer},
};
use std::cell::Cell;

impl Column<'_> {
    /// The bytes, where this is the text that results have for a `bytea`: `\x00ff`.
    pub(super) fn as_bytes(self) -> Option<Vec<u8>> {
        let digits = self.value.as_str()?.strip_prefix(r"\x")?.as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
    }
}

/// Hands bytes to a sequence.
pub(super) fn visit<'de, V: Visitor<'de>>(bytes: &[u8], visitor: V) -> Result<V::Value, OutputError> {
    let mut rest = Rest { bytes, taken: 0 };
    let value = visitor.visit_seq(&mut rest)?;
    rest.finish(value)
}

/// Hands bytes to a sequence that asks for a byte, and to any other what there is otherwise, as its only element.
pub(super) fn visit_or<'de, V, D>(otherwise: D, bytes: &[u8], visitor: V) -> Result<V::Value, OutputError>
where
    V: Visitor<'de>,
    D: Deserializer<'de, Error = OutputError>,
{
    let mut either =
        Either { otherwise: Some(otherwise), wants_bytes: Cell::new(false), rest: Rest { bytes, taken: 0 } };
    let value = visitor.visit_seq(&mut either)?;
    match either.wants_bytes.get() {
        true => either.rest.finish(value),
        false => Ok(value),
    }
}

struct Rest<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl Rest<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.taken)?;
        self.taken += 1;
        Some(byte)
    }

    /// A sequence of another length is refused.
    fn finish<T>(&self, value: T) -> Result<T, OutputError> {
        if self.taken == self.bytes.len() {
            return Ok(value);
        }
        let wanted = format!("{} bytes", self.taken);
        Err(OutputError::invalid_length(self.bytes.len(), &wanted.as_str()))
    }
}

impl<'de> SeqAccess<'de> for Rest<'_> {
    type Error = OutputError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, OutputError> {
        self.next().map(|byte| seed.deserialize(U8Deserializer::<OutputError>::new(byte))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len() - self.taken)
    }
}

struct Either<'a, D> {
    otherwise: Option<D>,
    wants_bytes: Cell<bool>,
    rest: Rest<'a>,
}

impl<'de, D: Deserializer<'de, Error = OutputError>> SeqAccess<'de> for Either<'_, D> {
    type Error = OutputError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, OutputError> {
        let Some(otherwise) = self.otherwise.take() else {
            return if self.wants_bytes.get() { self.rest.next_element_seed(seed) } else { Ok(None) };
        };
        let byte = self.rest.next();
        let element = seed.deserialize(First { otherwise, byte, wants_bytes: &self.wants_bytes });
        match (self.wants_bytes.get(), byte) {
            // There are no bytes, and the list has asked for the first.
            (true, None) => Ok(None),
            (true, Some(_)) | (false, _) => element.map(Some),
        }
    }
}

/// The first element.
struct First<'a, D> {
    otherwise: D,
    byte: Option<u8>,
    wants_bytes: &'a Cell<bool>,
}

macro_rules! otherwise {
    ($($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, OutputError> {
            self.otherwise.$method($($argument,)* visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de, Error = OutputError>> Deserializer<'de> for First<'_, D> {
    type Error = OutputError;

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OutputError> {
        self.wants_bytes.set(true);
        match self.byte {
            Some(byte) => visitor.visit_u8(byte),
            None => Err(OutputError::custom("there are no bytes")),
        }
    }

    otherwise! {
        deserialize_any() deserialize_bool() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_identifier() deserialize_map()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
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
