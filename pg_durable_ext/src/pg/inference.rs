//! The types of parameters that nobody has named: the server finds them where the parameters stand.
//!
//! This is what the server does for a prepared statement of a client's that names no types, with the differences that
//! there is a value at hand: a parameter whose places want several types gets one number for each of them, and what the
//! context leaves open (`$1 IS NULL`, `$1 + $2`, a column of the result) has the type that the value's JSON has by nature.

use std::ffi::{CStr, CString, c_void};

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::value;

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
    /// The same, and it is NULL: of a JSON type, a value that is `null` is one.
    Null(pg_sys::Oid),
    /// From the place where it stands, as for a prepared statement of a client's that names no types.
    ByContext,
}

/// The RETURNING list of a statement.
#[cfg(not(feature = "pg18"))]
macro_rules! returning {
    ($statement:expr) => {
        $statement.returningList
    };
}
#[cfg(feature = "pg18")]
macro_rules! returning {
    ($statement:expr) => {
        match $statement.returningClause {
            clause if clause.is_null() => std::ptr::null_mut(),
            clause => (*clause).exprs,
        }
    };
}

/// An analysed statement.
pub struct Analysis {
    /// What the rewriter made of it.
    pub queries: *mut pg_sys::List,
    /// The type of each parameter, by its number from 1.
    pub types: Vec<pg_sys::Oid>,
    /// Which of the given parameters each number stands for.
    pub sources: Vec<usize>,
    /// Where in the text a `$n` stands that now has another number.
    renumbered: Vec<(usize, i32)>,
}

impl Analysis {
    /// The text with the present numbers: with these and the types, the server comes to the same analysis by itself.
    pub fn text(&self, sql: &CStr) -> CString {
        let bytes = sql.to_bytes();
        let mut places = self.renumbered.clone();
        places.sort_unstable();
        let (mut text, mut copied) = (Vec::with_capacity(bytes.len() + 8), 0);
        for (at, number) in places {
            text.extend_from_slice(&bytes[copied..=at]);
            text.extend_from_slice(number.to_string().as_bytes());
            copied = at + 1 + bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        }
        text.extend_from_slice(&bytes[copied..]);
        CString::new(text).expect("a C string with other digits holds no NUL")
    }
}

/// Analyses a statement.
///
/// # Safety
/// `raw` is the parser's, of the text `sql`, and is used up; inside a transaction, with a snapshot where the statement
/// needs one.
pub unsafe fn analyze(raw: *mut pg_sys::RawStmt, sql: &CStr, parameters: &[Parameter]) -> Analysis {
    let types: Vec<_> = parameters
        .iter()
        .map(|parameter| match parameter.typing {
            Typing::Known(type_oid) | Typing::Null(type_oid) => type_oid,
            Typing::ByContext => pg_sys::InvalidOid,
        })
        .collect();
    let sources = (0..parameters.len()).collect();
    if !types.contains(&pg_sys::InvalidOid) {
        // SAFETY: promised by the caller.
        let queries = unsafe { analyze_fixed(raw, sql, &types) };
        return Analysis { queries, types, sources, renumbered: Vec::new() };
    }
    // SAFETY: promised by the caller; the state outlives the analysis, which is over when the call returns.
    unsafe {
        let own = own_types((*raw).stmt, parameters);
        let mut state = State { parameters, types, sources, places: Vec::new(), own };
        let query = pg_sys::parse_analyze_withcb(
            raw,
            sql.as_ptr(),
            Some(set_hooks),
            (&raw mut state).cast::<c_void>(),
            std::ptr::null_mut(),
        );
        state.settle();
        let queries = pg_sys::pg_rewrite_query(query);
        Analysis { queries, renumbered: state.renumbered(), types: state.types, sources: state.sources }
    }
}

/// Analyses a statement whose parameters have these types.
///
/// # Safety
/// As [`analyze`].
pub unsafe fn analyze_fixed(
    raw: *mut pg_sys::RawStmt,
    sql: &CStr,
    types: &[pg_sys::Oid],
) -> *mut pg_sys::List {
    // SAFETY: promised by the caller.
    unsafe {
        pg_sys::pg_analyze_and_rewrite_fixedparams(
            raw,
            sql.as_ptr(),
            types.as_ptr(),
            types.len() as i32,
            std::ptr::null_mut(),
        )
    }
}

/// What the hooks share during an analysis.
struct State<'a> {
    parameters: &'a [Parameter],
    /// By number; invalid where nothing has decided it yet.
    types: Vec<pg_sys::Oid>,
    sources: Vec<usize>,
    places: Vec<Place>,
    /// Where a `$n` stands whose value decides the type: see [`own_types`].
    own: Vec<i32>,
}

/// A `$n` of the text.
struct Place {
    location: i32,
    written: i32,
    param: *mut pg_sys::Param,
}

impl State<'_> {
    /// The number for a parameter in a place that wants a type.
    fn number(&mut self, source: usize, type_oid: pg_sys::Oid) -> i32 {
        let open = pg_sys::InvalidOid;
        let fits = |place: &usize| self.sources[*place] == source && self.types[*place] == type_oid;
        let place = (0..self.types.len()).find(fits).unwrap_or_else(|| {
            if self.types[source] == open {
                self.types[source] = type_oid;
                return source;
            }
            self.types.push(type_oid);
            self.sources.push(source);
            self.types.len() - 1
        });
        place as i32 + 1
    }

    /// Gives the types that the values have by nature to what nothing has decided.
    fn settle(&mut self) {
        for place in 0..self.places.len() {
            let param = self.places[place].param;
            // SAFETY: the nodes of the query that was just analysed.
            unsafe {
                if (*param).paramtype == pg_sys::UNKNOWNOID {
                    let source = self.sources[(*param).paramid as usize - 1];
                    let type_oid = value::own_type(&self.parameters[source].value);
                    let number = self.number(source, type_oid);
                    set(param, number, type_oid);
                }
            }
        }
        for (type_oid, source) in self.types.iter_mut().zip(&self.sources) {
            if *type_oid == pg_sys::InvalidOid {
                *type_oid = value::own_type(&self.parameters[*source].value);
            }
        }
    }

    fn renumbered(&self) -> Vec<(usize, i32)> {
        self.places
            .iter()
            // SAFETY: as in `settle`.
            .map(|place| (place.location as usize, place.written, unsafe { (*place.param).paramid }))
            .filter(|(_, written, number)| written != number)
            .map(|(at, _, number)| (at, number))
            .collect()
    }
}

/// # Safety
/// `param` is a live node.
unsafe fn set(param: *mut pg_sys::Param, number: i32, type_oid: pg_sys::Oid) {
    // SAFETY: promised by the caller.
    unsafe {
        (*param).paramid = number;
        (*param).paramtype = type_oid;
        (*param).paramtypmod = -1;
        (*param).paramcollid = pg_sys::get_typcollation(type_oid);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn set_hooks(parse: *mut pg_sys::ParseState, state: *mut c_void) {
    // SAFETY: called by the analysis with its new state.
    unsafe {
        (*parse).p_ref_hook_state = state;
        (*parse).p_paramref_hook = Some(on_paramref);
        (*parse).p_coerce_param_hook = Some(on_coerce);
    }
}

/// Makes the node of a `$n`, of unknown type unless something has decided it.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn on_paramref(
    parse: *mut pg_sys::ParseState,
    reference: *mut pg_sys::ParamRef,
) -> *mut pg_sys::Node {
    // SAFETY: the state is that of the analysis under way, on whose stack it lives.
    unsafe {
        let state = &mut *(*parse).p_ref_hook_state.cast::<State<'_>>();
        let (written, location) = ((*reference).number, (*reference).location);
        let source = usize::try_from(written - 1).ok().filter(|source| *source < state.parameters.len());
        let Some(source) = source else {
            pgrx::ereport!(
                ERROR,
                pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_PARAMETER,
                format!("there is no parameter ${written}")
            );
        };
        let parameter = &state.parameters[source];
        let param = pg_sys::palloc0(size_of::<pg_sys::Param>()).cast::<pg_sys::Param>();
        (*param).xpr.type_ = pg_sys::NodeTag::T_Param;
        (*param).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
        (*param).location = location;
        let (number, type_oid) = match parameter.typing {
            Typing::Known(type_oid) | Typing::Null(type_oid) => (written, type_oid),
            Typing::ByContext if state.own.contains(&location) => {
                let type_oid = value::own_type(&parameter.value);
                (state.number_of_own(source, type_oid), type_oid)
            }
            Typing::ByContext => match state.types[source] {
                pg_sys::InvalidOid => (written, pg_sys::UNKNOWNOID),
                type_oid => (written, type_oid),
            },
        };
        set(param, number, type_oid);
        state.places.push(Place { location, written, param });
        param.cast()
    }
}

impl State<'_> {
    /// As [`State::number`], but without deciding for the other places.
    fn number_of_own(&mut self, source: usize, type_oid: pg_sys::Oid) -> i32 {
        if self.types[source] == pg_sys::InvalidOid {
            self.types.push(type_oid);
            self.sources.push(source);
            return self.types.len() as i32;
        }
        self.number(source, type_oid)
    }
}

/// Gives a `$n` of unknown type the type that its place wants.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn on_coerce(
    parse: *mut pg_sys::ParseState,
    param: *mut pg_sys::Param,
    type_oid: pg_sys::Oid,
    _modifier: i32,
    location: i32,
) -> *mut pg_sys::Node {
    // SAFETY: as in `on_paramref`.
    unsafe {
        let is_open =
            (*param).paramkind == pg_sys::ParamKind::PARAM_EXTERN && (*param).paramtype == pg_sys::UNKNOWNOID;
        if !is_open {
            return std::ptr::null_mut();
        }
        let state = &mut *(*parse).p_ref_hook_state.cast::<State<'_>>();
        let source = state.sources[(*param).paramid as usize - 1];
        set(param, state.number(source, type_oid), type_oid);
        // As the server does: errors point at what comes first.
        if location >= 0 && ((*param).location < 0 || location < (*param).location) {
            (*param).location = location;
        }
        param.cast()
    }
}

/// Where the context would make nothing good of a parameter, and the value decides: a column of the result by itself
/// (`SELECT $1 AS id`), which would be text, and operands that have no other beside them than such ones (`$1 + $2`).
///
/// # Safety
/// `statement` is a raw parse tree.
unsafe fn own_types(statement: *mut pg_sys::Node, parameters: &[Parameter]) -> Vec<i32> {
    // SAFETY: the tag says what the node is. The walker knows what such statements are made of.
    unsafe {
        let columns = match (*statement).type_ {
            pg_sys::NodeTag::T_SelectStmt => (*statement.cast::<pg_sys::SelectStmt>()).targetList,
            pg_sys::NodeTag::T_InsertStmt => returning!(*statement.cast::<pg_sys::InsertStmt>()),
            pg_sys::NodeTag::T_UpdateStmt => returning!(*statement.cast::<pg_sys::UpdateStmt>()),
            pg_sys::NodeTag::T_DeleteStmt => returning!(*statement.cast::<pg_sys::DeleteStmt>()),
            pg_sys::NodeTag::T_MergeStmt => std::ptr::null_mut(),
            _ => return Vec::new(),
        };
        let length = if columns.is_null() { 0 } else { (*columns).length };
        let own = (0..length).filter_map(|place| {
            let target = (*(*columns).elements.add(place as usize)).ptr_value.cast::<pg_sys::ResTarget>();
            reference((*target).val).map(|reference| (*reference).location)
        });
        let mut operands = Operands { parameters, own: own.collect() };
        walk_operands(statement, (&raw mut operands).cast());
        operands.own
    }
}

/// The `$n` that a node is.
///
/// # Safety
/// `node` is NULL or a node.
unsafe fn reference(node: *mut pg_sys::Node) -> Option<*mut pg_sys::ParamRef> {
    // SAFETY: the tag says what the node is.
    unsafe {
        let is_reference = !node.is_null() && (*node).type_ == pg_sys::NodeTag::T_ParamRef;
        is_reference.then(|| node.cast())
    }
}

struct Operands<'a> {
    parameters: &'a [Parameter],
    own: Vec<i32>,
}

impl Operands<'_> {
    /// Looks at an operator all of whose operands are parameters. Strings and null go with whatever is beside them.
    ///
    /// # Safety
    /// Both are NULL or nodes.
    unsafe fn note(&mut self, left: *mut pg_sys::Node, right: *mut pg_sys::Node) {
        // SAFETY: promised by the caller.
        unsafe {
            let (on_left, on_right) = (reference(left), reference(right));
            if (left.is_null() || on_left.is_some()) && on_right.is_some() {
                for operand in [on_left, on_right].into_iter().flatten() {
                    let parameter = usize::try_from((*operand).number - 1)
                        .ok()
                        .and_then(|place| self.parameters.get(place));
                    if parameter
                        .is_some_and(|parameter| parameter.value.is_number() || parameter.value.is_boolean())
                    {
                        self.own.push((*operand).location);
                    }
                }
            }
        }
    }
}

/// The callback of the server's walker over raw parse trees.
type Walker = unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool;

unsafe extern "C-unwind" {
    #[cfg_attr(not(feature = "pg15"), link_name = "raw_expression_tree_walker_impl")]
    fn raw_expression_tree_walker(node: *mut pg_sys::Node, walker: Walker, context: *mut c_void) -> bool;
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn walk_operands(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: the context is that of `own_types`; the tag says what the node is.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_A_Expr {
            let expression = node.cast::<pg_sys::A_Expr>();
            if (*expression).kind == pg_sys::A_Expr_Kind::AEXPR_OP {
                (*context.cast::<Operands<'_>>()).note((*expression).lexpr, (*expression).rexpr);
            }
        }
        pg_guard_ffi_boundary(|| raw_expression_tree_walker(node, walk_operands, context))
    }
}
