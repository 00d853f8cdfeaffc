//! Running a user's SQL as a client's would be: parsed, planned and run as top-level statements.

use std::cell::Cell;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::sync::Arc;

use pg_durable_graph::Column;
use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::capture::Capture;
use super::caught::with_error_facts;
use super::inference::{self, Parameter, Typing};
use super::plans::plan_source;
use super::statement::{Literals, ScriptError, Text, is_optimizable, refuse_what_a_step_may_not_do};
use super::{clock, encoding, ending, value, xact};

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

/// What the last statement left.
#[derive(Debug, Default)]
pub struct ScriptResult {
    /// `{"rows": […], "row_count": n}`.
    pub json: String,
    pub columns: Arc<Vec<Column>>,
    /// A statement committed by itself, so that its effect does not wait for the step's commit.
    pub has_committed: bool,
}

/// Runs the statements in the current transaction. A PostgreSQL error unwinds.
pub fn run(script: &Script<'_>) -> Result<ScriptResult, ScriptError> {
    let commits = ending::commits();
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
    let shown = encoding::from_utf8(script.text);
    let _query = CurrentQuery::enter(&shown);
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
        arm_statement_timeout();
        let takes_parameters = is_optimizable(text.statements[place]);
        if !takes_parameters {
            super::session::note_utility();
        }
        capture = Some(match script.literals {
            Some(literals) if takes_parameters => {
                // A statement before this one may have set it otherwise.
                xact::read_standard_strings();
                let alone = text.with_parameters(place, script.text, literals);
                run_statement(&alone, 0, script.parameters, script.result_max)?
            }
            _ => run_statement(&text, place, &[], script.result_max)?,
        });
        disarm_statement_timeout();
    }
    log_duration(script.text);
    leave_step_memory();
    let mut capture = capture.expect("there was at least one statement");
    Ok(ScriptResult {
        json: capture.finish(),
        columns: std::mem::take(&mut capture.columns),
        has_committed: ending::commits() != commits,
    })
}

/// What `current_query()` gives while the statements run, the error reports of the server with it.
struct CurrentQuery<'a>(PhantomData<&'a CStr>);

impl<'a> CurrentQuery<'a> {
    fn enter(sql: &'a CStr) -> CurrentQuery<'a> {
        // SAFETY: a plain variable of this process, which is reset before the text goes.
        unsafe { pg_sys::debug_query_string = sql.as_ptr() }
        CurrentQuery(PhantomData)
    }
}

impl Drop for CurrentQuery<'_> {
    fn drop(&mut self) {
        // Runs while an error unwinds too; it cannot raise.
        // SAFETY: as above.
        unsafe { pg_sys::debug_query_string = std::ptr::null() }
    }
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
        capture.note_completion(&completion);
        if capture.is_too_large() {
            return Err(ScriptError::ResultTooLarge { limit: result_max });
        }
        Ok(capture)
    }
}

// Declared here without pgrx's guard: see `caught::with_error_facts`.
unsafe extern "C-unwind" {
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
                Typing::Null(_) => None,
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

thread_local! {
    /// When the step is to be interrupted, on the engine's clock.
    static DEADLINE: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Has the statements of a step interrupted then, if they take so long.
pub fn set_deadline(deadline: Option<i64>) {
    DEADLINE.set(deadline);
}

/// Each statement has the time that the setting gives it now, as those of a client's message have, and no more than what is
/// left to the step.
fn arm_statement_timeout() {
    // What is left is rounded up, lest the time is not up yet when the interruption comes.
    let left = DEADLINE.get().map(|deadline| (deadline - clock::now()).max(0) / 1000 + 1);
    let left = left.map(|millis| i32::try_from(millis).unwrap_or(i32::MAX));
    // SAFETY: every process with a database registers the time-out's handler when it starts.
    unsafe {
        let setting = Some(pg_sys::StatementTimeout).filter(|&millis| millis > 0);
        if let Some(millis) = setting.into_iter().chain(left).min() {
            pg_guard_ffi_boundary(|| enable_timeout_after(STATEMENT_TIMEOUT, millis));
        }
    }
}

/// Ends the statement's time-out, so that it hits neither the checkpoint nor the next step.
pub fn disarm_statement_timeout() {
    // SAFETY: disabling an inactive time-out does nothing.
    unsafe { pg_guard_ffi_boundary(|| disable_timeout(STATEMENT_TIMEOUT, false)) }
}
