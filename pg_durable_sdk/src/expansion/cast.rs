//! Captures that are of an SQL type whatever stands around them: bytes, since the list of numbers that they are in JSON would
//! be taken for text where nothing asks for a `bytea`.

use super::Probe;

/// The SQL type of bytes.
pub(super) const BYTES: &str = "pg_catalog.bytea";

/// The SQL type of a list of bytes.
const LIST_OF_BYTES: &str = "pg_catalog.bytea[]";

/// Types whose captures are cast.
pub trait CastType {
    /// To which SQL type.
    fn cast(&self) -> Option<&'static str>;
}

/// What a list may be of that could be bytes. All integers are, so that one which has no type yet is not made a `u8`.
pub trait Integer {
    const IS_BYTE: bool;
}

macro_rules! integers {
    ($($type:ty: $is_byte:literal;)+) => {$(
        impl Integer for $type {
            const IS_BYTE: bool = $is_byte;
        }
    )+};
}

integers! {
    u8: true;
    i8: false;
    i16: false;
    i32: false;
    i64: false;
    i128: false;
    isize: false;
    u16: false;
    u32: false;
    u64: false;
    u128: false;
    usize: false;
}

macro_rules! lists_of_integers {
    ($([$($generic:tt)*] $list:ty;)+) => {$(
        impl<E: Integer, $($generic)*> CastType for Probe<$list> {
            fn cast(&self) -> Option<&'static str> {
                E::IS_BYTE.then_some(BYTES)
            }
        }
    )+};
}

macro_rules! lists_of_lists {
    ($([$($generic:tt)*] $list:ty;)+) => {$(
        impl<E: Integer, $($generic)*> CastType for Probe<Vec<$list>> {
            fn cast(&self) -> Option<&'static str> {
                E::IS_BYTE.then_some(LIST_OF_BYTES)
            }
        }
    )+};
}

lists_of_integers! {
    [] Vec<E>;
    [] Box<[E]>;
    [] [E];
    [const N: usize] [E; N];
}

lists_of_lists! {
    [] Vec<E>;
    [const N: usize] [E; N];
}

impl CastType for Probe<bytes::Bytes> {
    fn cast(&self) -> Option<&'static str> {
        Some(BYTES)
    }
}

impl CastType for Probe<Vec<bytes::Bytes>> {
    fn cast(&self) -> Option<&'static str> {
        Some(LIST_OF_BYTES)
    }
}

impl<T: ?Sized> CastType for Probe<&T>
where
    Probe<T>: CastType,
{
    fn cast(&self) -> Option<&'static str> {
        Probe::<T>::new().cast()
    }
}

impl<T> CastType for Probe<Option<T>>
where
    Probe<T>: CastType,
{
    fn cast(&self) -> Option<&'static str> {
        Probe::<T>::new().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::AnyType as _, *};
    use bytes::Bytes;

    #[test]
    fn bytes_are_told_from_all_else() {
        macro_rules! casts {
            ($expected:expr; $($type:ty),+) => {
                $(assert_eq!((&Probe::<$type>::new()).cast(), $expected, "{}", stringify!($type));)+
            };
        }
        casts!(Some(BYTES); Vec<u8>, Option<&[u8]>, [u8], [u8; 4], &Option<Bytes>, Box<[u8]>);
        casts!(Some(LIST_OF_BYTES); Vec<Vec<u8>>, &Vec<Bytes>, Vec<[u8; 2]>);
        casts!(None; Vec<i8>, Vec<Vec<i64>>, [u16; 2], Vec<String>, String, u8, Option<Vec<f64>>);
    }
}
