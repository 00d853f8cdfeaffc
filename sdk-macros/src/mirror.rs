//! Prints the body as Rust that never runs: what it says about types, the compiler checks on the tokens that
//! the user wrote. What is captured in SQL is checked where the graph is built.

use crate::{
    model::{
        Arm, Arrival, Block, Branch, Catch, Condition, Else, Expr, If, Left, Let, Pattern, Select, Source,
        Step, StepKind, Stmt, Value, ValueKind,
    },
    signature::{Signature, argument_of},
};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned as _};

/// Prints the function, and the names that are bound and not used: the compiler warns of them as of any.
pub fn mirror(signature: &Signature, body: &Block, unused: &[Ident]) -> TokenStream {
    let output = &signature.output;
    let input = signature.input.as_ref().map(|input| {
        let (ident, ty) = (&input.ident, &input.ty);
        quote!(#ident: #ty)
    });
    let run = match &signature.input {
        Some(input) if input.ident == "run" => None,
        Some(_) | None => Some(quote!(let run = ::pg_durable_sdk::run();)),
    };
    let body = block(body);
    // In the body itself captures are no uses.
    let warned = (!unused.is_empty()).then(|| {
        quote! {
            #[allow(dead_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
            fn __unused() {
                #(let #unused: u8 = 0;)*
            }
        }
    });
    quote! {
        // All of `unused` but code that cannot be reached, of which the compiler warns as in any function.
        #[allow(
            dead_code, path_statements, redundant_semicolons, unreachable_patterns, unused_assignments, unused_braces,
            unused_imports, unused_labels, unused_must_use, unused_mut, unused_parens, unused_variables,
            clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction
        )]
        fn __body(#input) -> ::pg_durable_sdk::__private::BodyResult<#output> {
            #run
            #body
        }
        #warned
    }
}

fn block(block: &Block) -> TokenStream {
    let stmts = block.stmts.iter().map(|stmt| match stmt {
        Stmt::Let(binding) => let_stmt(binding),
        Stmt::Expr(Expr::Step(step)) => {
            let (span, step) = (step.span, unbound(step));
            quote_spanned!(span=> #step;)
        }
        // Without a semicolon they have to be `()`, as where they were written.
        Stmt::Expr(
            expr @ (Expr::If(_) | Expr::Select(_) | Expr::Catch(_) | Expr::While { .. } | Expr::Loop { .. }),
        ) => self::expr(expr, None),
        Stmt::Expr(expr) => {
            let expr = self::expr(expr, None);
            quote!(#expr;)
        }
    });
    let tail = block.tail.as_ref().map(|tail| expr(tail, None));
    quote!(#(#stmts)* #tail)
}

fn let_stmt(binding: &Let) -> TokenStream {
    let Let { syntax, ty, value, otherwise, pattern } = binding;
    let value = match (value, pattern) {
        (Expr::Step(step), Pattern::Ignored) => unbound(step),
        (Expr::Step(step), _) if otherwise.is_some() => looked_into(step),
        (Expr::Step(step), _) => self::step(step, ty.as_ref()),
        (value, _) => expr(value, ty.as_ref()),
    };
    let ty = ty.as_ref().map(|ty| quote!(: #ty));
    match otherwise {
        Some(otherwise) => {
            let otherwise = block(otherwise);
            quote_spanned!(syntax.span()=> let #syntax #ty = #value else { #otherwise };)
        }
        None => quote_spanned!(syntax.span()=> let #syntax #ty = #value;),
    }
}

fn expr(expr: &Expr, ty: Option<&Type>) -> TokenStream {
    match expr {
        Expr::Step(step) => match ty {
            Some(_) => self::step(step, ty),
            None => inferred(step),
        },
        Expr::Outcome(step) => {
            let step = inferred(step);
            quote!(::core::result::Result::Ok(#step))
        }
        Expr::Ok(value) => match &value.kind {
            ValueKind::Step(step) => {
                let step = inferred(step);
                quote!(::core::result::Result::Ok(#step))
            }
            _ => {
                let value = &value.syntax;
                quote_spanned!(value.span()=> ::core::result::Result::Ok(#value))
            }
        },
        Expr::Value(Value { syntax, .. }) => quote!(#syntax),
        Expr::If(branch) => if_expr(branch),
        Expr::Select(select) => select_expr(select),
        Expr::Catch(catch) => catch_expr(catch, ty),
        Expr::While { condition, body, span } => {
            let (condition, body) = (self::condition(condition), block(body));
            quote_spanned!(*span=> while #condition { #body })
        }
        Expr::Loop { body, span } => {
            let body = block(body);
            quote_spanned!(*span=> loop { #body })
        }
        Expr::Break { value, span } => {
            let value = value.as_ref().map(|value| self::expr(value, None));
            quote_spanned!(*span=> break #value)
        }
        Expr::Continue(span) => quote_spanned!(*span=> continue),
        Expr::Return { value, span } => {
            let value = self::expr(value, None);
            quote_spanned!(*span=> return #value)
        }
        Expr::Fail(step) => quote_spanned!(step.span=> ::pg_durable_sdk::__private::failed()),
    }
}

fn if_expr(branch: &If) -> TokenStream {
    let (condition, then) = (condition(&branch.condition), block(&branch.then));
    let otherwise = branch.otherwise.as_ref().map(|otherwise| match otherwise {
        Else::Block(otherwise) => {
            let otherwise = block(otherwise);
            quote!(else { #otherwise })
        }
        Else::If(next) => {
            let next = if_expr(next);
            quote!(else #next)
        }
    });
    quote_spanned!(branch.span=> if #condition { #then } #otherwise)
}

/// One of the handlers, each behind what its event leaves.
fn select_expr(select: &Select) -> TokenStream {
    let arms = select.arms.iter().enumerate().map(|(nth, arm)| {
        let Arm { pattern, syntax, ty, event, handler } = arm;
        let event = match pattern {
            Pattern::Ignored => unbound(event),
            Pattern::Name(_) | Pattern::Tuple(_) | Pattern::Some(_) => step(event, ty.as_ref()),
        };
        let (ty, handler) = (ty.as_ref().map(|ty| quote!(: #ty)), block(handler));
        let number = if nth + 1 == select.arms.len() { quote!(_) } else { quote!(#nth) };
        quote!(#number => { let #syntax #ty = #event; #handler })
    });
    quote_spanned!(select.span=> match ::pg_durable_sdk::__private::chosen() { #(#arms)* })
}

/// A match on the result of the body; `ty` is that of the value, where the arm gives it on.
fn catch_expr(catch: &Catch, ty: Option<&Type>) -> TokenStream {
    let ty = ty.filter(|_| catch.hands_on());
    let is_ignored = matches!(catch.ok.pattern, Pattern::Ignored);
    let body = match &catch.body {
        Branch::Block(inner) => {
            let ty = ty.cloned().or_else(|| if is_ignored { untyped(inner) } else { None });
            let ty = ty.map_or_else(|| quote!(_), |ty| quote!(#ty));
            let inner = block(inner);
            quote!(|| -> ::pg_durable_sdk::__private::BodyResult<#ty> { #inner })
        }
        Branch::Step(tried) => {
            let tried = match ty {
                _ if is_ignored => unbound(tried),
                Some(_) => step(tried, ty),
                None => inferred(tried),
            };
            quote!(|| ::core::result::Result::Ok(#tried))
        }
    };
    let [ok, err] = [&catch.ok, &catch.err].map(|Arrival { syntax, block, .. }| (syntax, self::block(block)));
    let ((value, ok), (error, err)) = (ok, err);
    quote_spanned! {catch.span=>
        match ::pg_durable_sdk::__private::caught(#body) {
            ::core::result::Result::Ok(#value) => { #ok }
            ::core::result::Result::Err(#error) => { #err }
        }
    }
}

fn condition(condition: &Condition) -> TokenStream {
    match condition {
        Condition::Step { step: asked, .. } => step(asked, Some(&syn::parse_quote!(bool))),
        Condition::Place { syntax, .. } => quote!(#syntax),
        Condition::Some { source, pattern, .. } => {
            let source = match source {
                Source::Step(looked_at) => looked_into(looked_at),
                Source::Place { syntax, .. } => quote!(#syntax),
            };
            quote!(let #pattern = #source)
        }
    }
}

/// The `Option` that `if let Some(x) = step` looks into.
fn looked_into(looked_at: &Step) -> TokenStream {
    let ty: Type = match (looked_at.left(), looked_at.returns()) {
        (Left::Document(_), Some(ty)) if argument_of(ty, "Option").is_none() => {
            syn::parse_quote!(::core::option::Option<#ty>)
        }
        (Left::Rows | Left::Document(_), Some(ty)) => ty.clone(),
        (Left::Rows | Left::Document(_), None) | (Left::Nothing | Left::Each(_) | Left::First(_), _) => {
            syn::parse_quote!(::core::option::Option<::pg_durable_sdk::Output>)
        }
    };
    result(&ty, looked_at)
}

/// What a step leaves, as `ty` where that is said outside of it.
fn step(step: &Step, ty: Option<&Type>) -> TokenStream {
    match step.left() {
        Left::Rows | Left::Document(_) => match (step.returns(), ty, step.missing()) {
            (Some(own), _, Some(_)) => result(&syn::parse_quote!(::core::option::Option<#own>), step),
            (Some(ty), _, None) | (None, Some(ty), _) => result(ty, step),
            (None, None, _) => result(&syn::parse_quote!(::pg_durable_sdk::Output), step),
        },
        Left::Nothing => quote_spanned!(step.span=> ()),
        Left::Each(branches) => {
            let types: Vec<Option<&Type>> = match ty {
                Some(Type::Tuple(tuple)) if tuple.elems.len() == branches.len() => {
                    tuple.elems.iter().map(Some).collect()
                }
                _ => vec![None; branches.len()],
            };
            let branches = branches.iter().zip(types).map(|(branch, ty)| self::branch(branch, ty));
            quote!((#(#branches),*))
        }
        Left::First(branches) => {
            let branches = branches.iter().map(|branch| self::branch(branch, ty));
            quote!(::pg_durable_sdk::__private::first_of([#(#branches),*]))
        }
    }
}

fn result(ty: &Type, step: &Step) -> TokenStream {
    quote_spanned!(step.span=> ::pg_durable_sdk::__private::result::<#ty>())
}

/// What a step leaves, of a type that its place decides.
fn inferred(step: &Step) -> TokenStream {
    match step.left() {
        Left::Rows | Left::Document(_) if step.returns().is_none() && step.missing().is_none() => {
            quote_spanned!(step.span=> ::pg_durable_sdk::__private::result())
        }
        Left::Rows | Left::Document(_) | Left::Nothing | Left::Each(_) => self::step(step, None),
        Left::First(_) => match step.kind {
            StepKind::Retry(_) => self::step(step, None),
            StepKind::Leaf(_) | StepKind::Join(_) | StepKind::Race(_) => unbound(step),
        },
    }
}

/// A step whose result nobody takes; what its branches say is still looked at.
fn unbound(step: &Step) -> TokenStream {
    match step.left() {
        Left::Each(branches) | Left::First(branches) => {
            let branches = branches.iter().map(|branch| {
                let ty = match branch {
                    Branch::Block(inner) => untyped(inner),
                    Branch::Step(_) => None,
                };
                let branch = self::branch(branch, ty.as_ref());
                quote!(let _ = #branch;)
            });
            quote!({ #(#branches)* })
        }
        Left::Rows | Left::Document(_) | Left::Nothing => self::step(step, None),
    }
}

/// The type of the value of a block that nobody takes, where nothing in the block says it.
fn untyped(inner: &Block) -> Option<Type> {
    if inner.ends() {
        return Some(syn::parse_quote!(()));
    }
    let of_step = |step: &Step| {
        let is_open = step.returns().is_none() && matches!(step.left(), Left::Rows);
        is_open.then(|| syn::parse_quote!(::pg_durable_sdk::Output))
    };
    match inner.tail.as_deref()? {
        Expr::Outcome(step) => of_step(step),
        Expr::Ok(Value { kind: ValueKind::Step(step), .. }) => of_step(step),
        Expr::If(branch) => untyped(&branch.then),
        Expr::Select(select) => select.arms.iter().find_map(|arm| untyped(&arm.handler)),
        Expr::Catch(catch) => untyped(&catch.err.block),
        Expr::Step(_)
        | Expr::Ok(_)
        | Expr::Value(_)
        | Expr::While { .. }
        | Expr::Loop { .. }
        | Expr::Break { .. }
        | Expr::Continue(_)
        | Expr::Return { .. }
        | Expr::Fail(_) => None,
    }
}

fn branch(branch: &Branch, ty: Option<&Type>) -> TokenStream {
    match branch {
        Branch::Step(step) => self::step(step, ty),
        Branch::Block(inner) => {
            let inner = block(inner);
            let ty = ty.map_or_else(|| quote!(_), |ty| quote!(#ty));
            quote! {
                ::pg_durable_sdk::__private::block(|| -> ::pg_durable_sdk::__private::BodyResult<#ty> { #inner })
            }
        }
    }
}
