//! What is known of the extension's tables: where their columns are, and whether anybody but the heap has a say in what is
//! written.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::pg_sys;

use crate::pg::value;

/// A table of the extension and those of its columns, by name, that an operation reads or writes.
pub struct Table {
    pub name: &'static CStr,
    pub columns: &'static [&'static CStr],
}

/// What is known of one [`Table`] in the relation of this oid, until the catalogs say that something about it has changed.
#[derive(Clone)]
pub(super) struct Known {
    /// The numbers of the columns.
    pub numbers: Rc<[i16]>,
    /// Rows may be inserted without the executor.
    pub takes_rows: bool,
    /// Rows may be changed without the executor.
    pub takes_changes: bool,
}

type Remembered = (*const Table, pg_sys::Oid, Known);

thread_local! {
    static KNOWN: RefCell<Vec<Remembered>> = const { RefCell::new(Vec::new()) };
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
    /// How often something has changed.
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// What is known of a table; `None` where it lacks a column. The relation is open, so that news of it have been heard.
pub(super) unsafe fn known(relation: pg_sys::Relation, table: &Table) -> Option<Known> {
    // SAFETY: an open relation.
    let oid = unsafe { (*relation).rd_id };
    let remembered = KNOWN.with_borrow(|known| {
        let found = known.iter().find(|(of, at, _)| std::ptr::eq(*of, table) && *at == oid);
        found.map(|(_, _, known)| known.clone())
    });
    if remembered.is_some() {
        return remembered;
    }
    if !IS_TOLD.replace(true) {
        // SAFETY: the callback lives as long as the library, which is never unloaded.
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(on_change), pg_sys::Datum::from(0usize)) }
    }
    let changes = CHANGES.get();
    let numbers: Option<Rc<[i16]>> = table
        .columns
        .iter()
        .map(|name| {
            // SAFETY: a catalog look-up; an unknown column gives 0.
            let number = unsafe { pg_sys::get_attnum(oid, name.as_ptr()) };
            (number > 0).then_some(number)
        })
        .collect();
    let numbers = numbers?;
    // SAFETY: an open relation.
    let takes_changes = unsafe { takes_changes(relation) };
    // SAFETY: as above.
    let takes_rows = takes_changes && unsafe { leaves_nothing_to_defaults(relation, &numbers) };
    let found = Known { numbers, takes_rows, takes_changes };
    // The look-ups above may have brought news.
    if changes == CHANGES.get() {
        KNOWN.with_borrow_mut(|known| {
            known.retain(|(of, _, _)| !std::ptr::eq(*of, table));
            known.push((table, oid, found.clone()));
        });
    }
    Some(found)
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn on_change(_arg: pg_sys::Datum, changed: pg_sys::Oid) {
    KNOWN.with_borrow_mut(|known| {
        known.retain(|(_, oid, _)| changed != pg_sys::InvalidOid && *oid != changed)
    });
}

/// The checks that this version brings itself: what it writes meets them.
const OWN_CHECKS: [&CStr; 2] = [c"instances_status_chk", c"instances_completed_at_chk"];
/// The triggers that it brings: they are for what others do to instances that have ended.
const OWN_TRIGGERS: [&CStr; 4] = [c"tally_insert", c"tally_update", c"tally_delete", c"tally_truncate"];

/// Whether nobody but the server's heap has a say in what is written: no trigger, rule, check, generated column or row security
/// that this version does not know.
unsafe fn takes_changes(relation: pg_sys::Relation) -> bool {
    // SAFETY: an open relation, whose descriptions belong to it.
    unsafe {
        let class = (*relation).rd_rel;
        let is_heap = (*class).relam == pg_sys::HEAP_TABLE_AM_OID;
        if !is_heap
            || !has_own_triggers_only(relation)
            || !(*relation).rd_rules.is_null()
            || (*class).relforcerowsecurity
            || (*class).relispartition
        {
            return false;
        }
        let constraints = (*(*relation).rd_att).constr;
        if constraints.is_null() {
            return true;
        }
        let checks = usize::from((*constraints).num_check);
        let is_own = |at: usize| {
            let name = CStr::from_ptr((*(*constraints).check.add(at)).ccname);
            OWN_CHECKS.contains(&name)
        };
        (0..checks).all(is_own) && !columns(relation).iter().any(|column| column.attgenerated != 0)
    }
}

/// Whether a table has no triggers but those that this version knows.
unsafe fn has_own_triggers_only(relation: pg_sys::Relation) -> bool {
    // SAFETY: an open relation, whose descriptions belong to it.
    unsafe {
        let described = (*relation).trigdesc;
        let count = if described.is_null() { 0 } else { (*described).numtriggers as usize };
        (0..count).all(|at| {
            let name = CStr::from_ptr((*(*described).triggers.add(at)).tgname);
            OWN_TRIGGERS.contains(&name)
        })
    }
}

/// Whether every column that is not named may be NULL and has no default.
unsafe fn leaves_nothing_to_defaults(relation: pg_sys::Relation, numbers: &[i16]) -> bool {
    // SAFETY: an open relation; a type that is no domain has itself for a base.
    unsafe {
        columns(relation).iter().all(|column| {
            column.attisdropped
                || numbers.contains(&column.attnum)
                || !column.atthasdef
                    && !column.attnotnull
                    && column.attidentity == 0
                    && pg_sys::getBaseType(column.atttypid) == column.atttypid
        })
    }
}

/// The columns, copied.
unsafe fn columns(relation: pg_sys::Relation) -> Vec<pg_sys::FormData_pg_attribute> {
    // SAFETY: an open relation, whose descriptor has so many.
    unsafe {
        let descriptor = (*relation).rd_att;
        (0..(*descriptor).natts).map(|at| *value::attribute(descriptor, at)).collect()
    }
}
