//! Updating one row whose place is known, without the executor: what a checkpoint does.
//!
//! A step's checkpoint is the engine's hottest statement, and as SQL most of its cost is setting up expressions. Done
//! here it also depends on no setting that the step may have changed.

use std::cell::RefCell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::spi::{Arg, Tid, datum};

/// A table of the extension and the columns, by name, that an update reads or writes.
pub struct Table {
    pub name: &'static CStr,
    pub columns: &'static [&'static CStr],
}

/// A row as it stands before the update.
pub struct Row<'t> {
    tuple: pg_sys::HeapTupleData,
    descriptor: pg_sys::TupleDesc,
    numbers: &'t [i16],
}

impl Row<'_> {
    /// A text column, by its place in [`Table::columns`]; empty for NULL.
    pub fn text(&mut self, column: usize) -> String {
        // SAFETY: a column of a text type, in a tuple that is pinned while the row lives.
        self.datum(column).map_or_else(String::new, |datum| unsafe {
            let text = pg_sys::text_to_cstring(datum.cast_mut_ptr());
            super::encoding::to_utf8(text)
        })
    }

    /// A `bigint` column, by its place in [`Table::columns`]; 0 for NULL.
    pub fn int8(&mut self, column: usize) -> i64 {
        self.datum(column).map_or(0, |datum| datum.value() as i64)
    }

    fn datum(&mut self, column: usize) -> Option<pg_sys::Datum> {
        let mut is_null = false;
        // SAFETY: the number was looked up for this table.
        let datum = unsafe {
            pg_sys::heap_getattr(&mut self.tuple, self.numbers[column].into(), self.descriptor, &mut is_null)
        };
        (!is_null).then_some(datum)
    }
}

/// Updates the row at `place`, if it is still there and `may_change` says so. `values` are those of the columns from
/// `Table::columns[first..]` on. Says where the row lies now; `None` leaves everything as it was, for the caller to
/// look the row up by its key. Raises when another transaction changes the row at the same moment.
pub fn update(
    table: &Table,
    place: Tid,
    may_change: impl FnOnce(&mut Row<'_>) -> bool,
    first: usize,
    values: &[Arg<'_>],
) -> Option<Tid> {
    let oid = super::catalog::relation(table.name)?;
    let numbers = column_numbers(oid, table)?;
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is locked until the transaction ends. The tuple is read while its buffer is pinned, and
    // the new one is a copy. The catalog's way to update a row fits any heap table whose indexes have neither
    // predicates nor expressions, as this table's have not.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        if (*(*relation).rd_rel).relam != pg_sys::HEAP_TABLE_AM_OID {
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            return None;
        }
        // The versions that earlier steps have left on the page make room for this one: otherwise it would go to another
        // page and need a new index entry. Scans do that by themselves, a look-up by place does not.
        let page = pg_sys::ReadBuffer(relation, place.block());
        pg_sys::heap_page_prune_opt(relation, page);
        pg_sys::ReleaseBuffer(page);
        let descriptor = (*relation).rd_att;
        let mut tuple: pg_sys::HeapTupleData = std::mem::zeroed();
        tuple.t_self = place.to_pointer();
        let mut buffer = 0;
        let is_there =
            pg_sys::heap_fetch(relation, &raw mut pg_sys::SnapshotSelfData, &mut tuple, &mut buffer, false);
        let mut moved = None;
        if is_there {
            let mut row = Row { tuple, descriptor, numbers: &numbers };
            if may_change(&mut row) {
                let width = (*descriptor).natts as usize;
                let mut new_values = vec![pg_sys::Datum::from(0usize); width];
                let mut nulls = vec![false; width];
                let mut replaced = vec![false; width];
                for (column, value) in values.iter().enumerate() {
                    let at = numbers[first + column] as usize - 1;
                    (new_values[at], nulls[at]) = datum(*value);
                    replaced[at] = true;
                }
                let new = pg_sys::heap_modify_tuple(
                    &mut row.tuple,
                    descriptor,
                    new_values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                    replaced.as_mut_ptr(),
                );
                pg_sys::ReleaseBuffer(buffer);
                pg_sys::CatalogTupleUpdate(relation, &mut tuple.t_self, new);
                // A second update of the same row in the same transaction has to see this one.
                pg_sys::CommandCounterIncrement();
                moved = Some(Tid::from_pointer((*new).t_self));
                pg_sys::heap_freetuple(new);
            } else {
                pg_sys::ReleaseBuffer(buffer);
            }
        }
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        moved
    }
}

thread_local! {
    static NUMBERS: RefCell<Option<(pg_sys::Oid, std::rc::Rc<[i16]>)>> = const { RefCell::new(None) };
}

/// The numbers of the table's columns; `None` where one is missing. Kept for one table, since there is one.
fn column_numbers(oid: pg_sys::Oid, table: &Table) -> Option<std::rc::Rc<[i16]>> {
    let known =
        NUMBERS.with_borrow(|known| known.as_ref().filter(|(of, _)| *of == oid).map(|(_, n)| n.clone()));
    if known.is_some() {
        return known;
    }
    let numbers: Option<Vec<i16>> = table
        .columns
        .iter()
        .map(|name| {
            // SAFETY: a catalog look-up; an unknown column gives 0.
            let number = unsafe { pg_sys::get_attnum(oid, name.as_ptr()) };
            (number > 0).then_some(number)
        })
        .collect();
    let numbers: std::rc::Rc<[i16]> = numbers?.into();
    NUMBERS.with_borrow_mut(|known| *known = Some((oid, numbers.clone())));
    Some(numbers)
}
