//! The entries that rows written without the executor need in the indexes of their table.

use pgrx::pg_sys;

/// The indexes of a table that is being written, whichever a DBA has added.
pub(super) struct Indexes {
    relation: pg_sys::Relation,
    state: *mut pg_sys::EState,
    target: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
}

impl Indexes {
    /// Callers hold a lock on the relation. What an error leaves open, the abort closes.
    pub unsafe fn open(relation: pg_sys::Relation) -> Indexes {
        // SAFETY: as the replication worker prepares to write rows without a plan.
        unsafe {
            let state = pg_sys::CreateExecutorState();
            let target = pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast::<pg_sys::ResultRelInfo>();
            pg_sys::InitResultRelInfo(target, relation, 0, std::ptr::null_mut(), 0);
            pg_sys::ExecOpenIndices(target, false);
            let slot =
                pg_sys::MakeSingleTupleTableSlot((*relation).rd_att, &raw const pg_sys::TTSOpsHeapTuple);
            Indexes { relation, state, target, slot }
        }
    }

    /// The entries of a new row. With `unless_there`, false where a unique index has its key already, and that without
    /// an error or a wait: the row is then to be taken back.
    pub unsafe fn insert(&mut self, tuple: pg_sys::HeapTuple, unless_there: bool) -> bool {
        // SAFETY: the slot refers to the tuple, which is not looked at any more once the entries are written.
        unsafe {
            pg_sys::ExecStoreHeapTuple(tuple, self.slot, false);
            (*self.slot).tts_tableOid = (*self.relation).rd_id;
            let settled = self.settle_conditions(tuple);
            let is_new = self.insert_stored(unless_there, false);
            settled.into_iter().for_each(|one| one.put_back());
            is_new
        }
    }

    /// The entries of a new version of a row that differs from the last in the `changed` columns.
    ///
    /// A unique index none of whose columns changed need not be searched for others of the same key: there is none, but
    /// the search would visit every version of this very row that an old snapshot keeps, and make a long loop slower
    /// with each iteration.
    pub unsafe fn insert_version(&mut self, tuple: pg_sys::HeapTuple, changed: &[i16], only_summaries: bool) {
        // SAFETY: as in `insert`. An index that is taken out of the list is skipped by the executor, and put back.
        unsafe {
            pg_sys::ExecStoreHeapTuple(tuple, self.slot, false);
            (*self.slot).tts_tableOid = (*self.relation).rd_id;
            let info_at = |place| *(*self.target).ri_IndexRelationInfo.add(place);
            let indexes = 0..(*self.target).ri_NumIndices as usize;
            let unique = indexes.filter(|&at| !only_summaries && is_unique_on_others(&*info_at(at), changed));
            let unique: Vec<usize> = unique.collect();
            let mut settled = self.settle_conditions(tuple);
            for place in unique {
                let info = info_at(place);
                let index = (*self.target).ri_IndexRelationDescs.add(place);
                let mut values = [pg_sys::Datum::from(0usize); pg_sys::INDEX_MAX_KEYS as usize];
                let mut nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
                pg_sys::FormIndexDatum(info, self.slot, self.state, values.as_mut_ptr(), nulls.as_mut_ptr());
                pg_sys::index_insert(
                    *index,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                    &mut (*tuple).t_self,
                    self.relation,
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
                    true,
                    info,
                );
                settled.push(Settled::take_out(index));
            }
            self.insert_stored(false, only_summaries);
            settled.into_iter().for_each(|one| one.put_back());
        }
    }

    /// Settles the conditions of partial indexes that only ask whether a column has a value. Those that do not hold this
    /// row are taken out of the list, the others lose their condition for the time being. The executor would find that out
    /// too, but for the cost of preparing the condition, for each row and index.
    unsafe fn settle_conditions(&self, tuple: pg_sys::HeapTuple) -> Vec<Settled> {
        // SAFETY: what `open` prepared, and a tuple of the relation.
        unsafe {
            let mut settled = Vec::new();
            for place in 0..(*self.target).ri_NumIndices as usize {
                let info = *(*self.target).ri_IndexRelationInfo.add(place);
                let slot = (*self.target).ri_IndexRelationDescs.add(place);
                let Some((column, has_to_be_absent)) = column_asked_for(&*info) else { continue };
                let is_absent = pg_sys::heap_attisnull(tuple, column, (*self.relation).rd_att);
                if is_absent == has_to_be_absent {
                    settled.push(Settled::without_condition(info));
                } else if !(*slot).is_null() {
                    settled.push(Settled::take_out(slot));
                }
            }
            settled
        }
    }

    /// Callers have put a tuple into the slot. False as in [`insert`](Self::insert).
    unsafe fn insert_stored(&mut self, unless_there: bool, only_summaries: bool) -> bool {
        let arbiters = std::ptr::null_mut();
        let mut is_there = false;
        // SAFETY: what `open` prepared, and plain out-parameters. Without arbiters all unique indexes are asked.
        unsafe {
            if (*self.target).ri_NumIndices == 0 {
                return true;
            }
            #[cfg(feature = "pg15")]
            {
                let _ = only_summaries;
                pg_sys::ExecInsertIndexTuples(
                    self.target,
                    self.slot,
                    self.state,
                    false,
                    unless_there,
                    &mut is_there,
                    arbiters,
                );
            }
            #[cfg(not(feature = "pg15"))]
            pg_sys::ExecInsertIndexTuples(
                self.target,
                self.slot,
                self.state,
                false,
                unless_there,
                &mut is_there,
                arbiters,
                only_summaries,
            );
        }
        !is_there
    }

    pub unsafe fn close(self) {
        // SAFETY: undoes `open`.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::ExecCloseIndices(self.target);
            pg_sys::FreeExecutorState(self.state);
            pg_sys::pfree(self.target.cast());
        }
    }
}

/// What was changed in the list of the indexes that are written, for one row.
enum Settled {
    /// An index was taken out, of this place.
    Out(*mut pg_sys::Relation, pg_sys::Relation),
    /// An index lost its condition.
    Free(*mut pg_sys::IndexInfo, *mut pg_sys::List),
}

impl Settled {
    /// `slot` is a place in the list.
    unsafe fn take_out(slot: *mut pg_sys::Relation) -> Settled {
        // SAFETY: promised by the caller.
        unsafe { Settled::Out(slot, std::mem::replace(&mut *slot, std::ptr::null_mut())) }
    }

    /// `info` describes an index of the list, and is nobody else's.
    unsafe fn without_condition(info: *mut pg_sys::IndexInfo) -> Settled {
        // SAFETY: promised by the caller.
        unsafe { Settled::Free(info, std::mem::replace(&mut (*info).ii_Predicate, std::ptr::null_mut())) }
    }

    /// The list is still there.
    unsafe fn put_back(self) {
        // SAFETY: promised by the caller.
        unsafe {
            match self {
                Settled::Out(slot, index) => *slot = index,
                Settled::Free(info, condition) => (*info).ii_Predicate = condition,
            }
        }
    }
}

/// The column whose having a value, or having none (true), is all that the condition of a partial index asks for.
unsafe fn column_asked_for(index: &pg_sys::IndexInfo) -> Option<(i32, bool)> {
    // SAFETY: the condition, a list of expressions, each of the kind that its tag says.
    unsafe {
        if index.ii_Predicate.is_null() || (*index.ii_Predicate).length != 1 {
            return None;
        }
        let test = (*(*index.ii_Predicate).elements).ptr_value.cast::<pg_sys::NullTest>();
        if (*test).xpr.type_ != pg_sys::NodeTag::T_NullTest || (*test).argisrow {
            return None;
        }
        let has_to_be_absent = (*test).nulltesttype == pg_sys::NullTestType::IS_NULL;
        let column = (*test).arg.cast::<pg_sys::Var>();
        let is_column = (*column).xpr.type_ == pg_sys::NodeTag::T_Var && (*column).varattno > 0;
        is_column.then(|| ((*column).varattno.into(), has_to_be_absent))
    }
}

/// Whether an index is unique by plain columns, none of which is among these.
fn is_unique_on_others(index: &pg_sys::IndexInfo, changed: &[i16]) -> bool {
    let columns = &index.ii_IndexAttrNumbers[..index.ii_NumIndexAttrs as usize];
    index.ii_Unique
        && index.ii_ReadyForInserts
        && index.ii_Predicate.is_null()
        && index.ii_Expressions.is_null()
        && index.ii_ExclusionOps.is_null()
        && !columns.iter().any(|column| changed.contains(column))
}
