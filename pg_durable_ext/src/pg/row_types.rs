//! Statements whose meaning depends on a row type that the server does not count among what their plans depend on.
//!
//! A table in FROM is counted: when it changes, a kept plan is made anew. The row type that a function returns, or that a
//! parameter or a column has, is not.

use std::ffi::{c_int, c_void};

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

/// Whether a statement reads the row type of something that is no table.
///
/// # Safety
/// `queries` is a list of analysed statements.
pub(super) unsafe fn are_read(queries: *mut pg_sys::List) -> bool {
    // SAFETY: the walker goes into lists, and needs no context.
    unsafe { walk(queries.cast(), std::ptr::null_mut()) }
}

/// The callback of the server's walkers over analysed statements.
type Walker = unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool;

unsafe extern "C-unwind" {
    #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_walker_impl")]
    fn expression_tree_walker(node: *mut pg_sys::Node, walker: Walker, context: *mut c_void) -> bool;
    #[cfg_attr(not(feature = "pg15"), link_name = "query_tree_walker_impl")]
    fn query_tree_walker(
        query: *mut pg_sys::Query,
        walker: Walker,
        context: *mut c_void,
        flags: c_int,
    ) -> bool;
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn walk(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: the tag says what the node is.
    unsafe {
        let is_read = match (*node).type_ {
            pg_sys::NodeTag::T_Query => {
                return pg_guard_ffi_boundary(|| query_tree_walker(node.cast(), walk, context, 0));
            }
            pg_sys::NodeTag::T_FuncExpr => {
                let call = node.cast::<pg_sys::FuncExpr>();
                is_read_from((*call).funcid, (*call).funcresulttype)
            }
            pg_sys::NodeTag::T_Param => pg_sys::type_is_rowtype((*node.cast::<pg_sys::Param>()).paramtype),
            pg_sys::NodeTag::T_Var => {
                let var = node.cast::<pg_sys::Var>();
                // A table's row as a whole changes with the table.
                (*var).varattno != 0 && pg_sys::type_is_rowtype((*var).vartype)
            }
            _ => false,
        };
        is_read || pg_guard_ffi_boundary(|| expression_tree_walker(node, walk, context))
    }
}

/// Whether a function returns a row type that may change. Those of the server's own that return records are told their
/// columns by the statement, or have them for ever.
fn is_read_from(function: pg_sys::Oid, result: pg_sys::Oid) -> bool {
    let is_own_record = result == pg_sys::RECORDOID && function.to_u32() < pg_sys::FirstNormalObjectId;
    // SAFETY: a catalog look-up by oid.
    !is_own_record && unsafe { pg_sys::type_is_rowtype(result) }
}
