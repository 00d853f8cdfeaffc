//! What stands between the parentheses of a word or method that is no text.

use crate::{
    fixed::{Fixed, constant, duration},
    sql::{Place, Template},
    syntax::error,
};
use quote::ToTokens as _;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Stmt};

pub enum Operand {
    Fixed(Fixed),
    /// `"order {order.id}"`
    Text(Template),
    /// `{due.at}`: known when the step is reached.
    Captured(Place),
}

/// `.name(argument)` of the builder.
pub struct Method {
    pub name: Ident,
    pub argument: Operand,
}

/// What a place takes.
pub enum Takes {
    /// A string or a constant; what is said of anything else.
    Constant(&'static str),
    /// A length of time, or a value that says one.
    Length,
    /// A value; what is said of anything else.
    Captured(&'static str),
    /// A text with captures; what is said of anything else.
    Text(&'static str),
}

impl Takes {
    pub fn read(&self, expr: &Expr) -> syn::Result<Operand> {
        match (self, captured(expr)?) {
            (Takes::Length | Takes::Captured(_), Some(place)) => Ok(Operand::Captured(place)),
            (Takes::Length, None) => duration(expr).map(Fixed::Duration).map(Operand::Fixed),
            (Takes::Captured(otherwise), None) => Err(error(expr, otherwise)),
            (Takes::Constant(otherwise), _) => {
                constant(expr, otherwise).map(Fixed::Constant).map(Operand::Fixed)
            }
            (Takes::Text(otherwise), _) => match expr {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                    Template::of_message(text.to_token_stream()).map(Operand::Text)
                }
                other => Err(error(other, otherwise)),
            },
        }
    }
}

impl Operand {
    /// The text, where it is written out.
    pub fn literal(&self) -> Option<&LitStr> {
        match self {
            Operand::Fixed(fixed) => fixed.literal(),
            Operand::Text(_) | Operand::Captured(_) => None,
        }
    }
}

/// The place of `{name}` or `{name.field}`, which is a block to Rust.
fn captured(expr: &Expr) -> syn::Result<Option<Place>> {
    let Expr::Block(braces) = expr else { return Ok(None) };
    match braces.block.stmts.as_slice() {
        [Stmt::Expr(value, None)] if let Some(place) = Place::of(value) => Ok(Some(place)),
        _ => Err(error(expr, "between the braces is a captured name or field, as in `{due.at}`")),
    }
}
