//! What the body says: the subset of Rust that a graph can mean, read from the syntax.
//!
//! Everything else is refused here, on the token that is too much, with what to write instead.

mod catch;
mod refusal;

use crate::{
    arms,
    errors::Errors,
    sql::Place,
    syntax::{error, is_call, only_argument},
    word::{self, Document, Leaves, Macro, Missing, Together, Word},
    written::Written,
};
pub use catch::{Arrival, Catch};
use proc_macro2::Span;
use refusal::{async_alone, refuse};
use syn::{
    Expr as Syntax, ExprCall, ExprLit, ExprMacro, ExprMethodCall, Ident, Lit, Pat, Stmt as Statement, Type,
    UnOp, spanned::Spanned as _,
};

/// `{ …; … }`
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub tail: Option<Box<Expr>>,
    pub end: Span,
    /// Whether all of it was understood.
    pub is_whole: bool,
}

pub enum Stmt {
    Let(Let),
    Expr(Expr),
}

/// `let pattern: T = value;`, perhaps with `else { … }`.
pub struct Let {
    pub pattern: Pattern,
    pub syntax: Pat,
    pub ty: Option<Type>,
    pub value: Expr,
    pub otherwise: Option<Block>,
}

pub enum Pattern {
    Name(Ident),
    /// `_`
    Ignored,
    /// Destructures what `join!` gives.
    Tuple(Vec<Pattern>),
    /// `Some(name)`
    Some(Option<Ident>),
}

pub enum Expr {
    /// `step.await?`
    Step(Step),
    /// `step.await`, which is a `Result` as `Ok(..)` is.
    Outcome(Step),
    /// `Ok(value)`
    Ok(Value),
    Value(Value),
    If(Box<If>),
    Select(Select),
    Catch(Box<Catch>),
    While {
        condition: Condition,
        body: Block,
        span: Span,
    },
    Loop {
        body: Block,
        span: Span,
    },
    Break {
        value: Option<Box<Expr>>,
        span: Span,
    },
    Continue(Span),
    /// `return Ok(value)` or `return step.await`
    Return {
        value: Box<Expr>,
        span: Span,
    },
    /// `fail!("…")`
    Fail(Step),
}

pub struct If {
    pub condition: Condition,
    pub then: Block,
    pub otherwise: Option<Else>,
    pub span: Span,
}

pub enum Else {
    Block(Block),
    If(Box<If>),
}

/// `select! { … }`
pub struct Select {
    pub arms: Vec<Arm>,
    pub span: Span,
}

/// `pattern: T = event => handler`
pub struct Arm {
    pub pattern: Pattern,
    pub syntax: Pat,
    pub ty: Option<Type>,
    pub event: Step,
    pub handler: Block,
}

pub enum Condition {
    /// `sql!(..).await?`
    Step { step: Step, negated: bool },
    /// `approval.approved`
    Place { place: Place, negated: bool, syntax: Syntax },
    /// `let Some(name) = source`
    Some { name: Option<Ident>, source: Source, pattern: Pat },
}

/// What an `if let` looks into.
pub enum Source {
    Step(Step),
    Place { place: Place, syntax: Syntax },
}

pub struct Step {
    pub word: &'static Word,
    pub kind: StepKind,
    pub span: Span,
}

pub enum StepKind {
    Leaf(Written),
    Join(Vec<Branch>),
    Race(Vec<Branch>),
    Retry(Box<Retry>),
}

/// `retry!(policy, async { … })`
pub struct Retry {
    pub policy: Syntax,
    pub body: Branch,
}

/// What is there once a step is over.
pub enum Left<'a> {
    /// The rows of SQL.
    Rows,
    Document(&'static Document),
    Nothing,
    /// What each of these leaves.
    Each(&'a [Branch]),
    /// What one of these leaves.
    First(&'a [Branch]),
}

/// One of the things that `join!` and `race!` carry out at once.
pub enum Branch {
    Step(Step),
    /// `async { … }`
    Block(Block),
}

/// What `Ok(..)`, `break` and the branches of a `let` give.
pub struct Value {
    pub kind: ValueKind,
    pub syntax: Syntax,
}

pub enum ValueKind {
    /// `()`
    Unit,
    Place(Place),
    /// A literal, a constant, a variant without fields.
    Constant(Syntax),
    Struct {
        ty: Type,
        fields: Vec<(Ident, Value)>,
    },
    Tuple(Vec<Value>),
    Some(Box<Value>),
    None,
    /// `step.await?`, inside of `Ok(..)` only.
    Step(Box<Step>),
}

impl Step {
    pub fn left(&self) -> Left<'_> {
        match &self.kind {
            StepKind::Leaf(written) => match &written.leaf.leaves {
                Leaves::Rows => Left::Rows,
                Leaves::Document(document) => Left::Document(document),
                Leaves::Nothing => Left::Nothing,
            },
            StepKind::Join(branches) => Left::Each(branches),
            StepKind::Race(branches) => Left::First(branches),
            StepKind::Retry(retry) => Left::First(std::slice::from_ref(&retry.body)),
        }
    }

    /// What the step itself says its result is read as.
    pub fn returns(&self) -> Option<&Type> {
        match &self.kind {
            StepKind::Leaf(written) => written.returns.as_ref(),
            StepKind::Join(_) | StepKind::Race(_) | StepKind::Retry(_) => None,
        }
    }

    /// Whether it may be over without its result.
    pub fn missing(&self) -> Option<&'static Missing> {
        match &self.kind {
            StepKind::Leaf(written) => written.missing,
            StepKind::Join(_) | StepKind::Race(_) | StepKind::Retry(_) => None,
        }
    }

    fn modify(&mut self, call: &ExprMethodCall) -> syn::Result<()> {
        match &mut self.kind {
            StepKind::Leaf(written) => written.modify(call),
            StepKind::Join(_) | StepKind::Race(_) | StepKind::Retry(_) => {
                Err(error(&call.method, word::refusal(&call.method, word::NO_METHODS)))
            }
        }
    }
}

impl Value {
    pub fn span(&self) -> Span {
        self.syntax.span()
    }
}

impl Block {
    /// Reads a block, as much of it as can be understood.
    pub fn parse(block: &syn::Block, errors: &mut Errors) -> Self {
        let mut parsed =
            Self { stmts: Vec::new(), tail: None, end: block.brace_token.span.close(), is_whole: true };
        let count = block.stmts.len();
        for (nth, statement) in block.stmts.iter().enumerate() {
            match stmt(statement, errors) {
                Ok(Stmt::Expr(expr)) if nth + 1 == count && is_tail(statement) => {
                    parsed.tail = Some(Box::new(expr));
                }
                Ok(stmt) => parsed.stmts.push(stmt),
                Err(error) => {
                    parsed.is_whole = false;
                    errors.push(error);
                }
            }
        }
        parsed
    }
}

fn is_tail(statement: &Statement) -> bool {
    match statement {
        Statement::Expr(_, None) => true,
        Statement::Macro(statement) => statement.semi_token.is_none(),
        Statement::Expr(_, Some(_)) | Statement::Local(_) | Statement::Item(_) => false,
    }
}

fn stmt(statement: &Statement, errors: &mut Errors) -> syn::Result<Stmt> {
    match statement {
        Statement::Local(local) => let_stmt(local, errors).map(Stmt::Let),
        Statement::Expr(expr, _) => self::expr(expr, errors).map(Stmt::Expr),
        Statement::Macro(statement) => {
            let (attrs, mac) = (statement.attrs.clone(), statement.mac.clone());
            let is_arms = word::with_arms(&mac.path).is_some();
            match Syntax::Macro(ExprMacro { attrs, mac }) {
                expr if is_arms || is_end(&expr) => self::expr(&expr, errors).map(Stmt::Expr),
                other => refuse(&other),
            }
        }
        Statement::Item(item) => {
            Err(error(item, "a workflow has steps and no items: move this out of the function"))
        }
    }
}

fn let_stmt(local: &syn::Local, errors: &mut Errors) -> syn::Result<Let> {
    let (syntax, ty) = match &local.pat {
        Pat::Type(typed) => ((*typed.pat).clone(), Some((*typed.ty).clone())),
        other => (other.clone(), None),
    };
    let Some(init) = &local.init else {
        let message = "a name is bound once, with its value: write `let x: T = if … { a } else { b };`";
        return Err(error(local, message));
    };
    let otherwise = init.diverge.as_ref().map(|(_, block)| match &**block {
        Syntax::Block(block) => Ok(Block::parse(&block.block, errors)),
        other => Err(error(other, "`else` has a block")),
    });
    let value = expr(&init.expr, errors)?;
    let pattern = pattern(&syntax, otherwise.is_some())?;
    Ok(Let { pattern, syntax, ty, value, otherwise: otherwise.transpose()? })
}

fn pattern(pat: &Pat, may_fail: bool) -> syn::Result<Pattern> {
    match pat {
        Pat::Wild(_) => Ok(Pattern::Ignored),
        Pat::Ident(name) => {
            if let Some(token) = &name.mutability {
                return Err(error(token, "a result never changes: leave `mut` out and bind a new name"));
            }
            if let Some(token) = &name.by_ref {
                return Err(error(token, "a result is a name and nothing else: leave `ref` out"));
            }
            if let Some((at, _)) = &name.subpat {
                return Err(error(at, "bind a name and nothing else"));
            }
            Ok(Pattern::Name(name.ident.clone()))
        }
        Pat::Tuple(tuple) => {
            let names = tuple.elems.iter().map(|pat| match pattern(pat, false)? {
                Pattern::Tuple(_) => Err(error(
                    pat,
                    "take the result of a `join!` in a `join!` whole: its branches can be one `join!`",
                )),
                name => Ok(name),
            });
            Ok(Pattern::Tuple(names.collect::<syn::Result<_>>()?))
        }
        Pat::TupleStruct(_) if may_fail => some_pattern(pat).map(Pattern::Some),
        Pat::TupleStruct(_) => {
            Err(error(pat, "bind the result to a name, and look into it with `if let Some(x) = name`"))
        }
        Pat::Struct(_) => Err(error(pat, "bind the result to a name and capture its fields: `{name.field}`")),
        other => Err(error(other, "bind the result to a name: `let name: T = …`")),
    }
}

/// `Some(name)` or `Some(_)`
fn some_pattern(pat: &Pat) -> syn::Result<Option<Ident>> {
    let message = "the only pattern here is `Some(name)`: look further with another `if`";
    let Pat::TupleStruct(some) = pat else { return Err(error(pat, message)) };
    if !some.path.is_ident("Some") {
        return Err(error(pat, message));
    }
    match some.elems.first().map(|inner| pattern(inner, false)).transpose()? {
        Some(Pattern::Name(name)) => Ok(Some(name)),
        Some(Pattern::Ignored) => Ok(None),
        Some(Pattern::Tuple(_) | Pattern::Some(_)) | None => Err(error(pat, message)),
    }
}

fn expr(expr: &Syntax, errors: &mut Errors) -> syn::Result<Expr> {
    match expr {
        Syntax::Paren(inner) => self::expr(&inner.expr, errors),
        Syntax::Group(inner) => self::expr(&inner.expr, errors),
        Syntax::Try(tried) => match &*tried.expr {
            Syntax::Await(awaited) => step(&awaited.base, errors).map(Expr::Step),
            inner if is_end(inner) => Err(error(tried.question_token, END_ALONE)),
            _ => match is_step(&tried.expr) {
                true => Err(error(tried.question_token, "a step is awaited first: write `.await?`")),
                false => Err(error(tried.question_token, "`?` belongs to a step: `sql!(\"…\").await?`")),
            },
        },
        Syntax::Await(awaited) => step(&awaited.base, errors).map(Expr::Outcome),
        Syntax::If(branch) => if_expr(branch, errors).map(|branch| Expr::If(Box::new(branch))),
        Syntax::Macro(call) if word::with_arms(&call.mac.path).is_some() => {
            select(&call.mac, errors).map(Expr::Select)
        }
        Syntax::Match(choose) if catch::is_catch(choose) => {
            Catch::parse(choose, errors).map(|catch| Expr::Catch(Box::new(catch)))
        }
        Syntax::While(repeat) => {
            refuse_label(&repeat.label)?;
            Ok(Expr::While {
                condition: condition(&repeat.cond, false, errors)?,
                body: Block::parse(&repeat.body, errors),
                span: repeat.while_token.span,
            })
        }
        Syntax::Loop(repeat) => {
            refuse_label(&repeat.label)?;
            Ok(Expr::Loop { body: Block::parse(&repeat.body, errors), span: repeat.loop_token.span })
        }
        Syntax::Break(leave) => {
            if let Some(label) = &leave.label {
                return Err(error(label, "`break` leaves the nearest loop: leave the label out"));
            }
            let value = leave.expr.as_ref().map(|value| self::expr(value, errors)).transpose()?;
            Ok(Expr::Break { value: value.map(Box::new), span: leave.break_token.span })
        }
        Syntax::Continue(next) => match &next.label {
            Some(label) => Err(error(label, "`continue` means the nearest loop: leave the label out")),
            None => Ok(Expr::Continue(next.continue_token.span)),
        },
        Syntax::Return(leave) => {
            let message = "a workflow returns a `Result`: write `return Ok(..)`";
            let Some(value) = &leave.expr else { return Err(error(leave, message)) };
            if is_end(value) {
                return Err(error(leave.return_token, END_ALONE));
            }
            match self::expr(value, errors)? {
                value @ (Expr::Ok(_) | Expr::Outcome(_)) => {
                    Ok(Expr::Return { value: Box::new(value), span: leave.return_token.span })
                }
                _ => Err(error(value, message)),
            }
        }
        Syntax::Call(call) if is_call(call, "Ok") => {
            let value = only_argument(call)?;
            let is_step = matches!(value, Syntax::Try(_));
            Ok(Expr::Ok(if is_step { step_value(value, errors)? } else { self::value(value)? }))
        }
        Syntax::Call(call) if is_call(call, "Err") => {
            let message = "a workflow fails by `fail!(\"…\")`; a failure that is only handed on is not caught, so write `.await?` without \
                 a `match`";
            Err(error(call, message))
        }
        other if is_end(other) => end(other).map(Expr::Fail),
        other => value(other).map(Expr::Value),
    }
}

fn step_value(syntax: &Syntax, errors: &mut Errors) -> syn::Result<Value> {
    match expr(syntax, errors)? {
        Expr::Step(step) => Ok(Value { kind: ValueKind::Step(Box::new(step)), syntax: syntax.clone() }),
        _ => refuse(syntax),
    }
}

fn if_expr(branch: &syn::ExprIf, errors: &mut Errors) -> syn::Result<If> {
    let condition = condition(&branch.cond, false, errors);
    let then = Block::parse(&branch.then_branch, errors);
    let otherwise = match &branch.else_branch {
        None => None,
        Some((_, otherwise)) => Some(match &**otherwise {
            Syntax::If(branch) => Else::If(Box::new(if_expr(branch, errors)?)),
            Syntax::Block(block) => Else::Block(Block::parse(&block.block, errors)),
            other => return refuse(other),
        }),
    };
    Ok(If { condition: condition?, then, otherwise, span: branch.if_token.span })
}

fn select(call: &syn::Macro, errors: &mut Errors) -> syn::Result<Select> {
    let arms = arms::arms(call.tokens.clone())?;
    if arms.len() < 2 {
        return Err(error(
            &call.path,
            "with a single event there is nothing to choose: await it as it is, and write what follows behind it",
        ));
    }
    let arms = arms.iter().map(|arm| self::arm(arm, errors)).collect::<syn::Result<_>>()?;
    Ok(Select { arms, span: call.path.span() })
}

fn arm(arm: &arms::Arm, errors: &mut Errors) -> syn::Result<Arm> {
    let arms::Arm { pattern: syntax, ty, event, handler } = arm;
    let pattern = match pattern(syntax, false)? {
        Pattern::Tuple(_) | Pattern::Some(_) => {
            return Err(error(syntax, "an event has one result: bind it to a name, or to `_`"));
        }
        pattern @ (Pattern::Name(_) | Pattern::Ignored) => pattern,
    };
    let event = self::event(event, errors)?;
    let handler = Block::parse(handler, errors);
    Ok(Arm { pattern, syntax: syntax.clone(), ty: ty.clone(), event, handler })
}

/// What an arm of `select!` waits for.
fn event(expr: &Syntax, errors: &mut Errors) -> syn::Result<Step> {
    let refused = |expr: &Syntax| {
        let message =
            format!("an event is a wait: {}; steps belong into the handler, `=> {{ … }}`", word::waits());
        Err(error(expr, message))
    };
    match expr {
        Syntax::Await(awaited) if is_step(&awaited.base) => {
            Err(error(awaited.await_token, "the events are awaited together: leave `.await` out"))
        }
        Syntax::Try(tried) => match &*tried.expr {
            Syntax::Await(awaited) if is_step(&awaited.base) => {
                Err(error(awaited.await_token, "the events are awaited together: leave `.await?` out"))
            }
            _ => refused(expr),
        },
        other if is_step(other) => {
            let step = step(other, errors)?;
            match step.left() {
                Left::Document(_) | Left::Nothing => Ok(step),
                Left::Rows | Left::Each(_) | Left::First(_) => refused(expr),
            }
        }
        other => refused(other),
    }
}

fn condition(expr: &Syntax, negated: bool, errors: &mut Errors) -> syn::Result<Condition> {
    const WRITE: &str = "write it in SQL: `sql!(\"SELECT {a} > {b}\").await?`";
    match expr {
        Syntax::Paren(inner) => condition(&inner.expr, negated, errors),
        Syntax::Group(inner) => condition(&inner.expr, negated, errors),
        Syntax::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => condition(&unary.expr, !negated, errors),
        Syntax::Let(_) if negated => Err(error(expr, "`let` cannot be negated: use `else`")),
        Syntax::Let(look) => {
            let name = some_pattern(&look.pat)?;
            let source = match &*look.expr {
                Syntax::Try(_) => match self::expr(&look.expr, errors)? {
                    Expr::Step(step) => Source::Step(step),
                    _ => return refuse(&look.expr),
                },
                other => {
                    let place = borrowed_place(other).ok_or_else(|| {
                        error(
                            other,
                            "`if let` looks into a captured name or field, or into a step that is awaited",
                        )
                    })?;
                    Source::Place { place, syntax: other.clone() }
                }
            };
            Ok(Condition::Some { name, source, pattern: (*look.pat).clone() })
        }
        Syntax::Try(_) => match self::expr(expr, errors)? {
            Expr::Step(step) if matches!(step.left(), Left::Rows) => Ok(Condition::Step { step, negated }),
            _ => Err(error(expr, "only SQL is a condition: bind this to a name first, and ask for the name")),
        },
        Syntax::Await(awaited) if is_step(&awaited.base) => {
            Err(error(awaited.await_token, "a condition is a value: write `.await?`"))
        }
        Syntax::Binary(binary) => match binary.op {
            syn::BinOp::And(_) | syn::BinOp::Or(_) => Err(error(
                binary.op,
                "a graph asks one condition at a time: combine them in SQL, `sql!(\"SELECT {a} AND {b}\").await?`",
            )),
            _ => Err(error(binary.op, format!("nothing is computed here; {WRITE}"))),
        },
        Syntax::Lit(ExprLit { lit: Lit::Bool(literal), .. }) => {
            let message = match literal.value {
                true => "this is always true: write `loop { … }`, or leave the `if` out",
                false => "this is never true: leave it out",
            };
            Err(error(literal, message))
        }
        other => match Place::of(other) {
            Some(place) => Ok(Condition::Place { place, negated, syntax: other.clone() }),
            None if is_step(other) => refuse(other),
            None => Err(error(other, format!("a condition is a step or a captured boolean; {WRITE}"))),
        },
    }
}

/// A place, or `&place`, `place.as_ref()`, `place.clone()`.
fn borrowed_place(expr: &Syntax) -> Option<Place> {
    match expr {
        Syntax::Reference(reference) if reference.mutability.is_none() => borrowed_place(&reference.expr),
        Syntax::MethodCall(call)
            if (call.method == "as_ref" || call.method == "clone") && call.args.is_empty() =>
        {
            borrowed_place(&call.receiver)
        }
        other => Place::of(other),
    }
}

/// Whether it is one of ours, only not awaited yet.
fn is_step(expr: &Syntax) -> bool {
    match expr {
        Syntax::Macro(call) => word::of_macro(&call.mac.path).is_some(),
        Syntax::Call(call) => word::of_function(&call.func).is_some(),
        Syntax::MethodCall(call) => is_step(&call.receiver),
        Syntax::Paren(inner) => is_step(&inner.expr),
        Syntax::Group(inner) => is_step(&inner.expr),
        _ => false,
    }
}

/// What is said of an `.await` behind `fail!(..)`, and of a `return` before it.
const END_ALONE: &str = "`fail!(..)` ends this way by itself, as `return` does: write it alone, without `return`, `.await` and `?`";

/// Whether it is one of those behind which nothing comes.
fn is_end(expr: &Syntax) -> bool {
    match expr {
        Syntax::Macro(call) => word::that_ends(&call.mac.path).is_some(),
        Syntax::MethodCall(call) => is_end(&call.receiver),
        Syntax::Paren(inner) => is_end(&inner.expr),
        Syntax::Group(inner) => is_end(&inner.expr),
        _ => false,
    }
}

fn end(expr: &Syntax) -> syn::Result<Step> {
    let span = expr.span();
    match expr {
        Syntax::Paren(inner) => end(&inner.expr),
        Syntax::Group(inner) => end(&inner.expr),
        Syntax::Macro(call) if let Some((word, text)) = word::that_ends(&call.mac.path) => {
            Ok(Step { word, kind: StepKind::Leaf(Written::text(text, &call.mac.tokens)?), span })
        }
        Syntax::MethodCall(call) => {
            let mut step = end(&call.receiver)?;
            step.modify(call)?;
            step.span = span;
            Ok(step)
        }
        other => refuse(other),
    }
}

fn step(expr: &Syntax, errors: &mut Errors) -> syn::Result<Step> {
    let span = expr.span();
    match expr {
        _ if is_end(expr) => Err(error(expr, END_ALONE)),
        Syntax::Paren(inner) => step(&inner.expr, errors),
        Syntax::Group(inner) => step(&inner.expr, errors),
        Syntax::Macro(call) if let Some((word, form)) = word::of_macro(&call.mac.path) => {
            let kind = match form {
                Macro::Text(text) => StepKind::Leaf(Written::text(text, &call.mac.tokens)?),
                Macro::Branches(Together::All) => StepKind::Join(branches(&call.mac, errors)?),
                Macro::Branches(Together::First) => StepKind::Race(branches(&call.mac, errors)?),
                Macro::Again => again(&call.mac, errors)?,
            };
            Ok(Step { word, kind, span })
        }
        Syntax::Call(call) if let Some((word, function)) = word::of_function(&call.func) => {
            Ok(Step { word, kind: StepKind::Leaf(Written::call(function, call)?), span })
        }
        Syntax::MethodCall(call) if is_step(&call.receiver) => {
            let mut step = step(&call.receiver, errors)?;
            step.modify(call)?;
            step.span = span;
            Ok(step)
        }
        Syntax::Async(_) => Err(error(expr, async_alone())),
        Syntax::Macro(call) if word::with_arms(&call.mac.path).is_some() => {
            Err(error(&call.mac.path, "the arms of this are awaited already: leave `.await` out"))
        }
        Syntax::Call(call) => Err(error(
            &call.func,
            format!(
                "only steps are awaited: {}; call a function of the database with sql!(\"SELECT f({{x}})\")",
                word::all()
            ),
        )),
        other => Err(error(other, format!("only steps are awaited: {}", word::all()))),
    }
}

fn branches(call: &syn::Macro, errors: &mut Errors) -> syn::Result<Vec<Branch>> {
    let parser = syn::punctuated::Punctuated::<Syntax, syn::Token![,]>::parse_terminated;
    let list = call.parse_body_with(parser)?;
    if list.len() < 2 {
        return Err(error(
            &call.path,
            "with a single branch there is nothing to wait for: await it as it is",
        ));
    }
    list.iter().map(|expr| branch(expr, errors)).collect()
}

/// `retry!(policy, async { … })`
fn again(call: &syn::Macro, errors: &mut Errors) -> syn::Result<StepKind> {
    const MESSAGE: &str =
        "this takes a policy and what is tried: `retry!(Retry::new().attempts(5), async { … })`";
    let parser = syn::punctuated::Punctuated::<Syntax, syn::Token![,]>::parse_terminated;
    let list = call.parse_body_with(parser)?;
    let (policy, body) = match (list.len(), list.first(), list.last()) {
        (2, Some(policy), Some(body)) => (policy.clone(), body),
        _ => return Err(error(&call.path, MESSAGE)),
    };
    match body {
        Syntax::Async(_) => {
            let body = branch(body, errors)?;
            Ok(StepKind::Retry(Box::new(Retry { policy, body })))
        }
        other => Err(error(
            other,
            "what is tried again is a block: `async { ….await }`; a step has `.retry(policy)`",
        )),
    }
}

fn branch(expr: &Syntax, errors: &mut Errors) -> syn::Result<Branch> {
    match expr {
        Syntax::Async(block) => match &block.capture {
            Some(token) => Err(error(token, "nothing moves into a branch: write `async { … }`")),
            None => Ok(Branch::Block(Block::parse(&block.block, errors))),
        },
        Syntax::Try(tried) => {
            Err(error(tried.question_token, "the branches are awaited together: `join!(a, b).await?`"))
        }
        Syntax::Await(awaited) => {
            Err(error(awaited.await_token, "the branches are awaited together: `join!(a, b).await?`"))
        }
        other if is_step(other) => step(other, errors).map(Branch::Step),
        other if is_end(other) => {
            Err(error(other, "a branch has something to do before it fails: write `async { …; fail!(..) }`"))
        }
        other => Err(error(
            other,
            "a branch is a step or a block of steps: `sql!(..)`, `signal(..)`, `async { … }`",
        )),
    }
}

fn value(expr: &Syntax) -> syn::Result<Value> {
    let of = |kind| Ok(Value { kind, syntax: expr.clone() });
    match expr {
        Syntax::Paren(inner) => value(&inner.expr),
        Syntax::Group(inner) => value(&inner.expr),
        Syntax::Tuple(tuple) if tuple.elems.is_empty() => of(ValueKind::Unit),
        Syntax::Tuple(tuple) => {
            of(ValueKind::Tuple(tuple.elems.iter().map(value).collect::<syn::Result<_>>()?))
        }
        Syntax::Struct(literal) => {
            if let Some(rest) = &literal.rest {
                return Err(error(rest, "name every field: `..` would have to run here"));
            }
            let fields = literal.fields.iter().map(|field| match &field.member {
                syn::Member::Named(name) => Ok((name.clone(), value(&field.expr)?)),
                syn::Member::Unnamed(index) => Err(error(index, "the fields of a result have names")),
            });
            let path = &literal.path;
            of(ValueKind::Struct {
                ty: syn::parse_quote!(#path),
                fields: fields.collect::<syn::Result<_>>()?,
            })
        }
        Syntax::Call(call) if is_call(call, "Some") => {
            of(ValueKind::Some(Box::new(value(only_argument(call)?)?)))
        }
        Syntax::Call(call) if is_text(call) => of(ValueKind::Constant(only_argument(call)?.clone())),
        Syntax::Path(path) if path.path.is_ident("None") => of(ValueKind::None),
        Syntax::Lit(_) => of(ValueKind::Constant(expr.clone())),
        Syntax::Unary(unary) if matches!((&unary.op, &*unary.expr), (UnOp::Neg(_), Syntax::Lit(_))) => {
            of(ValueKind::Constant(expr.clone()))
        }
        Syntax::MethodCall(call) if call.args.is_empty() && call.method == "clone" => {
            let mut inner = value(&call.receiver)?;
            inner.syntax = expr.clone();
            Ok(inner)
        }
        Syntax::MethodCall(call)
            if call.args.is_empty()
                && matches!(&*call.receiver, Syntax::Lit(_))
                && ["into", "to_owned", "to_string"].iter().any(|name| call.method == name) =>
        {
            of(ValueKind::Constant((*call.receiver).clone()))
        }
        other => match (Place::of(other), other) {
            (Some(place), _) => of(ValueKind::Place(place)),
            (None, Syntax::Path(path)) if path.qself.is_none() => of(ValueKind::Constant(expr.clone())),
            (None, _) => refuse(other),
        },
    }
}

/// `String::from("…")`
fn is_text(call: &ExprCall) -> bool {
    let Syntax::Path(path) = &*call.func else { return false };
    let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    names == ["String", "from"] && matches!(call.args.first(), Some(Syntax::Lit(_)))
}

fn refuse_label(label: &Option<syn::Label>) -> syn::Result<()> {
    match label {
        Some(label) => Err(error(label, "loops have no labels: `break` and `continue` mean the nearest one")),
        None => Ok(()),
    }
}
