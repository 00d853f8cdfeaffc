//! Look-ups in the system catalogs.

use std::ffi::CStr;
use std::hash::{DefaultHasher, Hasher as _};

use pgrx::pg_sys;

use super::encoding;

/// This process's database.
pub fn my_database() -> pg_sys::Oid {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::MyDatabaseId }
}

/// The name of a database, or `None` when there is no such database. Inside a transaction.
pub fn database_name(database: pg_sys::Oid) -> Option<String> {
    // SAFETY: returns NULL or a palloc'd C string.
    unsafe {
        let name = pg_sys::get_database_name(database);
        (!name.is_null()).then(|| encoding::to_utf8(name))
    }
}

/// The database of this name, or `None`. Inside a transaction.
pub fn database_oid(name: &str) -> Option<pg_sys::Oid> {
    let name = encoding::from_utf8(name);
    // SAFETY: `missing_ok` is true, so an unknown name gives an invalid oid.
    let oid = unsafe { pg_sys::get_database_oid(name.as_ptr(), true) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// The name of a role, or `None` when it has been dropped. Inside a transaction.
pub fn role_name(role: pg_sys::Oid) -> Option<String> {
    // SAFETY: `noerr` is true, so an unknown role gives NULL.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        (!name.is_null()).then(|| encoding::to_utf8(name))
    }
}

/// The role of this name, or `None`. Inside a transaction.
pub fn role_oid(name: &str) -> Option<pg_sys::Oid> {
    let name = encoding::from_utf8(name);
    // SAFETY: `missing_ok` is true, so an unknown name gives an invalid oid.
    let oid = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// A name as it is written in SQL.
pub fn quoted(name: &str) -> String {
    let name = encoding::from_utf8(name);
    // SAFETY: gives back the text or a palloc'd copy.
    unsafe { encoding::to_utf8(pg_sys::quote_identifier(name.as_ptr())) }
}

/// Whether a role may start workflows, which `df.grant_usage` gives. Inside a transaction.
pub fn may_start(role: pg_sys::Oid) -> bool {
    may_use_schema(role) && may_execute(role, c"start")
}

fn may_use_schema(role: pg_sys::Oid) -> bool {
    let mode = pg_sys::ACL_USAGE as pg_sys::AclMode;
    // SAFETY: catalog look-ups; `missing_ok` is true.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"df".as_ptr(), true);
        #[cfg(feature = "pg15")]
        let found = pg_sys::pg_namespace_aclcheck(schema, role, mode);
        #[cfg(not(feature = "pg15"))]
        let found = pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, role, mode);
        schema != pg_sys::InvalidOid && found == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// Whether a role may log in. Inside a transaction; false for an unknown role.
pub fn can_login(role: pg_sys::Oid) -> bool {
    // SAFETY: the tuple is released before the reference to it ends.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::AUTHOID as i32, pg_sys::Datum::from(role));
        if tuple.is_null() {
            return false;
        }
        let row = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let can_login = (*row).rolcanlogin;
        pg_sys::ReleaseSysCache(tuple);
        can_login
    }
}

/// Whether a role is a superuser. Inside a transaction.
pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by oid.
    unsafe { pg_sys::superuser_arg(role) }
}

/// Whether the current user has the rights of a role, as its member or as a superuser. Inside a transaction.
pub fn acts_as(role: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by oid.
    unsafe { role != pg_sys::InvalidOid && pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) }
}

/// Whether row security hides rows of a table of the extension from the current user. Inside a transaction.
pub fn is_row_secured(table: &CStr) -> bool {
    let Some(oid) = relation(table) else { return true };
    // SAFETY: catalog look-ups; with `noError` it raises nothing, whatever row_security is set to.
    let found = unsafe { pg_sys::check_enable_rls(oid, pg_sys::InvalidOid, true) };
    found == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
}

/// Whether a database takes connections. Inside a transaction.
pub fn takes_connections(database: pg_sys::Oid) -> bool {
    matches!(access(database), Some(Access::Open | Access::Template))
}

fn with_database<T>(
    database: pg_sys::Oid,
    look: impl FnOnce(&pg_sys::FormData_pg_database) -> T,
) -> Option<T> {
    // SAFETY: the tuple is released before the reference to it ends.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::DATABASEOID as i32,
            pg_sys::Datum::from(database),
        );
        if tuple.is_null() {
            return None;
        }
        let seen = look(&*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>());
        pg_sys::ReleaseSysCache(tuple);
        Some(seen)
    }
}

/// Whether a role may connect to a database. Inside a transaction.
pub fn may_connect(role: pg_sys::Oid, database: pg_sys::Oid) -> bool {
    let mode = pg_sys::ACL_CONNECT as pg_sys::AclMode;
    // SAFETY: a catalog look-up by oid.
    #[cfg(feature = "pg15")]
    unsafe {
        pg_sys::pg_database_aclcheck(database, role, mode) == pg_sys::AclResult::ACLCHECK_OK
    }
    // SAFETY: as above.
    #[cfg(not(feature = "pg15"))]
    unsafe {
        pg_sys::object_aclcheck(pg_sys::DatabaseRelationId, database, role, mode)
            == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// The owner of the extension's tables in this database, or `None` where they are not there.
pub fn extension_owner() -> Option<pg_sys::Oid> {
    let relation = relation(c"instances")?;
    // SAFETY: the tuple is released before the reference to it ends.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, pg_sys::Datum::from(relation));
        if tuple.is_null() {
            return None;
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}

/// The oid of the extension in this database, or `None`. Inside a transaction.
///
/// Read from the table: who is told that the extension was dropped looks before the server has told this process that what
/// it remembers is out of date, and from version 18 on the server's own look-up remembers extensions.
pub fn extension() -> Option<pg_sys::Oid> {
    // SAFETY: a scan of a catalog inside a transaction; closed before it ends. The key's value and its name outlive it,
    // and a row of this catalog begins with its oid.
    unsafe {
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            pg_sys::Anum_pg_extension_extname as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from(pg_sys::F_NAMEEQ),
            pg_sys::Datum::from(c"pg_durable".as_ptr()),
        );
        let lock = pg_sys::AccessShareLock as i32;
        let relation = pg_sys::table_open(pg_sys::ExtensionRelationId, lock);
        let index = pg_sys::Oid::from(pg_sys::ExtensionNameIndexId);
        let scan = pg_sys::systable_beginscan(relation, index, true, std::ptr::null_mut(), 1, &mut key);
        let tuple = pg_sys::systable_getnext(scan);
        let oid = (!tuple.is_null())
            .then(|| (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_extension>()).oid);
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
        oid
    }
}

/// The extension's relation of this name, or `None` where it is not there.
pub fn relation(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: `missing_ok` is true; look-ups by name and schema, so that no search_path matters.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"df".as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return None;
        }
        let oid = pg_sys::get_relname_relid(name.as_ptr(), schema);
        (oid != pg_sys::InvalidOid).then_some(oid)
    }
}

/// How often other sessions have told this one of changes to the catalogs. What was looked up while it stays the same
/// is up to date as of the last start of a transaction.
pub fn changes_told() -> u64 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::SharedInvalidMessageCounter }
}

/// A hash of what `ALTER ROLE … SET` and `ALTER DATABASE … SET` have a session of this role begin with here. Inside a
/// transaction.
pub fn settings_of(role: pg_sys::Oid) -> u64 {
    /// `DbRoleSettingRelationId` of `catalog/pg_db_role_setting.h`.
    const RELATION: u32 = 2964;
    let mut hasher = DefaultHasher::new();
    // SAFETY: a scan of a shared catalog inside a transaction; closed before it ends. A row begins with the oids of
    // database and role, and its data is as long as the tuple says.
    unsafe {
        let any = pg_sys::InvalidOid;
        let relation = pg_sys::table_open(pg_sys::Oid::from(RELATION), pg_sys::AccessShareLock as i32);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let start = usize::from((*(*tuple).t_data).t_hoff);
            let data = (*tuple).t_data.cast::<u8>().add(start);
            let [for_database, for_role] = *data.cast::<[pg_sys::Oid; 2]>();
            let is_ours = (for_database == any || for_database == my_database())
                && (for_role == any || for_role == role);
            if is_ours {
                hasher.write(std::slice::from_raw_parts(data, (*tuple).t_len as usize - start));
            }
        }
        (*(*(*scan).rs_rd).rd_tableam).scan_end.expect("every table access method ends scans")(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
    hasher.finish()
}

/// Whether the current user may read a relation of the extension's, as far as its rows' security lets it. Inside a
/// transaction; false where there is no such relation.
pub fn may_select(name: &CStr) -> bool {
    let mode = pg_sys::ACL_SELECT as pg_sys::AclMode;
    // SAFETY: a catalog look-up by oid.
    let found = |relation| unsafe { pg_sys::pg_class_aclcheck(relation, pg_sys::GetUserId(), mode) };
    relation(name).is_some_and(|relation| found(relation) == pg_sys::AclResult::ACLCHECK_OK)
}

/// Whether a role may execute a function of the extension's, of whose name there is one only. Inside a transaction;
/// false where there is no such function.
pub fn may_execute(role: pg_sys::Oid, name: &CStr) -> bool {
    let mode = pg_sys::ACL_EXECUTE as pg_sys::AclMode;
    function(name).is_some_and(|function| {
        // SAFETY: a catalog look-up by oid.
        #[cfg(feature = "pg15")]
        let found = unsafe { pg_sys::pg_proc_aclcheck(function, role, mode) };
        // SAFETY: as above.
        #[cfg(not(feature = "pg15"))]
        let found = unsafe { pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, function, role, mode) };
        found == pg_sys::AclResult::ACLCHECK_OK
    })
}

/// The extension's function of this name. Unlike the server's own look-up, this asks nobody for USAGE on the schema: rights
/// are also looked at where the current user has none.
fn function(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: `missing_ok` is true.
    let schema = unsafe { pg_sys::get_namespace_oid(c"df".as_ptr(), true) };
    let key = pg_sys::Datum::from(name.as_ptr());
    let read = |row: &pg_sys::FormData_pg_proc| (row.pronamespace == schema).then_some(row.oid);
    // SAFETY: the rows of that cache are of `pg_proc`, and its first key is a name.
    let functions = unsafe { cached(pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32, key, read) };
    functions.into_iter().flatten().next()
}

/// What is read of the rows of a catalog whose first key is this one.
///
/// # Safety
/// `Row` is the form of the rows of that cache, and `key` is of the type of its first key.
pub(super) unsafe fn cached<Row, T>(cache: i32, key: pg_sys::Datum, read: impl Fn(&Row) -> T) -> Vec<T> {
    let none = pg_sys::Datum::from(0usize);
    // SAFETY: promised by the caller. The list and its tuples live until it is released.
    unsafe {
        let list = pg_sys::SearchSysCacheList(cache, 1, key, none, none);
        let entries = (*list).members.as_slice((*list).n_members as usize);
        let rows = entries.iter().map(|entry| {
            let tuple: pg_sys::HeapTuple = &raw mut (**entry).tuple;
            read(&*pg_sys::GETSTRUCT(tuple).cast::<Row>())
        });
        let found = rows.collect();
        pg_sys::ReleaseCatCacheList(list);
        found
    }
}

/// Whether a process of ours may go into a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Open,
    /// Not now: the database takes no connections.
    Closed,
    /// Never, unless somebody asks: a template.
    Template,
    /// Not at all: what is left of a database whose DROP was interrupted.
    Invalid,
}

/// Every database. In a process without a database of its own.
pub fn databases() -> Vec<(pg_sys::Oid, Access)> {
    let mut databases = Vec::new();
    // SAFETY: a scan of a shared catalog inside a transaction; closed before it ends.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let row = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            databases.push(((*row).oid, access_of(&*row)));
        }
        (*(*(*scan).rs_rd).rd_tableam).scan_end.expect("every table access method ends scans")(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
    databases
}

/// Whether a process of ours may go into this database; `None` where there is none. Inside a transaction.
pub fn access(database: pg_sys::Oid) -> Option<Access> {
    with_database(database, access_of)
}

fn access_of(row: &pg_sys::FormData_pg_database) -> Access {
    if row.datconnlimit == pg_sys::DATCONNLIMIT_INVALID_DB {
        Access::Invalid
    } else if !row.datallowconn {
        Access::Closed
    } else if row.datistemplate {
        Access::Template
    } else {
        Access::Open
    }
}

/// Whether the current user owns a database, as its owner, a member of it, or a superuser. Inside a transaction.
pub fn owns_database(database: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by oid.
    #[cfg(feature = "pg15")]
    unsafe {
        pg_sys::pg_database_ownercheck(database, pg_sys::GetUserId())
    }
    // SAFETY: as above.
    #[cfg(not(feature = "pg15"))]
    unsafe {
        pg_sys::object_ownercheck(pg_sys::DatabaseRelationId, database, pg_sys::GetUserId())
    }
}

/// Whether a database is a template, which others may copy. Inside a transaction.
pub fn is_template(database: pg_sys::Oid) -> bool {
    access(database) == Some(Access::Template)
}

/// What tells this system from all others but its copies.
pub fn system_identifier() -> u64 {
    // SAFETY: reads the control file's copy in shared memory.
    unsafe { pg_sys::GetSystemIdentifier() }
}

/// Whether this server is a standby.
pub fn is_standby() -> bool {
    // SAFETY: reads shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}
