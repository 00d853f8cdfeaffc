//! Rows of the extension's own tables without the executor: what starting, loading and checkpointing do.
//!
//! These are the engine's hottest statements, and as SQL most of their cost is setting up expressions. Done here they
//! also depend on no setting that a step may have changed. Whatever does not fit (triggers, another access method, a
//! row that is not where it was) is left to the caller, who has the same as SQL.

mod indexes;
mod known;

use std::ffi::CStr;

use pgrx::pg_sys;

use super::spi::{Arg, Tid, datum};
use super::{catalog, encoding, xact};
use indexes::Indexes;
pub use known::Table;
use known::{Known, known};

/// A row as it was found.
pub struct Row<'t> {
    tuple: pg_sys::HeapTupleData,
    descriptor: pg_sys::TupleDesc,
    numbers: &'t [i16],
}

impl Row<'_> {
    /// A text column, by its place in [`Table::columns`]; empty for NULL.
    pub fn text(&mut self, column: usize) -> String {
        self.optional_text(column).unwrap_or_default()
    }

    /// A text column, by its place in [`Table::columns`].
    pub fn optional_text(&mut self, column: usize) -> Option<String> {
        // SAFETY: a column of a text type, in a tuple that is pinned while the row lives.
        self.datum(column).map(|datum| unsafe {
            let text = pg_sys::text_to_cstring(datum.cast_mut_ptr());
            encoding::to_utf8(text)
        })
    }

    /// A `jsonb` column as text, by its place in [`Table::columns`].
    pub fn json(&mut self, column: usize) -> Option<String> {
        // SAFETY: a column of type jsonb, in a tuple that is pinned while the row lives.
        self.datum(column).map(|datum| unsafe {
            encoding::to_utf8(pg_sys::OidOutputFunctionCall(pg_sys::Oid::from(pg_sys::F_JSONB_OUT), datum))
        })
    }

    /// A `bigint` column, by its place in [`Table::columns`]; 0 for NULL.
    pub fn int8(&mut self, column: usize) -> i64 {
        self.optional_int8(column).unwrap_or_default()
    }

    /// A `bigint` or `timestamptz` (microseconds since 2000-01-01 UTC) column, by its place in [`Table::columns`].
    pub fn optional_int8(&mut self, column: usize) -> Option<i64> {
        self.datum(column).map(|datum| datum.value() as i64)
    }

    /// An `integer` column, by its place in [`Table::columns`].
    pub fn optional_int4(&mut self, column: usize) -> Option<i32> {
        self.datum(column).map(|datum| datum.value() as i32)
    }

    /// An `oid` or `regrole` column, by its place in [`Table::columns`].
    pub fn oid(&mut self, column: usize) -> pg_sys::Oid {
        self.datum(column).map_or(pg_sys::InvalidOid, |datum| pg_sys::Oid::from(datum.value() as u32))
    }

    /// Where it lies.
    pub fn place(&self) -> Tid {
        Tid::from_pointer(self.tuple.t_self)
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

/// Shows `each` row whose `keys` (places in [`Table::columns`], and values) are as given, by that index, in its order. The
/// rows are those that a statement would see that begins now. Nothing where there is no such table.
pub fn find(table: &Table, index: &CStr, keys: &[(usize, Arg<'_>)], mut each: impl FnMut(&mut Row<'_>)) {
    let Some(oid) = catalog::relation(table.name) else { return };
    let index = catalog::relation(index).unwrap_or(pg_sys::InvalidOid);
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let snapshot = xact::FreshSnapshot::take();
    // SAFETY: the relation is locked until the transaction ends; each tuple is pinned until the next is asked for, and
    // `each` keeps nothing of it. Without the index the scan reads the whole table by the same keys.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        let Some(Known { numbers, .. }) = known(relation, table) else {
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            return;
        };
        let mut scan_keys: Vec<pg_sys::ScanKeyData> =
            keys.iter().map(|(column, value)| equals(numbers[*column], *value)).collect();
        let scan = pg_sys::systable_beginscan(
            relation,
            index,
            index != pg_sys::InvalidOid,
            snapshot.as_ptr(),
            scan_keys.len() as i32,
            scan_keys.as_mut_ptr(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            each(&mut Row { tuple: *tuple, descriptor: (*relation).rd_att, numbers: &numbers });
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
}

/// Shows `each` row that was at one of these places once, as a statement would see it that begins now; false where one of them
/// is not found from there, and `each` has seen some only.
///
/// An index would lead to every version of a row that an old snapshot keeps alive. From a place that was the newest one not long
/// ago there are few.
pub fn find_at(table: &Table, places: &[Option<Tid>], mut each: impl FnMut(&mut Row<'_>)) -> bool {
    let Some(oid) = catalog::relation(table.name) else { return false };
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let snapshot = xact::FreshSnapshot::take();
    // SAFETY: as in `find`.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        let mut show = |place: &Option<Tid>, numbers: &[i16]| {
            let Some(place) = place.filter(|place| has_block(relation, *place)) else { return false };
            let mut tuple: pg_sys::HeapTupleData = std::mem::zeroed();
            tuple.t_self = newest(relation, place, snapshot.as_ptr()).to_pointer();
            let mut buffer = 0;
            let is_there = pg_sys::heap_fetch(relation, snapshot.as_ptr(), &mut tuple, &mut buffer, false);
            if is_there {
                each(&mut Row { tuple, descriptor: (*relation).rd_att, numbers });
                pg_sys::ReleaseBuffer(buffer);
            }
            is_there
        };
        let known = known(relation, table);
        let found =
            known.is_some_and(|Known { numbers, .. }| places.iter().all(|place| show(place, &numbers)));
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        found
    }
}

/// The newest version that `snapshot` sees of the row that was at `place`, or `place` where it sees none. What it sees there
/// may be another row: whoever asks has to look.
///
/// Callers hold a lock on the relation, which [`has_block`].
unsafe fn newest(relation: pg_sys::Relation, place: Tid, snapshot: pg_sys::Snapshot) -> Tid {
    // SAFETY: of the scan's description the function reads the relation and the snapshot, as a scan by place begins with.
    unsafe {
        let mut scan: pg_sys::TableScanDescData = std::mem::zeroed();
        (scan.rs_rd, scan.rs_snapshot) = (relation, snapshot);
        let mut found = place.to_pointer();
        pg_sys::heap_get_latest_tid(&mut scan, &mut found);
        Tid::from_pointer(found)
    }
}

/// A row as it is committed now, whatever the transaction's own snapshot sees.
#[derive(Debug, Clone, Copy)]
pub struct Seen<T> {
    /// What was read.
    pub value: T,
    /// Where it lies.
    pub place: Tid,
    /// This transaction has written it.
    pub is_own: bool,
    /// Who is changing it and has neither committed nor rolled back.
    pub changing: Option<pg_sys::TransactionId>,
}

/// Reads the row at `place`, or where that is not the one, the row whose `key` (a place in [`Table::columns`], and a value)
/// is as given, by that index. `read` says `None` of a row that is not the one.
pub fn look<T>(
    table: &Table,
    place: Option<Tid>,
    index: &CStr,
    key: (usize, Arg<'_>),
    mut read: impl FnMut(&mut Row<'_>) -> Option<T>,
) -> Option<Seen<T>> {
    let oid = catalog::relation(table.name)?;
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is locked until it is closed, and `read` keeps nothing of it; each tuple is pinned until the next is asked for, or until it
    // is released.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        let Some(Known { numbers, .. }) = known(relation, table) else {
            pg_sys::table_close(relation, lock);
            return None;
        };
        let mut dirty = dirty_snapshot();
        let mut found = None;
        if let Some(place) = place.filter(|place| has_block(relation, *place)) {
            let mut tuple: pg_sys::HeapTupleData = std::mem::zeroed();
            tuple.t_self = place.to_pointer();
            let mut buffer = 0;
            if pg_sys::heap_fetch(relation, &mut dirty, &mut tuple, &mut buffer, false) {
                let row = Row { tuple, descriptor: (*relation).rd_att, numbers: &numbers };
                found = seen(row, &dirty, &mut read);
                pg_sys::ReleaseBuffer(buffer);
            }
        }
        if found.is_none() {
            let index = catalog::relation(index).unwrap_or(pg_sys::InvalidOid);
            let mut scan_key = equals(numbers[key.0], key.1);
            let by_index = index != pg_sys::InvalidOid;
            let scan = pg_sys::systable_beginscan(relation, index, by_index, &mut dirty, 1, &mut scan_key);
            while found.is_none() {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                let row = Row { tuple: *tuple, descriptor: (*relation).rd_att, numbers: &numbers };
                found = seen(row, &dirty, &mut read);
            }
            pg_sys::systable_endscan(scan);
        }
        // Released at once: a step may run for hours behind this.
        pg_sys::table_close(relation, lock);
        found
    }
}

/// The tuple is pinned, and `dirty` is what it was found with.
unsafe fn seen<T>(
    mut row: Row<'_>,
    dirty: &pg_sys::SnapshotData,
    read: &mut impl FnMut(&mut Row<'_>) -> Option<T>,
) -> Option<Seen<T>> {
    // What another transaction has put in place of a row is not there yet.
    if dirty.xmin != pg_sys::InvalidTransactionId {
        return None;
    }
    let value = read(&mut row)?;
    let changing = (dirty.xmax != pg_sys::InvalidTransactionId).then_some(dirty.xmax);
    // SAFETY: the header of a pinned tuple.
    let is_own =
        unsafe { pg_sys::TransactionIdIsCurrentTransactionId((*row.tuple.t_data).t_choice.t_heap.t_xmin) };
    Some(Seen { value, place: row.place(), is_own, changing })
}

/// A condition of equality on a column of a text type, or of type `bigint`, `oid` or `regrole`.
fn equals(column: i16, value: Arg<'_>) -> pg_sys::ScanKeyData {
    let (equal, collation) = match value {
        Arg::Oid(_) => (pg_sys::F_OIDEQ, pg_sys::InvalidOid),
        Arg::Int8(_) => (pg_sys::F_INT8EQ, pg_sys::InvalidOid),
        Arg::Text(_)
        | Arg::Null
        | Arg::Bool(_)
        | Arg::Int4(_)
        | Arg::Jsonb(_)
        | Arg::Timestamp(_)
        | Arg::TextArray(_) => (pg_sys::F_TEXTEQ, pg_sys::DEFAULT_COLLATION_OID),
    };
    // SAFETY: fills in a zeroed key; the function fits the value.
    unsafe {
        let mut key: pg_sys::ScanKeyData = std::mem::zeroed();
        pg_sys::ScanKeyEntryInitialize(
            &mut key,
            0,
            column,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::InvalidOid,
            collation,
            pg_sys::Oid::from(equal),
            datum(value).0,
        );
        key
    }
}

/// Inserts rows whose values are those of the table's columns; what is not named is NULL. False leaves everything as it
/// was.
pub fn insert<'a>(table: &Table, rows: impl IntoIterator<Item = Vec<Arg<'a>>>) -> bool {
    insert_rows(table, rows, false)
}

/// [`insert`] of a row, unless there is one with its key.
pub fn insert_unless_there(table: &Table, row: Vec<Arg<'_>>) -> bool {
    insert_rows(table, [row], true)
}

fn insert_rows<'a>(table: &Table, rows: impl IntoIterator<Item = Vec<Arg<'a>>>, unless_there: bool) -> bool {
    let Some(oid) = catalog::relation(table.name) else { return false };
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is locked until the transaction ends. A tuple is a copy of its values.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        let known = known(relation, table).filter(|known| known.takes_rows);
        if let Some(Known { numbers, .. }) = &known {
            let mut indexes = Indexes::open(relation);
            let command = pg_sys::GetCurrentCommandId(true);
            let width = (*(*relation).rd_att).natts as usize;
            for row in rows {
                let mut values = vec![pg_sys::Datum::from(0usize); width];
                let mut nulls = vec![true; width];
                for (value, number) in row.iter().zip(numbers.iter()) {
                    let at = *number as usize - 1;
                    (values[at], nulls[at]) = datum(*value);
                }
                let tuple =
                    pg_sys::heap_form_tuple((*relation).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
                pg_sys::heap_insert(relation, tuple, command, 0, std::ptr::null_mut());
                if !indexes.insert(tuple, unless_there) {
                    // What this command has written, the next may delete.
                    pg_sys::CommandCounterIncrement();
                    pg_sys::simple_heap_delete(relation, &mut (*tuple).t_self);
                }
                pg_sys::heap_freetuple(tuple);
            }
            indexes.close();
            pg_sys::CommandCounterIncrement();
        }
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        known.is_some()
    }
}

/// Deletes the rows whose `keys` are as given, by that index, as far as nobody else is doing something to them; false
/// where SQL has to do it.
pub fn remove(table: &Table, index: &CStr, keys: &[(usize, Arg<'_>)]) -> bool {
    let Some(oid) = catalog::relation(table.name) else { return false };
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is locked until the transaction ends.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        let takes_changes = known(relation, table).is_some_and(|known| known.takes_changes);
        if takes_changes {
            let mut places = Vec::new();
            find(table, index, keys, |row| places.push(row.place().to_pointer()));
            let command = pg_sys::GetCurrentCommandId(!places.is_empty());
            for place in &mut places {
                let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
                pg_sys::heap_delete(
                    relation,
                    place,
                    command,
                    std::ptr::null_mut(),
                    false,
                    &mut failure,
                    false,
                );
            }
            if !places.is_empty() {
                pg_sys::CommandCounterIncrement();
            }
        }
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        takes_changes
    }
}

/// What came of an update by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The row lies here now.
    To(Tid),
    /// Another transaction has changed or locked the row and has not ended. Everything is as it was.
    Held,
    /// The row is not there, or SQL has to do it. Everything is as it was, for the caller to look the row up by its key.
    Nothing,
}

/// Updates the row at `place`, if it is still there, with what `change` says: columns, by their places in
/// [`Table::columns`], and values. It does not wait for others.
pub fn update<'a, Change>(
    table: &Table,
    place: Tid,
    change: impl FnOnce(&mut Row<'_>) -> Option<Change>,
) -> Updated
where
    Change: AsRef<[(usize, Arg<'a>)]>,
{
    let Some(oid) = catalog::relation(table.name) else { return Updated::Nothing };
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is locked until the transaction ends.
    unsafe {
        let relation = pg_sys::table_open(oid, lock);
        let updated = match known(relation, table) {
            Some(Known { numbers, takes_changes: true, .. }) if has_block(relation, place) => {
                update_in(relation, &numbers, place, change)
            }
            Some(_) | None => Updated::Nothing,
        };
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        updated
    }
}

/// Whether the table has so many blocks. A place is remembered beyond the transaction in which it was seen, and the table
/// may have been written anew meanwhile: what is at the place then is looked at, but it has to be there.
///
/// Callers hold a lock on the relation, so that it does not shrink from now on. Whoever made it shorter before sent word
/// first, which was heard when the lock was taken: the length that is still remembered of the last question is one that the
/// table has at least, and saves the system call.
unsafe fn has_block(relation: pg_sys::Relation, place: Tid) -> bool {
    const MAIN: pg_sys::ForkNumber::Type = pg_sys::ForkNumber::MAIN_FORKNUM;
    // SAFETY: an open relation, and what it has of its files, where it has that.
    unsafe {
        let files = (*relation).rd_smgr;
        let remembered = if files.is_null() {
            pg_sys::InvalidBlockNumber
        } else {
            (*files).smgr_cached_nblocks[MAIN as usize]
        };
        remembered != pg_sys::InvalidBlockNumber && place.block() < remembered
            || place.block() < pg_sys::RelationGetNumberOfBlocksInFork(relation, MAIN)
    }
}

/// Callers hold a lock on the relation, which takes changes and [`has_block`].
unsafe fn update_in<'a, Change>(
    relation: pg_sys::Relation,
    numbers: &[i16],
    place: Tid,
    change: impl FnOnce(&mut Row<'_>) -> Option<Change>,
) -> Updated
where
    Change: AsRef<[(usize, Arg<'a>)]>,
{
    // SAFETY: the tuple is read while its buffer is pinned, and the new one is a copy.
    unsafe {
        // The versions that earlier steps have left on the page make room for this one: otherwise it would go to another
        // page and need a new index entry. Scans do that by themselves, a look-up by place does not.
        let page = pg_sys::ReadBuffer(relation, place.block());
        pg_sys::heap_page_prune_opt(relation, page);
        pg_sys::ReleaseBuffer(page);
        let descriptor = (*relation).rd_att;
        let mut tuple: pg_sys::HeapTupleData = std::mem::zeroed();
        tuple.t_self = place.to_pointer();
        let mut buffer = 0;
        let mut dirty = dirty_snapshot();
        if !pg_sys::heap_fetch(relation, &mut dirty, &mut tuple, &mut buffer, false) {
            // Others have written it since: it is found from here without an index.
            tuple.t_self = newest(relation, place, &raw mut pg_sys::SnapshotSelfData).to_pointer();
            if !pg_sys::heap_fetch(relation, &mut dirty, &mut tuple, &mut buffer, false) {
                return Updated::Nothing;
            }
        }
        let mut row = Row { tuple, descriptor, numbers };
        let Some(changes) = change(&mut row) else {
            pg_sys::ReleaseBuffer(buffer);
            return Updated::Nothing;
        };
        if dirty.xmax != pg_sys::InvalidTransactionId || !is_free(relation, &mut row.tuple) {
            pg_sys::ReleaseBuffer(buffer);
            return Updated::Held;
        }
        let width = (*descriptor).natts as usize;
        let mut values = vec![pg_sys::Datum::from(0usize); width];
        let mut nulls = vec![false; width];
        let mut replaced = vec![false; width];
        for (column, value) in changes.as_ref() {
            let at = numbers[*column] as usize - 1;
            (values[at], nulls[at]) = datum(*value);
            replaced[at] = true;
        }
        let new = pg_sys::heap_modify_tuple(
            &mut row.tuple,
            descriptor,
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
            replaced.as_mut_ptr(),
        );
        // Pinned until now, so that nobody can have made room at this place for another row.
        let replaced = replace(relation, &mut tuple.t_self, new);
        pg_sys::ReleaseBuffer(buffer);
        let Some(indexes_of) = replaced else { return Updated::Nothing };
        if indexes_of != NewEntries::None {
            let changed: Vec<i16> = changes.as_ref().iter().map(|(column, _)| numbers[*column]).collect();
            let mut indexes = Indexes::open(relation);
            indexes.insert_version(new, &changed, indexes_of == NewEntries::Summaries);
            indexes.close();
        }
        // A second update of the same row in the same transaction has to see this one.
        pg_sys::CommandCounterIncrement();
        let moved = Tid::from_pointer((*new).t_self);
        pg_sys::heap_freetuple(new);
        Updated::To(moved)
    }
}

/// Sees what is committed and what this transaction has done, and tells in `xmax` who is changing a row and in `xmin` who is
/// inserting it.
fn dirty_snapshot() -> pg_sys::SnapshotData {
    // SAFETY: all zeroes are one; nothing else of it is looked at for this type.
    let snapshot: pg_sys::SnapshotData = unsafe { std::mem::zeroed() };
    pg_sys::SnapshotData { snapshot_type: pg_sys::SnapshotType::SNAPSHOT_DIRTY, ..snapshot }
}

/// Whether nobody else has locked a row that nobody is changing; locks it where there was something to be asked. Without
/// this an update would wait for whoever has it locked.
///
/// The tuple is pinned.
unsafe fn is_free(relation: pg_sys::Relation, tuple: &mut pg_sys::HeapTupleData) -> bool {
    // SAFETY: the lock is taken if that needs no waiting; out-parameters are plain memory.
    unsafe {
        if u32::from((*tuple.t_data).t_infomask) & pg_sys::HEAP_XMAX_INVALID != 0 {
            return true;
        }
        let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
        let (mut buffer, mut locked) = (0, *tuple);
        let result = pg_sys::heap_lock_tuple(
            relation,
            &mut locked,
            pg_sys::GetCurrentCommandId(true),
            pg_sys::LockTupleMode::LockTupleNoKeyExclusive,
            pg_sys::LockWaitPolicy::LockWaitSkip,
            false,
            &mut buffer,
            &mut failure,
        );
        pg_sys::ReleaseBuffer(buffer);
        result != pg_sys::TM_Result::TM_WouldBlock
    }
}

/// Which indexes need an entry for a new version of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewEntries {
    None,
    /// Those that summarise blocks, such as BRIN; from PostgreSQL 16 on they alone may need one.
    #[cfg_attr(feature = "pg15", allow(dead_code, reason = "PostgreSQL 15 makes no difference"))]
    Summaries,
    All,
}

/// Puts a new version behind the one at `old`; `None` where another transaction has changed that one.
unsafe fn replace(
    relation: pg_sys::Relation,
    old: &mut pg_sys::ItemPointerData,
    new: pg_sys::HeapTuple,
) -> Option<NewEntries> {
    // SAFETY: the relation is locked, and the out-parameters are plain memory.
    unsafe {
        let command = pg_sys::GetCurrentCommandId(true);
        let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
        let mut lock: pg_sys::LockTupleMode::Type = 0;
        let no_snapshot = std::ptr::null_mut();
        #[cfg(feature = "pg15")]
        {
            let result =
                pg_sys::heap_update(relation, old, new, command, no_snapshot, true, &mut failure, &mut lock);
            let is_heap_only = u32::from((*(*new).t_data).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE != 0;
            (result == pg_sys::TM_Result::TM_Ok).then_some(if is_heap_only {
                NewEntries::None
            } else {
                NewEntries::All
            })
        }
        #[cfg(not(feature = "pg15"))]
        {
            let mut entries: pg_sys::TU_UpdateIndexes::Type = 0;
            let result = pg_sys::heap_update(
                relation,
                old,
                new,
                command,
                no_snapshot,
                true,
                &mut failure,
                &mut lock,
                &mut entries,
            );
            (result == pg_sys::TM_Result::TM_Ok).then_some(match entries {
                pg_sys::TU_UpdateIndexes::TU_None => NewEntries::None,
                pg_sys::TU_UpdateIndexes::TU_Summarizing => NewEntries::Summaries,
                _ => NewEntries::All,
            })
        }
    }
}
