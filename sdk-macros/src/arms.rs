//! The arms of `select!` as they are written: `name: T = event => { … }`.

use crate::syntax::error;
use proc_macro2::{Delimiter, Group, Span, TokenStream};
use syn::{
    Block, Expr, Pat, Stmt, Token, Type,
    parse::{Parse, ParseStream, Parser as _},
    spanned::Spanned as _,
    token::Brace,
};

/// One arm.
pub struct Arm {
    pub pattern: Pat,
    pub ty: Option<Type>,
    pub event: Expr,
    pub handler: Block,
}

/// Reads all arms; a comma may stand behind each, and has to where the handler is no block.
pub fn arms(tokens: TokenStream) -> syn::Result<Vec<Arm>> {
    let parser = |input: ParseStream<'_>| {
        let mut arms = Vec::new();
        while !input.is_empty() {
            arms.push(input.parse()?);
        }
        Ok(arms)
    };
    parser.parse2(tokens)
}

impl Parse for Arm {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let pattern = Pat::parse_single(input)?;
        let ty = match input.parse::<Option<Token![:]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        if !input.peek(Token![=]) || input.peek(Token![=>]) {
            let message = "an arm binds its event: `approval = signal(\"approval\") => { … }`, or `_ = sleep(hours(24)) => { … }`";
            return Err(error(&pattern, message));
        }
        input.parse::<Token![=]>()?;
        let event: Expr = input.parse()?;
        if !input.peek(Token![=>]) {
            return Err(error(&event, "what follows this event is missing: write `=> { … }` behind it"));
        }
        input.parse::<Token![=>]>()?;
        let handler = handler(input)?;
        Ok(Self { pattern, ty, event, handler })
    }
}

/// `{ … }`, or an expression that stands for a block of it.
fn handler(input: ParseStream<'_>) -> syn::Result<Block> {
    if input.peek(Brace) {
        let block = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        return Ok(block);
    }
    let expr: Expr = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(block_of(expr))
}

/// The block that an expression stands for.
pub fn block_of(expr: Expr) -> Block {
    Block { brace_token: brace(expr.span()), stmts: vec![Stmt::Expr(expr, None)] }
}

/// Braces that nobody wrote.
fn brace(span: Span) -> Brace {
    let mut group = Group::new(Delimiter::Brace, TokenStream::new());
    group.set_span(span);
    Brace { span: group.delim_span() }
}
