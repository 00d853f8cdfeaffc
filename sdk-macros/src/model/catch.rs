//! `match body.await { Ok(value) => …, Err(error) => … }`: what is carried out where something has failed.

use super::{Block, Branch, Expr, Pattern, ValueKind, branch, is_step, pattern, refuse};
use crate::{arms, errors::Errors, sql::unraw, syntax::error};
use proc_macro2::Span;
use syn::{Arm, Expr as Syntax, Pat};

pub struct Catch {
    /// What may fail.
    pub body: Branch,
    pub ok: Arrival,
    pub err: Arrival,
    pub span: Span,
}

/// An arm: what it binds, and what it does.
pub struct Arrival {
    pub pattern: Pattern,
    pub syntax: Pat,
    pub block: Block,
}

/// What is said of anything that tells one failure from another before the handler.
const ASK_INSIDE: &str = "an `Err` takes every failure, with a name or `_`: ask which it is in the handler, \
     `Err(error) => { if sql!(\"SELECT {error.sqlstate} = '23505'\").await? { … } else { … } }`";

const TWO_ARMS: &str = "a `match` on what may fail has two arms: `Ok(value) => …` and `Err(error) => …`";

/// Whether this is a `match` on something that is awaited.
pub fn is_catch(choose: &syn::ExprMatch) -> bool {
    match &*choose.expr {
        Syntax::Await(awaited) => matches!(&*awaited.base, Syntax::Async(_)) || is_step(&awaited.base),
        _ => false,
    }
}

/// What is said of other matches with arms for `Ok` and `Err`.
pub fn misread(choose: &syn::ExprMatch) -> Option<syn::Error> {
    let is_result = |arm: &Arm| match &arm.pat {
        Pat::TupleStruct(of) => of.path.is_ident("Ok") || of.path.is_ident("Err"),
        _ => false,
    };
    if !choose.arms.iter().any(is_result) {
        return None;
    }
    match &*choose.expr {
        Syntax::Try(tried) => {
            let message = "with `?` the failure is handed on before the `match` sees it: leave the `?` out";
            Some(error(tried.question_token, message))
        }
        other if matches!(other, Syntax::Async(_)) || is_step(other) => {
            Some(error(choose.match_token, "what may fail is awaited: `match async { … }.await { … }`"))
        }
        _ => None,
    }
}

impl Catch {
    pub fn parse(choose: &syn::ExprMatch, errors: &mut Errors) -> syn::Result<Self> {
        let Syntax::Await(awaited) = &*choose.expr else { return refuse(&choose.expr) };
        let body = branch(&awaited.base, errors)?;
        let (mut ok, mut err) = (None, None);
        for arm in &choose.arms {
            let (place, inner) = match &arm.pat {
                Pat::TupleStruct(of) if of.path.is_ident("Ok") && of.elems.len() == 1 => {
                    (&mut ok, &of.elems[0])
                }
                Pat::TupleStruct(of) if of.path.is_ident("Err") && of.elems.len() == 1 => {
                    (&mut err, &of.elems[0])
                }
                Pat::Guard(guarded) => return Err(error(guarded.if_token, ASK_INSIDE)),
                other => return Err(error(other, TWO_ARMS)),
            };
            if place.is_some() {
                return Err(error(&arm.pat, TWO_ARMS));
            }
            *place = Some((inner, arm));
        }
        let (Some((value, of_value)), Some((failure, of_failure))) = (ok, err) else {
            return Err(error(choose.match_token, TWO_ARMS));
        };
        let only_a_name = |at: &Pat| {
            error(at, "the value is one name or `_`: bind it, and look into it behind the `match`")
        };
        let ok = match pattern(value, false).map_err(|_| only_a_name(value))? {
            Pattern::Tuple(names) if !names.is_empty() => return Err(only_a_name(value)),
            Pattern::Some(_) => return Err(only_a_name(value)),
            plain @ (Pattern::Name(_) | Pattern::Ignored | Pattern::Tuple(_)) => {
                arrival(plain, value, of_value, errors)
            }
        };
        let err = match pattern(failure, false).map_err(|_| error(failure, ASK_INSIDE))? {
            Pattern::Tuple(_) | Pattern::Some(_) => return Err(error(failure, ASK_INSIDE)),
            plain @ (Pattern::Name(_) | Pattern::Ignored) => arrival(plain, failure, of_failure, errors),
        };
        Ok(Self { body, ok, err, span: choose.match_token.span })
    }

    /// Whether the first arm does nothing but give the value on.
    pub fn hands_on(&self) -> bool {
        let Block { stmts, tail, is_whole, .. } = &self.ok.block;
        if !stmts.is_empty() || !is_whole {
            return false;
        }
        let Some(Expr::Value(value) | Expr::Ok(value)) = tail.as_deref() else { return tail.is_none() };
        match (&value.kind, &self.ok.pattern) {
            (ValueKind::Unit, _) => true,
            (ValueKind::Place(place), Pattern::Name(name)) => {
                place.fields.is_empty() && unraw(&place.root) == unraw(name)
            }
            _ => false,
        }
    }

    /// Whether it gives no value on.
    pub fn is_empty(&self) -> bool {
        match self.ok.block.tail.as_deref() {
            None => true,
            Some(Expr::Value(value) | Expr::Ok(value)) => matches!(value.kind, ValueKind::Unit),
            Some(_) => false,
        }
    }
}

fn arrival(pattern: Pattern, syntax: &Pat, arm: &Arm, errors: &mut Errors) -> Arrival {
    let block = match &*arm.body {
        Syntax::Block(block) if block.label.is_none() && block.attrs.is_empty() => {
            Block::parse(&block.block, errors)
        }
        other => Block::parse(&arms::block_of(other.clone()), errors),
    };
    Arrival { pattern, syntax: syntax.clone(), block }
}
