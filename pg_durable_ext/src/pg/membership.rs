//! Whose rights the current user has, for the policies to compare with.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::query::oid_array;
use super::{catalog, role};

/// The current user and the roles whose rights it has without SET ROLE, as an `oid[]`.
///
/// A filter asks for it for each row, so it is kept until memberships change.
pub struct Roles(());

thread_local! {
    /// Whose roles are known, in ascending order.
    static KNOWN: RefCell<(pg_sys::Oid, Vec<pg_sys::Datum>)> =
        const { RefCell::new((pg_sys::Oid::INVALID, Vec::new())) };
    static IS_UP_TO_DATE: Cell<bool> = const { Cell::new(false) };
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

impl Roles {
    /// Those of the current user. Inside a transaction.
    pub fn of_current_user() -> Roles {
        let user = role::current_user();
        if !IS_UP_TO_DATE.get() || KNOWN.with_borrow(|known| known.0 != user) {
            be_told_of_changes();
            // Nobody's, should a look-up raise; and up to date before them: what changes meanwhile counts the next time.
            KNOWN.set((pg_sys::Oid::INVALID, Vec::new()));
            IS_UP_TO_DATE.set(true);
            let roles = of_user(user).into_iter().map(pg_sys::Datum::from).collect();
            KNOWN.set((user, roles));
        }
        Roles(())
    }

    /// Each of them.
    pub fn to_vec(&self) -> Vec<pg_sys::Oid> {
        KNOWN.with_borrow(|(_, roles)| {
            roles.iter().map(|role| pg_sys::Oid::from(role.value() as u32)).collect()
        })
    }
}

/// A user, and the roles whose rights it has.
fn of_user(user: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let owner_of_database = pg_sys::Oid::from(pg_sys::ROLE_PG_DATABASE_OWNER);
    // No catalog says who is a member of that.
    let mut open = vec![user, owner_of_database];
    let mut found: BTreeSet<u32> = open.iter().map(|role| role.to_u32()).collect();
    while let Some(member) = open.pop() {
        open.extend(granted_to(member).into_iter().filter(|role| found.insert(role.to_u32())));
    }
    // Whether a membership gives rights is for the server to say: some take SET ROLE.
    let roles = found.into_iter().map(pg_sys::Oid::from);
    roles.filter(|role| *role == user || catalog::acts_as(*role)).collect()
}

/// How a row of `pg_auth_members` begins.
#[repr(C)]
struct Membership {
    #[cfg(not(feature = "pg15"))]
    _oid: pg_sys::Oid,
    role: pg_sys::Oid,
}

/// The roles that a role is a direct member of.
fn granted_to(member: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let read = |row: &Membership| row.role;
    let cache = pg_sys::SysCacheIdentifier::AUTHMEMMEMROLE as i32;
    // SAFETY: the rows of that cache are memberships, and its first key is the member.
    unsafe { catalog::cached(cache, pg_sys::Datum::from(member), read) }
}

/// Has the server say when memberships change, as it has for its own cache of them: also within a transaction.
fn be_told_of_changes() {
    use pg_sys::SysCacheIdentifier::{AUTHMEMROLEMEM, AUTHOID, DATABASEOID};
    if IS_TOLD.replace(true) {
        return;
    }
    for cache in [AUTHMEMROLEMEM, AUTHOID, DATABASEOID] {
        // SAFETY: the function is there as long as the process.
        unsafe {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(forget), pg_sys::Datum::from(0usize))
        };
    }
}

unsafe extern "C-unwind" fn forget(_: pg_sys::Datum, _: i32, _: u32) {
    // Sets a variable and cannot raise.
    IS_UP_TO_DATE.set(false);
}

// SAFETY: an array of oids is made, as the SQL declares.
unsafe impl BoxRet for Roles {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        let array = KNOWN.with_borrow_mut(|(_, roles)| oid_array(roles));
        // SAFETY: a new array, which is returned as the caller promises.
        unsafe { fcinfo.return_raw_datum(array) }
    }
}

// SAFETY: the type is `oid[]`.
unsafe impl SqlTranslatable for Roles {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Roles);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("oid[]"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("oid[]")));
}
