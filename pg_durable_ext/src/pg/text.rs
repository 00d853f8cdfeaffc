//! `text` arguments and results, in databases of any encoding.

use std::ops::Deref;

use pg_durable_graph::limits::EXPANDED_MAX;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::nullable::Nullable;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, IntoDatum, pg_sys};

use super::encoding;

/// Text of the server as UTF-8. pgrx's own types take the server's bytes for that, and panic where they are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Text> {
        if is_null {
            return None;
        }
        // SAFETY: a `text` value, as the caller promises, which is not fetched for this.
        if unsafe { pg_sys::toast_raw_datum_size(datum) } > EXPANDED_MAX {
            pgrx::ereport!(
                ERROR,
                pgrx::PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("a text is longer than {} MB", EXPANDED_MAX / (1024 * 1024))
            );
        }
        // SAFETY: a `text` value, as the caller promises; a new C string is made of it.
        Some(Text(unsafe { encoding::to_utf8(pg_sys::text_to_cstring(datum.cast_mut_ptr())) }))
    }
}

// SAFETY: unboxed by the function above; the SQL declares such an argument as `text`.
unsafe impl<'fcx> ArgAbi<'fcx> for Text {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: promised by the caller. A function that cannot take NULL is STRICT.
        unsafe { arg.unbox_arg_using_from_datum() }.expect("a STRICT function is not called with NULL")
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: promised by the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

impl Text {
    /// A new value of the server's.
    fn datum(&self) -> pg_sys::Datum {
        let text = encoding::from_utf8(&self.0);
        // SAFETY: copies the C string.
        unsafe { pg_sys::Datum::from(pg_sys::cstring_to_text(text.as_ptr())) }
    }
}

impl IntoDatum for Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.datum())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

// SAFETY: a `text` value is made, as the SQL declares.
unsafe impl BoxRet for Text {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: a new text value, which is returned as the caller promises.
        unsafe { fcinfo.return_raw_datum(self.datum()) }
    }
}

// SAFETY: the type is `text`.
unsafe impl SqlTranslatable for Text {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Text);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("text")));
}
