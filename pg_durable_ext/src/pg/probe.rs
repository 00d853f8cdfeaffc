//! Planning a step's SQL without running it.

use std::cell::Cell;

use pg_durable_graph::Column;
use pgrx::pg_sys;

use super::capture;
use super::inference::{self, Parameter};
use super::statement::{self, Literals, ScriptError, Text};

/// What can be known of a step that was not run.
#[derive(Debug, Default)]
pub struct Probe {
    /// The columns of its result; `None` where only running it tells.
    pub columns: Option<Vec<Column>>,
}

/// Parses, analyses and plans each statement, and checks the current user's rights on what it names. A PostgreSQL error
/// unwinds: the caller is in a transaction that it rolls back. `defines` becomes true with the first statement that may
/// make objects or give rights, which what comes behind it may need.
pub fn probe(
    text: &str,
    parameters: &[Parameter],
    literals: Option<&Literals>,
    defines: &Cell<bool>,
) -> Result<Probe, ScriptError> {
    let whole = Text::parse(literals.map_or(text, |literals| &literals.text));
    if whole.statements.is_empty() {
        return Err(ScriptError::Empty);
    }
    for statement in &whole.statements {
        statement::refuse_what_a_step_may_not_do(*statement)?;
    }
    let mut probe = Probe::default();
    for (place, statement) in whole.statements.iter().enumerate() {
        if !statement::is_optimizable(*statement) {
            defines.set(defines.get() || may_define(*statement));
            probe.columns = (!gives_rows(*statement)).then(Vec::new);
            continue;
        }
        let alone = literals.map(|literals| whole.with_parameters(place, text, literals));
        let (of, place) = alone.as_ref().map_or((&whole, place), |alone| (alone, 0));
        let parameters = if alone.is_some() { parameters } else { &[] };
        // SAFETY: a statement of the parser's, inside a transaction.
        probe.columns = unsafe { plan(of, place, parameters) };
        defines.set(defines.get() || may_define(*statement));
    }
    Ok(probe)
}

/// # Safety
/// Inside a transaction.
unsafe fn plan(text: &Text, place: usize, parameters: &[Parameter]) -> Option<Vec<Column>> {
    // SAFETY: as EXPLAIN does it, with values that are never looked at but as NULL.
    unsafe {
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let analysis = inference::analyze(text.statements[place], &text.sql, parameters);
        let options = pg_sys::CURSOR_OPT_PARALLEL_OK as i32;
        let plans =
            pg_sys::pg_plan_queries(analysis.queries, text.sql.as_ptr(), options, std::ptr::null_mut());
        let count = if plans.is_null() { 0 } else { (*plans).length };
        // A rule may have left nothing of it.
        let mut columns = Some(Vec::new());
        for place in 0..count {
            let plan = (*(*plans).elements.add(place as usize)).ptr_value.cast::<pg_sys::PlannedStmt>();
            if (*plan).commandType == pg_sys::CmdType::CMD_UTILITY {
                columns = None;
                continue;
            }
            check_rights(text, plan, &analysis.types);
            if (*plan).canSetTag {
                let has_rows = (*plan).commandType == pg_sys::CmdType::CMD_SELECT || (*plan).hasReturning;
                columns = Some(match has_rows {
                    true => capture::columns_of(pg_sys::ExecCleanTypeFromTL((*(*plan).planTree).targetlist)),
                    false => Vec::new(),
                });
            }
        }
        pg_sys::PopActiveSnapshot();
        columns
    }
}

/// # Safety
/// As [`plan`], with a snapshot.
unsafe fn check_rights(text: &Text, plan: *mut pg_sys::PlannedStmt, types: &[pg_sys::Oid]) {
    // SAFETY: starts what is never run, as EXPLAIN does; parameters are NULL, for partitions that are chosen by them.
    unsafe {
        let list = match types.len() {
            0 => std::ptr::null_mut(),
            count => pg_sys::makeParamList(count as i32),
        };
        for (place, type_oid) in types.iter().enumerate() {
            let entry = (*list).params.as_mut_ptr().add(place);
            (*entry).ptype = *type_oid;
            (*entry).isnull = true;
            (*entry).value = pg_sys::Datum::from(0usize);
            (*entry).pflags = 0;
        }
        let query = pg_sys::CreateQueryDesc(
            plan,
            text.sql.as_ptr(),
            pg_sys::GetActiveSnapshot(),
            std::ptr::null_mut(),
            pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone),
            list,
            std::ptr::null_mut(),
            0,
        );
        pg_sys::ExecutorStart(query, pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32);
        pg_sys::ExecutorEnd(query);
        pg_sys::FreeQueryDesc(query);
    }
}

/// Whether a statement may make objects or give rights that later ones need.
fn may_define(statement: *mut pg_sys::RawStmt) -> bool {
    use pg_sys::NodeTag::*;
    match statement::tag(statement) {
        // SAFETY: the tag says what the node is.
        T_SelectStmt => unsafe { !(*(*statement).stmt.cast::<pg_sys::SelectStmt>()).intoClause.is_null() },
        T_InsertStmt | T_UpdateStmt | T_DeleteStmt | T_MergeStmt | T_ExplainStmt | T_DeclareCursorStmt => {
            false
        }
        T_VariableSetStmt | T_VariableShowStmt | T_NotifyStmt | T_ListenStmt | T_UnlistenStmt
        | T_LockStmt => false,
        T_VacuumStmt | T_ReindexStmt | T_ClusterStmt | T_TruncateStmt | T_RefreshMatViewStmt | T_CopyStmt => {
            false
        }
        T_CheckPointStmt | T_DiscardStmt | T_ConstraintsSetStmt | T_CommentStmt => false,
        _ => true,
    }
}

fn gives_rows(statement: *mut pg_sys::RawStmt) -> bool {
    // SAFETY: looks at the tree only.
    unsafe { pg_sys::UtilityReturnsTuples((*statement).stmt) }
}
