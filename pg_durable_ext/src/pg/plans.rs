//! The plans that a process keeps of statements that it runs again and again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::rc::Rc;

use pgrx::pg_sys;

use super::inference::{self, Parameter, Typing};
use super::statement::Text;
use super::{row_types, value};

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
    seen: HashSet<u64>,
    /// Those of which no plan is kept: see [`row_types`].
    unfit: HashSet<u64>,
}

/// A plan, and which of the given parameters each of its numbers stands for.
pub(super) type KeptPlan = (*mut pg_sys::CachedPlanSource, Rc<[usize]>);

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::new(Plans::default());
}

/// The kept plan of a statement that this process runs for the second time or more; `None` at its first time,
/// which may be its last.
///
/// # Safety
/// As for `portal::run_statement`, with a snapshot active if the statement needs one.
pub(super) unsafe fn plan_source(
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
        Typing::Known(type_oid) | Typing::Null(type_oid) => (type_oid.to_u32(), 0),
        Typing::ByContext => (0, value::own_type(&parameter.value).to_u32()),
    });
    let key = PlanKey { sql: text.sql.clone(), place, types: types.collect() };
    let is_typed = parameters.iter().all(|parameter| parameter.typing != Typing::ByContext);
    let mut is_outdated = false;
    if let Some(known) = PLANS.with_borrow(|plans| plans.kept.get(&key).cloned()) {
        // SAFETY: a kept plan lives until it is dropped here or below.
        is_outdated = !is_typed && unsafe { !(*known.0).is_valid };
        if !is_outdated {
            return Some(known);
        }
        // The server would analyse it anew with the types that the context had; a column may have another now.
        PLANS.with_borrow_mut(|plans| plans.kept.remove(&key));
        // SAFETY: no portal uses a kept plan between statements.
        unsafe { pg_sys::DropCachedPlan(known.0) }
    }
    let mut hasher = std::hash::DefaultHasher::new();
    key.hash(&mut hasher);
    let hash = hasher.finish();
    let is_new = PLANS.with_borrow_mut(|plans| {
        if plans.seen.len() > 16 * PLANS_MAX {
            plans.seen.clear();
            plans.unfit.clear();
        }
        plans.seen.insert(hash) || plans.unfit.contains(&hash)
    });
    if is_new && !is_outdated {
        return None;
    }
    // SAFETY: as PREPARE does: create, complete, save. A failure on the way leaves it in the transaction's memory.
    let kept = unsafe {
        let (raw, sql, types, sources) = if is_typed {
            let types = parameters.iter().map(|parameter| match parameter.typing {
                Typing::Known(type_oid) | Typing::Null(type_oid) => type_oid,
                Typing::ByContext => unreachable!("all types are known"),
            });
            (raw, Cow::Borrowed(&text.sql), types.collect(), (0..parameters.len()).collect())
        } else {
            // The kept statement has the types that are found now: it can be analysed anew without us.
            let found = inference::analyze(copy(raw), &text.sql, parameters);
            let again = Text::parse_encoded(found.text(&text.sql));
            (again.statements[0], Cow::Owned(again.sql), found.types, found.sources)
        };
        let mut types: Vec<pg_sys::Oid> = types;
        let source = pg_sys::CreateCachedPlan(raw, sql.as_ptr(), tag);
        let queries = inference::analyze_fixed(copy(raw), &sql, &types);
        if row_types::are_read(queries) {
            pg_sys::DropCachedPlan(source);
            PLANS.with_borrow_mut(|plans| plans.unfit.insert(hash));
            return None;
        }
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

/// A copy for the analysis, which changes what it is given.
///
/// # Safety
/// `raw` is a statement of the parser's.
unsafe fn copy(raw: *mut pg_sys::RawStmt) -> *mut pg_sys::RawStmt {
    // SAFETY: promised by the caller; a copy is of the same kind.
    unsafe { pg_sys::copyObjectImpl(raw.cast()).cast() }
}
