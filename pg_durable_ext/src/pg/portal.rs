//! Running a user's SQL as a client's would be: parsed, planned and run as top-level statements.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use pg_durable_graph::Column;
use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::{encoding, inference, value, xact};

/// A value for a `$n` of the text.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub value: serde_json::Value,
    pub typing: Typing,
}

/// Where the SQL type of a [`Parameter`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    Known(pg_sys::Oid),
    /// From the place where it stands, as for a prepared statement of a client's that names no types.
    ByContext,
}

/// SQL to be run as one step.
pub struct Script<'a> {
    /// With `$1`, `$2`, … for the parameters.
    pub text: &'a str,
    pub parameters: &'a [Parameter],
    /// The same with literals in place of parameters, if there are any: what takes no parameters gets these.
    pub literals: Option<&'a Literals>,
    /// The largest result, in bytes of JSON.
    pub result_max: usize,
}

/// A script with literals in place of its parameters.
#[derive(Debug, Default)]
pub struct Literals {
    pub text: String,
    /// Where each literal stands, and what stands there in the text with parameters.
    pub places: Vec<(Range<usize>, String)>,
}

/// What the last statement left.
#[derive(Debug, Default)]
pub struct ScriptResult {
    /// `{"rows": […], "row_count": n}`.
    pub json: String,
    pub columns: Arc<Vec<Column>>,
    /// A statement committed by itself, so that its effect does not wait for the step's commit.
    pub has_committed: bool,
}

/// SQL that a step may not hold.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("{0} is not allowed in a workflow step")]
    TransactionControl(&'static str),
    #[error("COPY between server and client is not possible in a workflow step")]
    CopyToClient,
    #[error("the step's SQL is empty")]
    Empty,
    #[error("the step's result is larger than pg_durable.max_result_size ({limit} bytes)")]
    ResultTooLarge { limit: usize },
}

/// Runs the statements in the current transaction. A PostgreSQL error unwinds.
pub fn run(script: &Script<'_>) -> Result<ScriptResult, ScriptError> {
    let commits = xact::commits();
    enter_step_memory();
    // The text with parameters may not even parse as a whole: SET and its like know none.
    let text = Text::parse(script.literals.map_or(script.text, |literals| &literals.text));
    if text.statements.is_empty() {
        return Err(ScriptError::Empty);
    }
    for statement in &text.statements {
        refuse_what_a_step_may_not_do(*statement)?;
    }
    log_statements(&text, script.text);
    arm_statement_timeout();
    if text.statements.len() > 1 {
        // As for a client's message of several statements: what cannot run in a transaction block says so.
        // SAFETY: inside a transaction of this worker.
        unsafe { pg_sys::BeginImplicitTransactionBlock() };
    }
    let mut capture = None;
    for place in 0..text.statements.len() {
        if place > 0 {
            xact::next_command();
        }
        let takes_parameters = is_optimizable(text.statements[place]);
        if !takes_parameters {
            super::session::note_utility();
        }
        capture = Some(match script.literals {
            Some(literals) if takes_parameters => {
                let alone = text.with_parameters(place, script.text, literals);
                run_statement(&alone, 0, script.parameters, script.result_max)?
            }
            _ => run_statement(&text, place, &[], script.result_max)?,
        });
    }
    disarm_statement_timeout();
    log_duration(script.text);
    leave_step_memory();
    let mut capture = capture.expect("there was at least one statement");
    capture.finish();
    Ok(ScriptResult {
        json: std::mem::take(&mut capture.json),
        columns: std::mem::take(&mut capture.columns),
        has_committed: xact::commits() != commits,
    })
}

thread_local! {
    static STEP_MEMORY: Cell<pg_sys::MemoryContext> = const { Cell::new(std::ptr::null_mut()) };
}

/// Makes memory current that outlives a transaction: a statement that commits inside (VACUUM, CALL) goes on reading
/// its parse tree and its parameters afterwards. What a failed step left there goes when the next begins.
fn enter_step_memory() {
    // SAFETY: the context is this process's own and used by one step at a time, whose portals are gone.
    unsafe {
        let mut memory = STEP_MEMORY.get();
        if memory.is_null() {
            memory = pg_sys::AllocSetContextCreateExtended(
                pg_sys::TopMemoryContext,
                c"pg_durable step".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            STEP_MEMORY.set(memory);
        } else {
            pg_sys::MemoryContextReset(memory);
        }
        pg_sys::MemoryContextSwitchTo(memory);
    }
}

fn leave_step_memory() {
    // SAFETY: a transaction is in progress, perhaps not the one in which the step began; nothing refers to the
    // step's memory any more.
    unsafe {
        pg_sys::MemoryContextSwitchTo(pg_sys::TopTransactionContext);
        pg_sys::MemoryContextReset(STEP_MEMORY.get());
    }
}

/// A parsed text.
pub(super) struct Text {
    pub(super) sql: CString,
    pub(super) statements: Vec<*mut pg_sys::RawStmt>,
}

impl Text {
    pub(super) fn parse(sql: &str) -> Text {
        Text::parse_encoded(encoding::from_utf8(sql))
    }

    /// One of the statements of a text with literals, with parameters in their place.
    pub(super) fn with_parameters(&self, place: usize, text: &str, literals: &Literals) -> Text {
        if self.statements.len() == 1 {
            return Text::parse(text);
        }
        // SAFETY: a raw statement of the parser's.
        let (start, length) = unsafe {
            let raw = self.statements[place];
            ((*raw).stmt_location.max(0) as usize, (*raw).stmt_len as usize)
        };
        let all = self.sql.as_bytes();
        let end = if length == 0 { all.len() } else { start + length };
        let (mut sql, mut copied) = (Vec::new(), start);
        // The parser counts in the database's encoding.
        let encoded_length = |text: &str| encoding::from_utf8(text).as_bytes().len();
        for (range, parameter) in &literals.places {
            let from = encoded_length(&literals.text[..range.start]);
            if (start..end).contains(&from) {
                sql.extend_from_slice(&all[copied..from]);
                sql.extend_from_slice(encoding::from_utf8(parameter).as_bytes());
                copied = from + encoded_length(&literals.text[range.clone()]);
            }
        }
        sql.extend_from_slice(&all[copied..end]);
        Text::parse_encoded(CString::new(sql).expect("parts of C strings hold no NUL"))
    }

    fn parse_encoded(sql: CString) -> Text {
        // SAFETY: the list's elements are raw statements; they live in the transaction's memory.
        let statements = unsafe {
            let list = pg_sys::pg_parse_query(sql.as_ptr());
            let length = if list.is_null() { 0 } else { (*list).length };
            (0..length)
                .map(|place| (*(*list).elements.add(place as usize)).ptr_value.cast::<pg_sys::RawStmt>())
                .collect()
        };
        Text { sql, statements }
    }
}

pub(super) fn tag(statement: *mut pg_sys::RawStmt) -> pg_sys::NodeTag {
    // SAFETY: a raw statement holds a node, and every node begins with its tag.
    unsafe { (*(*statement).stmt).type_ }
}

pub(super) fn is_optimizable(statement: *mut pg_sys::RawStmt) -> bool {
    // SAFETY: a raw statement of the parser's.
    unsafe { pg_sys::analyze_requires_snapshot(statement) }
}

pub(super) fn refuse_what_a_step_may_not_do(statement: *mut pg_sys::RawStmt) -> Result<(), ScriptError> {
    match tag(statement) {
        pg_sys::NodeTag::T_TransactionStmt => {
            // SAFETY: the tag says what the node is.
            let kind = unsafe { (*(*statement).stmt.cast::<pg_sys::TransactionStmt>()).kind };
            use pg_sys::TransactionStmtKind::*;
            let name = match kind {
                TRANS_STMT_BEGIN => "BEGIN",
                TRANS_STMT_START => "START TRANSACTION",
                TRANS_STMT_COMMIT => "COMMIT",
                TRANS_STMT_ROLLBACK => "ROLLBACK",
                TRANS_STMT_SAVEPOINT => "SAVEPOINT",
                TRANS_STMT_RELEASE => "RELEASE",
                TRANS_STMT_ROLLBACK_TO => "ROLLBACK TO",
                TRANS_STMT_PREPARE => "PREPARE TRANSACTION",
                TRANS_STMT_COMMIT_PREPARED => "COMMIT PREPARED",
                _ => "ROLLBACK PREPARED",
            };
            Err(ScriptError::TransactionControl(name))
        }
        pg_sys::NodeTag::T_CopyStmt => {
            // SAFETY: the tag says what the node is.
            let to_client = unsafe { (*(*statement).stmt.cast::<pg_sys::CopyStmt>()).filename.is_null() };
            if to_client { Err(ScriptError::CopyToClient) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

fn run_statement(
    text: &Text,
    place: usize,
    parameters: &[Parameter],
    result_max: usize,
) -> Result<Box<Capture>, ScriptError> {
    let raw = text.statements[place];
    let needs_snapshot = is_optimizable(raw);
    // SAFETY: the steps of a client's simple or extended query, in its order, inside a transaction; every pointer
    // is of the transaction's memory or, for a cached plan, counted by the portal.
    unsafe {
        let tag = pg_sys::CreateCommandTag((*raw).stmt);
        if needs_snapshot {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        let (list, statements, plan) = match plan_source(text, raw, tag, parameters, needs_snapshot) {
            Some((source, sources)) => {
                let types = match (*source).num_params {
                    0 => &[],
                    count => std::slice::from_raw_parts((*source).param_types, count as usize),
                };
                let list = parameter_list(parameters, &sources, types);
                let plan = pg_sys::GetCachedPlan(source, list, std::ptr::null_mut(), std::ptr::null_mut());
                (list, (*plan).stmt_list, plan)
            }
            None => {
                let analysis = inference::analyze(raw, &text.sql, parameters);
                let list = parameter_list(parameters, &analysis.sources, &analysis.types);
                let options = pg_sys::CURSOR_OPT_PARALLEL_OK as i32;
                let plans = pg_sys::pg_plan_queries(analysis.queries, text.sql.as_ptr(), options, list);
                (list, plans, std::ptr::null_mut())
            }
        };
        let portal = pg_sys::CreatePortal(c"".as_ptr(), true, true);
        (*portal).visible = false;
        pg_sys::PortalDefineQuery(portal, std::ptr::null(), text.sql.as_ptr(), tag, statements, plan);
        if needs_snapshot {
            pg_sys::PopActiveSnapshot();
        }
        pg_sys::PortalStart(portal, list, 0, std::ptr::null_mut());
        let mut capture = Capture::new(result_max);
        let receiver = (&raw mut *capture).cast::<pg_sys::DestReceiver>();
        let mut completion: pg_sys::QueryCompletion = std::mem::zeroed();
        pg_guard_ffi_boundary(|| {
            with_error_facts(|| {
                #[cfg(not(feature = "pg18"))]
                PortalRun(portal, core::ffi::c_long::MAX, true, true, receiver, receiver, &mut completion);
                #[cfg(feature = "pg18")]
                PortalRun(portal, core::ffi::c_long::MAX, true, receiver, receiver, &mut completion);
            })
        });
        pg_sys::PortalDrop(portal, false);
        if capture.is_too_large {
            return Err(ScriptError::ResultTooLarge { limit: result_max });
        }
        Ok(capture)
    }
}

// Declared here without pgrx's guard, so that the error's context can be read before the guard drops it.
unsafe extern "C-unwind" {
    fn pg_re_throw() -> !;
    #[cfg(not(feature = "pg18"))]
    fn PortalRun(
        portal: pg_sys::Portal,
        count: core::ffi::c_long,
        is_top_level: bool,
        run_once: bool,
        dest: *mut pg_sys::DestReceiver,
        alternative: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    ) -> bool;
    #[cfg(feature = "pg18")]
    fn PortalRun(
        portal: pg_sys::Portal,
        count: core::ffi::c_long,
        is_top_level: bool,
        dest: *mut pg_sys::DestReceiver,
        alternative: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    ) -> bool;
}

thread_local! {
    static ERROR_FACTS: RefCell<Option<ErrorFacts>> = const { RefCell::new(None) };
}

/// What pgrx does not keep of an error.
pub struct ErrorFacts {
    /// The packed code: pgrx knows those of PostgreSQL only, not those that users make up.
    pub code: i32,
    /// The PL/pgSQL call stack, say.
    pub context: Option<String>,
}

/// The facts of the last error of a step, once.
pub fn take_error_facts() -> Option<ErrorFacts> {
    ERROR_FACTS.with_borrow_mut(Option::take)
}

/// Runs a C function under a guard that keeps the error's code and context, which pgrx's own guard does not.
///
/// # Safety
/// `call` does nothing but call a C function.
pub unsafe fn with_error_facts(call: impl FnOnce()) {
    // SAFETY: the outer boundary turns the re-thrown error into a panic; the inner one only reads it. Nothing
    // with a destructor lives in the frames that `siglongjmp` leaves.
    unsafe {
        let context_stack = pg_sys::error_context_stack;
        let exception_stack = pg_sys::PG_exception_stack;
        let memory = pg_sys::CurrentMemoryContext;
        let jumped = cee_scape::call_with_sigsetjmp(false, |buffer| {
            pg_sys::PG_exception_stack = std::mem::transmute::<*const cee_scape::SigJmpBufFields, *mut _>(
                buffer as *const cee_scape::SigJmpBufFields,
            );
            call();
            0
        });
        pg_sys::PG_exception_stack = exception_stack;
        pg_sys::error_context_stack = context_stack;
        if jumped != 0 {
            pg_sys::MemoryContextSwitchTo(memory);
            let error = pg_sys::CopyErrorData();
            let context = (*error).context;
            let context = (!context.is_null()).then(|| encoding::to_utf8(context));
            let facts = ErrorFacts { code: (*error).sqlerrcode, context };
            ERROR_FACTS.with_borrow_mut(|kept| *kept = Some(facts));
            pg_sys::FreeErrorData(error);
            pg_re_throw();
        }
    }
}

/// # Safety
/// Inside a transaction; the values by number have these types, and `sources` says which of the parameters they are.
unsafe fn parameter_list(
    parameters: &[Parameter],
    sources: &[usize],
    types: &[pg_sys::Oid],
) -> pg_sys::ParamListInfo {
    if parameters.is_empty() {
        return std::ptr::null_mut();
    }
    // SAFETY: the list has as many places as there are numbers.
    unsafe {
        let list = pg_sys::makeParamList(types.len() as i32);
        for (place, (source, type_oid)) in sources.iter().zip(types.iter().copied()).enumerate() {
            let parameter = &parameters[*source];
            let entry = (*list).params.as_mut_ptr().add(place);
            let datum = match parameter.typing {
                Typing::Known(_) => value::datum_of_json(&parameter.value, type_oid),
                Typing::ByContext => value::datum_as_sent(&parameter.value, type_oid),
            };
            (*entry).ptype = type_oid;
            (*entry).pflags = pg_sys::PARAM_FLAG_CONST as u16;
            (*entry).isnull = datum.is_none();
            (*entry).value = datum.unwrap_or(pg_sys::Datum::from(0usize));
        }
        list
    }
}

/// The most plans a process keeps.
const PLANS_MAX: usize = 256;

#[derive(PartialEq, Eq, Hash)]
struct PlanKey {
    sql: CString,
    place: (i32, i32),
    /// The declared types; where there is none, the one that counts if the context does not say.
    types: Vec<(u32, u32)>,
}

#[derive(Default)]
struct Plans {
    kept: HashMap<PlanKey, KeptPlan>,
    seen: std::collections::HashSet<u64>,
}

/// A plan, and which of the given parameters each of its numbers stands for.
type KeptPlan = (*mut pg_sys::CachedPlanSource, Rc<[usize]>);

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::new(Plans::default());
}

/// The kept plan of a statement that this process runs for the second time or more; `None` at its first time,
/// which may be its last.
///
/// # Safety
/// As [`run_statement`], with a snapshot active if the statement needs one.
unsafe fn plan_source(
    text: &Text,
    raw: *mut pg_sys::RawStmt,
    tag: pg_sys::CommandTag::Type,
    parameters: &[Parameter],
    is_query: bool,
) -> Option<KeptPlan> {
    if !is_query || text.statements.len() > 1 {
        return None;
    }
    use std::hash::{Hash, Hasher};
    // SAFETY: `raw` is a statement of the parser's.
    let place = unsafe { ((*raw).stmt_location, (*raw).stmt_len) };
    let types = parameters.iter().map(|parameter| match parameter.typing {
        Typing::Known(type_oid) => (type_oid.to_u32(), 0),
        Typing::ByContext => (0, value::own_type(&parameter.value).to_u32()),
    });
    let key = PlanKey { sql: text.sql.clone(), place, types: types.collect() };
    if let Some(known) = PLANS.with_borrow(|plans| plans.kept.get(&key).cloned()) {
        return Some(known);
    }
    let mut hasher = std::hash::DefaultHasher::new();
    key.hash(&mut hasher);
    let is_new = PLANS.with_borrow_mut(|plans| {
        if plans.seen.len() > 16 * PLANS_MAX {
            plans.seen.clear();
        }
        plans.seen.insert(hasher.finish())
    });
    if is_new {
        return None;
    }
    // SAFETY: as PREPARE does: create, complete, save. A failure on the way leaves it in the transaction's memory.
    let kept = unsafe {
        let is_typed = parameters.iter().all(|parameter| parameter.typing != Typing::ByContext);
        let (raw, sql, types, sources) = if is_typed {
            let types = parameters.iter().map(|parameter| match parameter.typing {
                Typing::Known(type_oid) => type_oid,
                Typing::ByContext => unreachable!("all types are known"),
            });
            (raw, Cow::Borrowed(&text.sql), types.collect(), (0..parameters.len()).collect())
        } else {
            // The kept statement has the types that are found now: it can be analysed anew without us.
            let found = inference::analyze(raw, &text.sql, parameters);
            let again = Text::parse_encoded(found.text(&text.sql));
            (again.statements[0], Cow::Owned(again.sql), found.types, found.sources)
        };
        let mut types: Vec<pg_sys::Oid> = types;
        let source = pg_sys::CreateCachedPlan(raw, sql.as_ptr(), tag);
        let queries = inference::analyze_fixed(raw, &sql, &types);
        pg_sys::CompleteCachedPlan(
            source,
            queries,
            std::ptr::null_mut(),
            types.as_mut_ptr(),
            types.len() as i32,
            None,
            std::ptr::null_mut(),
            pg_sys::CURSOR_OPT_PARALLEL_OK as i32,
            false,
        );
        pg_sys::SaveCachedPlan(source);
        (source, Rc::<[usize]>::from(sources))
    };
    PLANS.with_borrow_mut(|plans| {
        if plans.kept.len() >= PLANS_MAX {
            for (_, (old, _)) in plans.kept.drain() {
                // SAFETY: no portal uses a kept plan between statements.
                unsafe { pg_sys::DropCachedPlan(old) }
            }
        }
        plans.kept.insert(key, kept.clone());
    });
    Some(kept)
}

/// Collects a result as JSON, row by row.
#[repr(C)]
struct Capture {
    /// First, so that a pointer to the receiver is one to the capture.
    receiver: pg_sys::DestReceiver,
    json: String,
    columns: Arc<Vec<Column>>,
    names: Vec<String>,
    rows: u64,
    result_max: usize,
    is_too_large: bool,
}

impl Capture {
    fn new(result_max: usize) -> Box<Capture> {
        Box::new(Capture {
            receiver: pg_sys::DestReceiver {
                receiveSlot: Some(receive_slot),
                rStartup: Some(start_up),
                rShutdown: Some(shut_down),
                rDestroy: Some(shut_down),
                mydest: pg_sys::CommandDest::DestNone,
            },
            json: String::from(r#"{"rows":["#),
            columns: Arc::default(),
            names: Vec::new(),
            rows: 0,
            result_max,
            is_too_large: false,
        })
    }

    fn finish(&mut self) {
        self.json.push_str(r#"],"row_count":"#);
        self.json.push_str(&self.rows.to_string());
        self.json.push('}');
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn start_up(
    receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    descriptor: pg_sys::TupleDesc,
) {
    // SAFETY: the receiver is the first field of the capture that `run_statement` holds.
    let capture = unsafe { &mut *receiver.cast::<Capture>() };
    if descriptor.is_null() {
        return;
    }
    // SAFETY: the descriptor is that of the result.
    let columns = unsafe { columns_of(descriptor) };
    capture.names =
        columns.iter().map(|column| format!("{}:", serde_json::Value::from(&*column.name))).collect();
    capture.columns = Arc::new(columns);
}

/// The columns of a result.
///
/// # Safety
/// `descriptor` is a tuple descriptor.
pub(super) unsafe fn columns_of(descriptor: pg_sys::TupleDesc) -> Vec<Column> {
    // SAFETY: the descriptor has `natts` attributes.
    unsafe {
        (0..(*descriptor).natts)
            .map(|place| value::attribute(descriptor, place))
            .filter(|attribute| !(**attribute).attisdropped)
            .map(|attribute| Column {
                name: encoding::to_utf8((*attribute).attname.data.as_ptr()),
                type_name: value::type_name(
                    value::type_when_read((*attribute).atttypid),
                    (*attribute).atttypmod,
                ),
            })
            .collect()
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn receive_slot(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: the receiver is the first field of the capture; the slot holds a row of the announced shape.
    unsafe {
        let capture = &mut *receiver.cast::<Capture>();
        let descriptor = (*slot).tts_tupleDescriptor;
        if i32::from((*slot).tts_nvalid) < (*descriptor).natts {
            pg_sys::slot_getsomeattrs_int(slot, (*descriptor).natts);
        }
        capture.json.push_str(if capture.rows == 0 { "{" } else { ",{" });
        let mut shown = 0;
        for place in 0..(*descriptor).natts {
            let attribute = value::attribute(descriptor, place);
            if (*attribute).attisdropped {
                continue;
            }
            if shown > 0 {
                capture.json.push(',');
            }
            capture.json.push_str(&capture.names[shown]);
            shown += 1;
            if *(*slot).tts_isnull.add(place as usize) {
                capture.json.push_str("null");
            } else {
                let datum = *(*slot).tts_values.add(place as usize);
                value::write_json(&mut capture.json, datum, (*attribute).atttypid);
            }
        }
        capture.json.push('}');
        capture.rows += 1;
        capture.is_too_large = capture.json.len() > capture.result_max;
        !capture.is_too_large
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn shut_down(_receiver: *mut pg_sys::DestReceiver) {}

fn log_statements(text: &Text, shown: &str) {
    // SAFETY: reads a setting; the statements are the parser's.
    let wants_log = unsafe {
        let level = pg_sys::log_statement as u32;
        level == pg_sys::LogStmtLevel::LOGSTMT_ALL
            || text
                .statements
                .iter()
                .any(|raw| pg_sys::GetCommandLogLevel((**raw).stmt) <= level && level != 0)
    };
    if wants_log {
        pgrx::log!("statement: {shown}");
    }
}

fn log_duration(shown: &str) {
    let mut duration = [0 as core::ffi::c_char; 32];
    // SAFETY: the buffer is of the size that the function's callers in the server use.
    let (verdict, duration) = unsafe {
        let verdict = pg_sys::check_log_duration(duration.as_mut_ptr(), false);
        (verdict, CStr::from_ptr(duration.as_ptr()).to_string_lossy().into_owned())
    };
    match verdict {
        1 => pgrx::log!("duration: {duration} ms"),
        2 => pgrx::log!("duration: {duration} ms  statement: {shown}"),
        _ => {}
    }
}

unsafe extern "C-unwind" {
    fn enable_timeout_after(id: i32, delay_ms: i32);
    fn disable_timeout(id: i32, keep_indicator: bool);
}

/// `STATEMENT_TIMEOUT` of `utils/timeout.h`, the same in PostgreSQL 15 to 18.
const STATEMENT_TIMEOUT: i32 = 3;

fn arm_statement_timeout() {
    // SAFETY: every process with a database registers the time-out's handler when it starts.
    unsafe {
        if pg_sys::StatementTimeout > 0 {
            pg_guard_ffi_boundary(|| enable_timeout_after(STATEMENT_TIMEOUT, pg_sys::StatementTimeout));
        }
    }
}

/// Ends the statement's time-out, so that it hits neither the checkpoint nor the next step.
pub fn disarm_statement_timeout() {
    // SAFETY: disabling an inactive time-out does nothing.
    unsafe { pg_guard_ffi_boundary(|| disable_timeout(STATEMENT_TIMEOUT, false)) }
}
