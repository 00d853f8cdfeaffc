//! What is known when the workflow is built.

use crate::syntax::error;
use syn::{Expr, ExprLit, Lit, LitStr};

/// What is known when the workflow is built, and is Rust of the builder as it was written.
#[derive(Clone)]
pub enum Fixed {
    Constant(Expr),
    /// May use the words for lengths of time.
    Duration(Expr),
    /// May use these and the builder's `Retry`.
    Policy(Expr),
}

impl Fixed {
    pub fn expr(&self) -> &Expr {
        match self {
            Fixed::Constant(expr) | Fixed::Duration(expr) | Fixed::Policy(expr) => expr,
        }
    }

    /// The text, where it is written out.
    pub fn literal(&self) -> Option<&LitStr> {
        match self.expr() {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
            _ => None,
        }
    }
}

/// Something that is known when the workflow is built: a literal or a constant.
pub fn constant(expr: &Expr, message: &str) -> syn::Result<Expr> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) | Expr::Path(_) => Ok(expr.clone()),
        other => Err(error(other, message)),
    }
}

/// `hours(2)`, `minutes(90) + seconds(30)`, a constant, `Duration::from_millis(5)`.
pub fn duration(expr: &Expr) -> syn::Result<Expr> {
    const UNITS: [&str; 5] = ["millis", "seconds", "minutes", "hours", "days"];
    let message = "a duration is hours(2), minutes(90) + seconds(30), a constant, or a captured value in braces: {policy.wait}";
    let check = |inner: &Expr| duration(inner).map(drop);
    match expr {
        Expr::Paren(inner) => check(&inner.expr)?,
        Expr::Group(inner) => check(&inner.expr)?,
        Expr::Binary(binary) if matches!(binary.op, syn::BinOp::Add(_)) => {
            check(&binary.left)?;
            check(&binary.right)?;
        }
        Expr::Path(_) => {}
        Expr::Call(call) => {
            let Expr::Path(path) = &*call.func else { return Err(error(&call.func, message)) };
            let last = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            let is_unit = path.path.get_ident().is_some() && UNITS.contains(&last.as_str());
            if !is_unit && !last.starts_with("from_") {
                let message = "the units are millis, seconds, minutes, hours and days: sleep(hours(2))";
                return Err(error(&call.func, message));
            }
            if let Some(other) =
                call.args.iter().find(|argument| !matches!(argument, Expr::Lit(_) | Expr::Path(_)))
            {
                return Err(error(other, message));
            }
        }
        Expr::Lit(_) => return Err(error(expr, "a duration has a unit: seconds(5), minutes(5), hours(5)")),
        other => return Err(error(other, message)),
    }
    Ok(expr.clone())
}
