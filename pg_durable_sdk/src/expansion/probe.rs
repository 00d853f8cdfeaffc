//! What the graph has to know of a type, without a value of it.
//!
//! The methods of [`NullableType`] and [`SqlType`] are found before those of [`AnyType`], which every other type
//! gets. They are traits, and no methods of their own of each `Probe<…>`, so that the compiler has nothing to add
//! where it could not find the type.

use super::{cast::BYTES, shape};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// Stands for a type.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> Probe<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

/// The type at the end of the way that a closure describes. The closure is never called.
pub fn probe<A, B>(_: impl FnOnce(A) -> Probe<B>) -> Probe<B> {
    Probe::new()
}

/// The type of a value that is captured.
pub fn type_of<T: Serialize>(_: &T) -> Probe<T> {
    Probe::new()
}

/// The type of a value that has the captured field.
pub fn owner_of<T>(_: &T) -> Probe<T> {
    Probe::new()
}

/// A type that is written out.
pub fn probe_of<T>() -> Probe<T> {
    Probe::new()
}

/// What is in an `Option`.
pub fn some<T>(_: &Option<T>) -> T {
    unreachable!("types are looked at without values")
}

impl<T: DeserializeOwned> Probe<T> {
    /// Whether it is read from the columns of a row, and not from one of them.
    pub fn is_row(&self) -> bool {
        shape::is_row::<T>()
    }
}

/// Types that have a value for NULL.
pub trait NullableType {
    /// Whether there may be no value.
    fn is_nullable(&self) -> bool {
        true
    }
}

impl<T> NullableType for Probe<Option<T>> {}
impl NullableType for Probe<serde_json::Value> {}

/// Types that have an SQL type of their own.
pub trait SqlType {
    /// The SQL type of a value that comes out of JSON.
    fn sql_type(&self) -> &'static str;
}

/// Lists of what has an SQL type of its own.
pub trait ListType {
    /// The SQL type of an element.
    fn element(&self) -> Option<&'static str>;
}

/// Types that are points in time, and not lengths.
pub trait InstantType {
    fn is_instant(&self) -> bool {
        true
    }
}

impl<Tz: TimeZone> InstantType for Probe<DateTime<Tz>> {}
impl<Tz: TimeZone> InstantType for Probe<Option<DateTime<Tz>>> {}
impl InstantType for Probe<NaiveDateTime> {}
impl InstantType for Probe<Option<NaiveDateTime>> {}
impl InstantType for Probe<NaiveDate> {}
impl InstantType for Probe<Option<NaiveDate>> {}

/// What is true of every type that is none of the above: found later, behind one more reference.
pub trait AnyType {
    fn is_nullable(&self) -> bool {
        false
    }

    fn sql_type(&self) -> &'static str {
        "jsonb"
    }

    fn element(&self) -> Option<&'static str> {
        None
    }

    fn cast(&self) -> Option<&'static str> {
        None
    }

    fn is_instant(&self) -> bool {
        false
    }
}

impl<T: ?Sized> AnyType for &Probe<T> {}

/// The fields that a struct has in JSON, of types with a schema.
pub trait SchemaFields {
    /// Their names, where they are known.
    fn fields(&self) -> Option<Vec<String>>;
}

impl<T: JsonSchema> SchemaFields for &Probe<T> {
    fn fields(&self) -> Option<Vec<String>> {
        shape::schema_fields::<T>()
    }
}

/// The fields that a struct has in JSON, of types that are read from it.
pub trait ReadFields {
    /// Their names, where they are known.
    fn fields(&self) -> Option<Vec<String>>;
}

impl<T: DeserializeOwned> ReadFields for Probe<T> {
    fn fields(&self) -> Option<Vec<String>> {
        shape::read_fields::<T>()
    }
}

/// Of other types nothing is known.
pub trait AnyFields {
    fn fields(&self) -> Option<Vec<String>> {
        None
    }
}

impl<T> AnyFields for &&Probe<T> {}

/// The JSON Schema of a signal's data, of types with one.
pub trait Schema {
    /// The schema.
    fn schema(&self) -> Option<serde_json::Value>;
}

impl<T: JsonSchema> Schema for Probe<T> {
    fn schema(&self) -> Option<serde_json::Value> {
        Some(crate::schema::read::<T>())
    }
}

/// Data of other types may be anything.
pub trait AnySchema {
    fn schema(&self) -> Option<serde_json::Value> {
        None
    }
}

impl<T> AnySchema for &Probe<T> {}

macro_rules! sql_types {
    ($($sql:literal: $($rust:ty),+;)+) => {$($(
        impl SqlType for Probe<$rust> {
            fn sql_type(&self) -> &'static str {
                $sql
            }
        }

        impl SqlType for Probe<Option<$rust>> {
            fn sql_type(&self) -> &'static str {
                $sql
            }
        }

        impl ListType for Probe<Vec<$rust>> {
            fn element(&self) -> Option<&'static str> {
                Some($sql)
            }
        }

        impl ListType for Probe<Option<Vec<$rust>>> {
            fn element(&self) -> Option<&'static str> {
                Some($sql)
            }
        }
    )+)+};
}

sql_types! {
    "boolean": bool;
    "bigint": i8, i16, i32, i64, u16, u32, u64, isize, usize;
    "double precision": f32, f64;
    "text": String, &str, char;
}

impl SqlType for Probe<u8> {
    fn sql_type(&self) -> &'static str {
        "bigint"
    }
}

impl SqlType for Probe<Option<u8>> {
    fn sql_type(&self) -> &'static str {
        "bigint"
    }
}

macro_rules! bytes {
    ($([$($generic:tt)*] $rust:ty;)+) => {$(
        impl<$($generic)*> ListType for Probe<$rust> {
            fn element(&self) -> Option<&'static str> {
                Some(BYTES)
            }
        }

        impl<$($generic)*> ListType for Probe<Option<$rust>> {
            fn element(&self) -> Option<&'static str> {
                Some(BYTES)
            }
        }
    )+};
}

bytes! {
    [] Vec<u8>;
    [] Box<[u8]>;
    [] bytes::Bytes;
    [const N: usize] [u8; N];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart() {
        macro_rules! facts {
            ($type:ty) => {{
                let probe: Probe<$type> = Probe::new();
                ((&probe).is_nullable(), (&probe).sql_type())
            }};
        }
        assert_eq!(facts!(i32), (false, "bigint"));
        assert_eq!(facts!(Option<String>), (true, "text"));
        assert_eq!(facts!(serde_json::Value), (true, "jsonb"));
        assert_eq!(facts!(Vec<i64>), (false, "jsonb"));
        assert_eq!(facts!(Option<Vec<i64>>), (true, "jsonb"));
        let instant: Probe<Option<DateTime<chrono::Utc>>> = Probe::new();
        let length: Probe<chrono::TimeDelta> = Probe::new();
        assert!(instant.is_instant() && !(&length).is_instant());
        let list: Probe<Vec<String>> = Probe::new();
        let other: Probe<Vec<Vec<i64>>> = Probe::new();
        assert_eq!((list.element(), (&other).element()), (Some("text"), None));
    }
}
