//! `jsonb` as text: of arguments, and what text is one.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::encoding;

/// A `jsonb` argument as its text. pgrx's own type parses it at once, and panics where it is nested deeply.
pub struct Jsonb(pub String);

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Jsonb> {
        if is_null {
            return None;
        }
        // SAFETY: a `jsonb` value, as the caller promises; the output function returns a C string.
        let text = unsafe {
            encoding::to_utf8(pg_sys::OidOutputFunctionCall(pg_sys::Oid::from(pg_sys::F_JSONB_OUT), datum))
        };
        Some(Jsonb(text))
    }
}

// SAFETY: unboxed by the function above; the SQL declares such an argument as `jsonb`.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: promised by the caller. A function that cannot take NULL is STRICT.
        unsafe { arg.unbox_arg_using_from_datum() }.expect("a STRICT function is not called with NULL")
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: promised by the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: the type is `jsonb`.
unsafe impl SqlTranslatable for Jsonb {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Jsonb);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

/// What the server says of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is a `jsonb`.
    Jsonb,
    /// It is not.
    NotJsonb,
    /// It goes deeper than the server's stack.
    TooDeep,
}

/// Asks the server whether it takes a text for `jsonb`.
pub fn is_jsonb(text: &str) -> Verdict {
    let text = encoding::from_utf8(text);
    PgTryBuilder::new(|| {
        // SAFETY: the input function of `jsonb`, which takes a C string and holds nothing but memory when it raises.
        unsafe {
            let input = pg_sys::Oid::from(pg_sys::F_JSONB_IN);
            pg_sys::OidInputFunctionCall(input, text.as_ptr().cast_mut(), pg_sys::InvalidOid, -1);
        }
        Verdict::Jsonb
    })
    .catch_when(PgSqlErrorCode::ERRCODE_STATEMENT_TOO_COMPLEX, |_| Verdict::TooDeep)
    .catch_when(PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION, |_| Verdict::NotJsonb)
    .catch_when(PgSqlErrorCode::ERRCODE_UNTRANSLATABLE_CHARACTER, |_| Verdict::NotJsonb)
    .catch_when(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, |_| Verdict::NotJsonb)
    .catch_when(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, |_| Verdict::NotJsonb)
    .execute()
}
