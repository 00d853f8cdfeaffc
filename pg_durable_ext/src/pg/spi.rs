//! The engine's own SQL: prepared once in each process, parameters bound, never spliced.

use std::cell::Cell;
use std::ffi::CStr;
use std::thread::LocalKey;

use pgrx::pg_sys;

use super::encoding;

/// A statement of the engine's, prepared at its first use in a process and kept.
pub struct Statement {
    sql: &'static CStr,
    types: &'static [pg_sys::Oid],
    plan: &'static LocalKey<Cell<pg_sys::SPIPlanPtr>>,
}

/// A text that was put together of several, which ends in a NUL.
pub const fn text(sql: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(sql.as_bytes()) {
        Ok(sql) => sql,
        Err(_) => panic!("a NUL belongs at the end, and only there"),
    }
}

/// Declares a [`Statement`]: its name, its SQL and the types of its parameters.
macro_rules! statement {
    ($name:ident, $sql:expr, [$($type:ident),* $(,)?]) => {
        static $name: $crate::pg::spi::Statement = {
            thread_local! {
                static PLAN: std::cell::Cell<pgrx::pg_sys::SPIPlanPtr> =
                    const { std::cell::Cell::new(std::ptr::null_mut()) };
            }
            $crate::pg::spi::Statement::new($sql, &[$(pgrx::pg_sys::$type),*], &PLAN)
        };
    };
}
pub(crate) use statement;

/// A value bound to a parameter.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    Null,
    Bool(bool),
    Int4(i32),
    Int8(i64),
    Oid(pg_sys::Oid),
    Text(&'a str),
    /// JSON text for a `jsonb` parameter.
    Jsonb(&'a str),
    /// Microseconds since 2000-01-01 UTC for a `timestamptz` parameter.
    Timestamp(i64),
    TextArray(&'a [Option<&'a str>]),
}

impl<'a> Arg<'a> {
    /// NULL for `None`.
    pub fn text(value: Option<&'a str>) -> Arg<'a> {
        value.map_or(Arg::Null, Arg::Text)
    }

    /// NULL for `None`.
    pub fn jsonb(value: Option<&'a str>) -> Arg<'a> {
        value.map_or(Arg::Null, Arg::Jsonb)
    }

    /// NULL for `None`.
    pub fn timestamp(value: Option<i64>) -> Arg<'a> {
        value.map_or(Arg::Null, Arg::Timestamp)
    }
}

/// Where a row version lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tid {
    block: u32,
    offset: u16,
}

impl Tid {
    /// The server's form.
    pub fn to_pointer(self) -> pg_sys::ItemPointerData {
        let ip_blkid = pg_sys::BlockIdData { bi_hi: (self.block >> 16) as u16, bi_lo: self.block as u16 };
        pg_sys::ItemPointerData { ip_blkid, ip_posid: self.offset }
    }

    /// The page.
    pub fn block(self) -> u32 {
        self.block
    }

    /// From the server's form.
    pub fn from_pointer(pointer: pg_sys::ItemPointerData) -> Tid {
        let block = (u32::from(pointer.ip_blkid.bi_hi) << 16) | u32::from(pointer.ip_blkid.bi_lo);
        Tid { block, offset: pointer.ip_posid }
    }
}

/// The rows of a statement, until the [`Session`] ends.
pub struct Rows<'s> {
    table: *mut pg_sys::SPITupleTable,
    /// How many rows there are, or were changed.
    pub count: usize,
    session: std::marker::PhantomData<&'s Session>,
}

/// A connection to SPI; closed when dropped, except while an error unwinds, when the abort closes it.
#[must_use]
pub struct Session(());

impl Session {
    /// Opens it, inside a transaction.
    pub fn open() -> Session {
        super::xact::ensure_snapshot();
        // SAFETY: the only failure is reported by raising.
        unsafe { pg_sys::SPI_connect() };
        Session(())
    }

    /// Runs a statement with a fresh snapshot.
    pub fn run(&self, statement: &'static Statement, args: &[Arg<'_>]) -> Rows<'_> {
        let plan = statement.plan();
        let _settings = PlannerSettings::of_engine();
        let (mut values, nulls): (Vec<_>, Vec<_>) = args.iter().map(|arg| datum(*arg)).unzip();
        let nulls: Vec<_> = nulls.into_iter().map(|is_null| if is_null { b'n' } else { b' ' }).collect();
        debug_assert_eq!(values.len(), statement.types.len());
        // SAFETY: as many values as the plan was prepared with, each of its declared type.
        unsafe {
            let code = pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), nulls.as_ptr().cast(), false, 0);
            assert!(code >= 0, "SPI_execute_plan: code {code}");
            Rows {
                table: pg_sys::SPI_tuptable,
                count: pg_sys::SPI_processed as usize,
                session: std::marker::PhantomData,
            }
        }
    }
}

impl Session {
    /// Runs a statement that was put together for this once, and that changes nothing. No value is NULL.
    pub(super) fn run_once(&self, text: &str, values: Vec<(pg_sys::Oid, pg_sys::Datum)>) -> Rows<'_> {
        let _settings = PlannerSettings::of_engine();
        let text = encoding::from_utf8(text);
        let (mut types, mut values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        // SAFETY: as many values as types, each of its type.
        unsafe {
            let code = pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                std::ptr::null(),
                true,
                0,
            );
            assert!(code >= 0, "SPI_execute_with_args: code {code}");
            Rows {
                table: pg_sys::SPI_tuptable,
                count: pg_sys::SPI_processed as usize,
                session: std::marker::PhantomData,
            }
        }
    }

    /// Runs one expression of the user's with the user's rights; its value as text.
    pub fn evaluate(&self, expression: &str) -> Option<String> {
        let sql = encoding::from_utf8(&format!("SELECT {expression}"));
        // SAFETY: a C string; read only, so that nothing is changed by looking.
        let rows = unsafe {
            let code = pg_sys::SPI_execute(sql.as_ptr(), true, 1);
            assert!(code >= 0, "SPI_execute: code {code}");
            Rows {
                table: pg_sys::SPI_tuptable,
                count: pg_sys::SPI_processed as usize,
                session: std::marker::PhantomData,
            }
        };
        (rows.count > 0).then(|| rows.text(0, 1)).flatten()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // `SPI_finish` may raise, and after an error the abort closes the connection: skipped while unwinding.
        if !std::thread::panicking() {
            // SAFETY: closes what `open` opened.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}

impl Statement {
    #[doc(hidden)]
    pub const fn new(
        sql: &'static CStr,
        types: &'static [pg_sys::Oid],
        plan: &'static LocalKey<Cell<pg_sys::SPIPlanPtr>>,
    ) -> Statement {
        Statement { sql, types, plan }
    }

    fn plan(&self) -> pg_sys::SPIPlanPtr {
        let known = self.plan.get();
        if !known.is_null() {
            return known;
        }
        let mut types = self.types.to_vec();
        // SAFETY: the text and the types are static; the kept plan lives as long as the process.
        let plan = unsafe {
            let plan = pg_sys::SPI_prepare_cursor(
                self.sql.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
            );
            let code = pg_sys::SPI_result;
            assert!(!plan.is_null(), "SPI_prepare: code {code}");
            pg_sys::SPI_keepplan(plan);
            plan
        };
        self.plan.set(plan);
        plan
    }
}

impl Rows<'_> {
    /// The rows as the server has them.
    pub(super) fn tuples(&self) -> impl Iterator<Item = pg_sys::HeapTuple> {
        // SAFETY: the table lives until the session ends, and has so many rows.
        (0..self.count).map(|row| unsafe { *(*self.table).vals.add(row) })
    }

    /// Column `column` (from 1) of row `row` (from 0) as text, by the type's output function.
    pub fn text(&self, row: usize, column: i32) -> Option<String> {
        assert!(row < self.count);
        // SAFETY: the table lives until the session ends; an unknown column gives NULL.
        unsafe {
            let tuple = *(*self.table).vals.add(row);
            let text = pg_sys::SPI_getvalue(tuple, (*self.table).tupdesc, column);
            (!text.is_null()).then(|| encoding::to_utf8(text))
        }
    }

    /// A text column that is not NULL.
    pub fn string(&self, row: usize, column: i32) -> String {
        self.text(row, column).unwrap_or_default()
    }

    /// An `int8`, `timestamptz` (microseconds since 2000-01-01 UTC), `int4` widened, `bool` or `oid` column.
    pub fn int(&self, row: usize, column: i32) -> Option<i64> {
        let (datum, type_oid) = self.datum(row, column)?;
        Some(match type_oid {
            pg_sys::INT4OID => datum.value() as i32 as i64,
            pg_sys::BOOLOID => i64::from(datum.value() as u8 != 0),
            pg_sys::OIDOID | pg_sys::REGROLEOID => datum.value() as u32 as i64,
            _ => datum.value() as i64,
        })
    }

    /// A `tid` column.
    pub fn tid(&self, row: usize, column: i32) -> Option<Tid> {
        let (datum, _) = self.datum(row, column)?;
        // SAFETY: the column is a tid, passed by reference.
        let pointer = unsafe { *datum.cast_mut_ptr::<pg_sys::ItemPointerData>() };
        Some(Tid::from_pointer(pointer))
    }

    fn datum(&self, row: usize, column: i32) -> Option<(pg_sys::Datum, pg_sys::Oid)> {
        assert!(row < self.count);
        let mut is_null = false;
        // SAFETY: the table lives until the session ends.
        unsafe {
            let tuple = *(*self.table).vals.add(row);
            let datum = pg_sys::SPI_getbinval(tuple, (*self.table).tupdesc, column, &mut is_null);
            (!is_null).then(|| (datum, pg_sys::SPI_gettypeid((*self.table).tupdesc, column)))
        }
    }
}

/// The planner's settings for the engine's own statements, whatever the user has set; restored when dropped.
///
/// Every one of them has an index to go by. A plan that is kept from a time when the tables were empty, when reading
/// them whole looked cheapest, would become slower with every instance.
struct PlannerSettings {
    seqscan: bool,
    indexscan: bool,
    tidscan: bool,
    jit: bool,
    row_security: bool,
}

impl PlannerSettings {
    fn of_engine() -> PlannerSettings {
        // SAFETY: plain variables of this process, restored on drop.
        unsafe {
            let before = PlannerSettings {
                seqscan: pg_sys::enable_seqscan,
                indexscan: pg_sys::enable_indexscan,
                tidscan: pg_sys::enable_tidscan,
                jit: pg_sys::jit_enabled,
                row_security: pg_sys::row_security,
            };
            PlannerSettings {
                seqscan: false,
                indexscan: true,
                tidscan: true,
                jit: false,
                // What a role may see is for the policies to say: off would have them raise.
                row_security: true,
            }
            .set();
            before
        }
    }

    unsafe fn set(&self) {
        // SAFETY: plain variables of this process.
        unsafe {
            pg_sys::enable_seqscan = self.seqscan;
            pg_sys::enable_indexscan = self.indexscan;
            pg_sys::enable_tidscan = self.tidscan;
            pg_sys::jit_enabled = self.jit;
            pg_sys::row_security = self.row_security;
        }
    }
}

impl Drop for PlannerSettings {
    fn drop(&mut self) {
        // Runs while an error unwinds too: it cannot raise, and the user's statements must not keep our settings.
        // SAFETY: restores what was found.
        unsafe { self.set() }
    }
}

/// A parameter's value, and whether it is NULL.
pub(super) fn datum(arg: Arg<'_>) -> (pg_sys::Datum, bool) {
    let value = match arg {
        Arg::Null => return (pg_sys::Datum::from(0usize), true),
        Arg::Bool(value) => pg_sys::Datum::from(value),
        Arg::Int4(value) => pg_sys::Datum::from(value),
        Arg::Int8(value) | Arg::Timestamp(value) => pg_sys::Datum::from(value),
        Arg::Oid(value) => pg_sys::Datum::from(value),
        Arg::Text(value) => text_datum(value),
        Arg::Jsonb(value) => {
            let json = encoding::from_utf8(value);
            // SAFETY: `jsonb_in` takes one C string; it raises on bad JSON.
            unsafe {
                pg_sys::OidInputFunctionCall(
                    pg_sys::Oid::from(pg_sys::F_JSONB_IN),
                    json.as_ptr().cast_mut(),
                    pg_sys::InvalidOid,
                    -1,
                )
            }
        }
        Arg::TextArray(values) => text_array(values),
    };
    (value, false)
}

fn text_datum(value: &str) -> pg_sys::Datum {
    let text = encoding::from_utf8(value);
    // SAFETY: copies the C string into a new text value.
    unsafe { pg_sys::Datum::from(pg_sys::cstring_to_text(text.as_ptr())) }
}

fn text_array(values: &[Option<&str>]) -> pg_sys::Datum {
    let (mut datums, mut nulls): (Vec<_>, Vec<_>) = values
        .iter()
        .map(|value| match value {
            Some(value) => (text_datum(value), false),
            None => (pg_sys::Datum::from(0usize), true),
        })
        .unzip();
    let (mut length, mut lower) = (values.len() as i32, 1);
    // SAFETY: one dimension of text elements, whose length, alignment and passing are those of type text.
    unsafe {
        pg_sys::Datum::from(pg_sys::construct_md_array(
            datums.as_mut_ptr(),
            nulls.as_mut_ptr(),
            1,
            &mut length,
            &mut lower,
            pg_sys::TEXTOID,
            -1,
            false,
            b'i' as core::ffi::c_char,
        ))
    }
}
