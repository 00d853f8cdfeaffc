//! Statements that are put together for one call, and functions whose result is the rows of one.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::role::OwnerGuard;
use super::spi::{Arg, Rows, Session, datum};

/// A value that a [`Query`] keeps.
#[derive(Debug, Clone)]
pub enum Value {
    Int4(i32),
    Int8(i64),
    Oid(pg_sys::Oid),
    Oids(Vec<pg_sys::Oid>),
    Text(String),
    Jsonb(String),
    /// Microseconds since 2000-01-01 UTC.
    Timestamp(i64),
}

/// The text of a statement, ASCII only, and the values of its parameters.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub text: String,
    values: Vec<Value>,
}

impl Query {
    /// Adds a value, and says how the text refers to it.
    pub fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// Runs it; no more is kept of it than of any other statement.
    pub fn run<'s>(&self, session: &'s Session) -> Rows<'s> {
        session.run_once(&self.text, self.values.iter().map(typed).collect())
    }
}

fn typed(value: &Value) -> (pg_sys::Oid, pg_sys::Datum) {
    let (type_oid, (datum, _)) = match value {
        Value::Int8(value) => (pg_sys::INT8OID, datum(Arg::Int8(*value))),
        Value::Int4(value) => (pg_sys::INT4OID, datum(Arg::Int4(*value))),
        Value::Oid(value) => (pg_sys::OIDOID, datum(Arg::Oid(*value))),
        Value::Oids(values) => {
            let mut values: Vec<_> = values.iter().map(|oid| pg_sys::Datum::from(*oid)).collect();
            (pg_sys::OIDARRAYOID, (oid_array(&mut values), false))
        }
        Value::Text(value) => (pg_sys::TEXTOID, datum(Arg::Text(value))),
        Value::Jsonb(value) => (pg_sys::JSONBOID, datum(Arg::Jsonb(value))),
        Value::Timestamp(value) => (pg_sys::TIMESTAMPTZOID, datum(Arg::Timestamp(*value))),
    };
    (type_oid, datum)
}

/// A new `oid[]`.
pub(super) fn oid_array(oids: &mut [pg_sys::Datum]) -> pg_sys::Datum {
    // SAFETY: elements of type oid, with its length, alignment and passing.
    unsafe {
        pg_sys::Datum::from(pg_sys::construct_array(
            oids.as_mut_ptr(),
            oids.len() as i32,
            pg_sys::OIDOID,
            size_of::<pg_sys::Oid>() as i32,
            true,
            b'i' as core::ffi::c_char,
        ))
    }
}

/// The rows of a query, run as `owner`, as the result of a function that returns a set of rows. The query's columns are of
/// the types that the function's SQL declares.
pub struct Answer {
    pub query: Query,
    pub owner: pg_sys::Oid,
}

// SAFETY: a set in a tuplestore, as the server expects of a function that returns one and is called where it may.
unsafe impl BoxRet for Answer {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the call's own facts; the server has put its description of the result beside them. The tuplestore
        // copies each tuple.
        unsafe {
            let call = fcinfo.as_mut_ptr();
            pg_sys::InitMaterializedSRF(call, 0);
            let result = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            let _owner = OwnerGuard::assume(self.owner);
            let session = Session::open();
            for tuple in self.query.run(&session).tuples() {
                pg_sys::tuplestore_puttuple((*result).setResult, tuple);
            }
        }
        fcinfo.return_null()
    }
}

// SAFETY: the SQL is written by hand, and declares a set of rows.
unsafe impl SqlTranslatable for Answer {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Answer);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("record"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("record")));
}
