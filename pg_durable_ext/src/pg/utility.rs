//! Statements that want a database alone, or change which databases there are.
//!
//! PostgreSQL refuses DROP, RENAME, SET TABLESPACE and use as a template while others are connected, and waits five
//! seconds for autovacuum only. So who runs such a statement asks the engine's processes to leave before it, and lets
//! them come back when its transaction ends, however that is.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::pg_sys;

use super::{catalog, encoding, process};

static PREVIOUS: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
static LISTENER: OnceLock<Listener> = OnceLock::new();

thread_local! {
    /// The database that this session wants alone.
    static ALONE: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
    static IS_REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Whom to tell. None of them may raise.
pub struct Listener {
    /// Everybody of ours is to leave this database.
    pub leave_alone: fn(pg_sys::Oid),
    /// They may come back.
    pub come_back: fn(pg_sys::Oid),
    /// Databases have come, gone or changed.
    pub databases_changed: fn(),
}

type UtilityHook = unsafe extern "C-unwind" fn(
    statement: *mut pg_sys::PlannedStmt,
    text: *const c_char,
    is_read_only: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
);

/// Listens to statements about databases. From `_PG_init` only.
pub fn register(listener: Listener) {
    LISTENER.get_or_init(|| listener);
    // SAFETY: hooks may be chained while the library is being loaded.
    unsafe {
        let previous = pg_sys::ProcessUtility_hook.map_or(std::ptr::null_mut(), |hook| hook as *mut ());
        PREVIOUS.store(previous, Ordering::Relaxed);
        pg_sys::ProcessUtility_hook = Some(on_utility);
    }
}

// Without a guard, and with nothing to be destroyed: an error of any statement passes as it would without us.
unsafe extern "C-unwind" fn on_utility(
    statement: *mut pg_sys::PlannedStmt,
    text: *const c_char,
    is_read_only: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the statement is a parsed one, as its caller promises; what was hooked in before, or the server's own
    // function, gets what this one got.
    unsafe {
        if is_about_databases((*statement).utilityStmt) {
            prepare((*statement).utilityStmt);
        }
        let previous = PREVIOUS.load(Ordering::Relaxed);
        if previous.is_null() {
            pg_sys_standard::standard_ProcessUtility(
                statement,
                text,
                is_read_only,
                context,
                params,
                environment,
                receiver,
                completion,
            );
        } else {
            std::mem::transmute::<*mut (), UtilityHook>(previous)(
                statement,
                text,
                is_read_only,
                context,
                params,
                environment,
                receiver,
                completion,
            );
        }
    }
}

/// Declared without pgrx's guard, through which an error would lose its code, its context and its place.
mod pg_sys_standard {
    use super::{c_char, pg_sys};

    unsafe extern "C-unwind" {
        pub fn standard_ProcessUtility(
            statement: *mut pg_sys::PlannedStmt,
            text: *const c_char,
            is_read_only: bool,
            context: pg_sys::ProcessUtilityContext::Type,
            params: pg_sys::ParamListInfo,
            environment: *mut pg_sys::QueryEnvironment,
            receiver: *mut pg_sys::DestReceiver,
            completion: *mut pg_sys::QueryCompletion,
        );
    }
}

unsafe fn is_about_databases(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        match (*statement).type_ {
            pg_sys::NodeTag::T_CreatedbStmt
            | pg_sys::NodeTag::T_DropdbStmt
            | pg_sys::NodeTag::T_AlterDatabaseStmt => true,
            pg_sys::NodeTag::T_RenameStmt => {
                (*statement.cast::<pg_sys::RenameStmt>()).renameType == pg_sys::ObjectType::OBJECT_DATABASE
            }
            _ => false,
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn prepare(statement: *mut pg_sys::Node) {
    let Some(listener) = LISTENER.get() else { return };
    if !IS_REGISTERED.replace(true) {
        // SAFETY: the callback lives as long as the library, which is never unloaded.
        unsafe { pg_sys::RegisterXactCallback(Some(on_end), std::ptr::null_mut()) }
        process::before_exit(come_back);
    }
    // SAFETY: a statement about databases, as the caller has seen.
    let wanted = unsafe { wanted_alone(statement) };
    let wanted = wanted.and_then(|(name, is_source)| {
        let database = catalog::database_oid(&name)?;
        let is_allowed = catalog::owns_database(database) || (is_source && catalog::is_template(database));
        is_allowed.then_some(database)
    });
    // One at a time: such statements are transactions of their own.
    come_back();
    IS_DATABASE_CHANGED.set(true);
    if let Some(database) = wanted {
        ALONE.set(Some(database));
        (listener.leave_alone)(database);
    }
}

thread_local! {
    static IS_DATABASE_CHANGED: Cell<bool> = const { Cell::new(false) };
}

/// The database that a statement wants alone, and whether it only copies it.
unsafe fn wanted_alone(statement: *mut pg_sys::Node) -> Option<(String, bool)> {
    // SAFETY: promised by the caller: the tag says which statement it is, and the parser has filled it in.
    unsafe {
        match (*statement).type_ {
            pg_sys::NodeTag::T_DropdbStmt => {
                Some((encoding::to_utf8((*statement.cast::<pg_sys::DropdbStmt>()).dbname), false))
            }
            pg_sys::NodeTag::T_RenameStmt => {
                Some((encoding::to_utf8((*statement.cast::<pg_sys::RenameStmt>()).subname), false))
            }
            pg_sys::NodeTag::T_AlterDatabaseStmt => {
                let statement = &*statement.cast::<pg_sys::AlterDatabaseStmt>();
                option(statement.options, c"tablespace")?;
                Some((encoding::to_utf8(statement.dbname), false))
            }
            pg_sys::NodeTag::T_CreatedbStmt => {
                let options = (*statement.cast::<pg_sys::CreatedbStmt>()).options;
                let name = match option(options, c"template") {
                    Some(given) if !(*given).arg.is_null() => encoding::to_utf8(pg_sys::defGetString(given)),
                    Some(_) | None => "template1".to_owned(),
                };
                Some((name, true))
            }
            _ => None,
        }
    }
}

/// The option of this name among those of a statement.
unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<*mut pg_sys::DefElem> {
    // SAFETY: a list of options, or no list, as the caller promises.
    unsafe {
        if options.is_null() {
            return None;
        }
        let cells = std::slice::from_raw_parts((*options).elements, (*options).length as usize);
        let mut given = cells.iter().map(|cell| cell.ptr_value.cast::<pg_sys::DefElem>());
        given.find(|given| CStr::from_ptr((**given).defname) == name)
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn on_end(event: pg_sys::XactEvent::Type, _arg: *mut core::ffi::c_void) {
    if event == pg_sys::XactEvent::XACT_EVENT_COMMIT || event == pg_sys::XactEvent::XACT_EVENT_ABORT {
        come_back();
        if IS_DATABASE_CHANGED.take()
            && event == pg_sys::XactEvent::XACT_EVENT_COMMIT
            && let Some(listener) = LISTENER.get()
        {
            (listener.databases_changed)();
        }
    }
}

/// Lets the engine's processes back into the database that this session wanted alone.
fn come_back() {
    if let Some(database) = ALONE.take()
        && let Some(listener) = LISTENER.get()
    {
        (listener.come_back)(database);
    }
}
