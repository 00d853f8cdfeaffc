//! The arguments of `#[workflow(name = "…", version = n)]`.

use crate::root::Root;
use proc_macro2::{Span, TokenStream};
use syn::{
    Expr, ExprLit, Lit, LitStr, MetaNameValue, Token, parse::Parser as _, punctuated::Punctuated,
    spanned::Spanned as _,
};

/// What the workflow is called.
pub struct Args {
    pub name: Name,
    pub version: u32,
}

/// The name, as far as it is known here.
pub enum Name {
    /// It was looked at.
    Literal(LitStr),
    /// The compiler looks at it.
    Constant(Expr),
}

impl Args {
    /// Reads them, and where the SDK is found, which even an error has to know.
    pub fn parse(tokens: TokenStream, root: &mut Root) -> syn::Result<Self> {
        let parser = Punctuated::<MetaNameValue, Token![,]>::parse_terminated;
        let pairs = parser.parse2(tokens).map_err(|error| syn::Error::new(error.span(), EXPECTED))?;
        let mut name = None;
        let mut version = None;
        let mut path = None;
        for pair in pairs {
            let key = pair.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let twice = match key.as_str() {
                "name" => name.replace(parse_name(&pair.value)?).is_some(),
                "version" => version.replace(parse_version(&pair.value)?).is_some(),
                "crate" => {
                    *root = Root::parse(&pair.value)?;
                    path.replace(()).is_some()
                }
                _ => {
                    let message = format!(
                        "unknown argument; the known ones are `name`, `version` and `crate`: {EXAMPLE}"
                    );
                    return Err(syn::Error::new(pair.path.span(), message));
                }
            };
            if twice {
                return Err(syn::Error::new(pair.path.span(), format!("`{key}` is given twice")));
            }
        }
        let name = name.ok_or_else(|| syn::Error::new(Span::call_site(), EXPECTED))?;
        Ok(Self { name, version: version.unwrap_or(1) })
    }
}

const EXAMPLE: &str = "#[workflow(name = \"order.fulfil\", version = 1)]";
const EXPECTED: &str = "a workflow needs the name under which it is registered: #[workflow(name = \"order.fulfil\", version = 1)]";

fn parse_name(value: &Expr) -> syn::Result<Name> {
    let name = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => name,
        Expr::Path(_) | Expr::Macro(_) => return Ok(Name::Constant(value.clone())),
        _ => {
            let message = "the name is a string or a constant: name = \"order.fulfil\"";
            return Err(syn::Error::new(value.span(), message));
        }
    };
    let text = name.value();
    if text.is_empty() {
        return Err(syn::Error::new(name.span(), "the name is empty: write one such as \"order.fulfil\""));
    }
    // `df.run` and `df.explain` take either, and tell them apart by this.
    if (8..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "this name looks like the id of an instance: add a letter beyond `f`, or a dot";
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(Name::Literal(name.clone()))
}

fn parse_version(value: &Expr) -> syn::Result<u32> {
    let number = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    match number {
        Some(number) if number > 0 && i32::try_from(number).is_ok() => Ok(number),
        _ => Err(syn::Error::new(value.span(), "the version is a whole number from 1 on: version = 1")),
    }
}
