//! Words that are told from syntax, and errors that are told on it.

use quote::ToTokens;
use syn::{Expr, ExprCall};

pub fn error(token: impl ToTokens, message: impl std::fmt::Display) -> syn::Error {
    syn::Error::new_spanned(token, message)
}

pub fn only_argument(call: &ExprCall) -> syn::Result<&Expr> {
    match (call.args.len(), call.args.first()) {
        (1, Some(argument)) => Ok(argument),
        _ => Err(error(call, format!("`{}` takes one argument", call.func.to_token_stream()))),
    }
}

pub fn is_call(call: &ExprCall, name: &str) -> bool {
    matches!(&*call.func, Expr::Path(path) if is_path(&path.path, name))
}

/// Our words need no import, and may have one.
pub fn is_path(path: &syn::Path, name: &str) -> bool {
    let mut segments = path.segments.iter().rev();
    segments.next().is_some_and(|last| last.ident == name)
        && segments.next().is_none_or(|module| module.ident == "pg_durable_sdk")
}
