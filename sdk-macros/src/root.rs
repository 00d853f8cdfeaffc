//! Where an expansion finds the SDK: `::pg_durable_sdk`, or what `crate = path` says.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Expr, ExprLit, ExprPath, Lit, Path, spanned::Spanned as _};

/// The path of `crate = path`, where there is one.
#[derive(Default)]
pub struct Root {
    path: Option<Path>,
}

impl Root {
    pub fn at(path: Path) -> Self {
        Self { path: Some(path) }
    }

    /// Reads a path, or a string that is one.
    pub fn parse(value: &Expr) -> syn::Result<Self> {
        match value {
            Expr::Path(ExprPath { qself: None, path, .. }) => Ok(Self::at(path.clone())),
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                text.parse_with(Path::parse_mod_style).map(Self::at)
            }
            _ => Err(syn::Error::new(value.span(), "this is the path of the SDK: crate = durable")),
        }
    }

    /// Puts the path into an expansion, which is printed with `::pg_durable_sdk` throughout.
    pub fn put_into(&self, expansion: TokenStream) -> TokenStream {
        match &self.path {
            Some(path) => replaced(expansion, &path.to_token_stream()),
            None => expansion,
        }
    }
}

fn replaced(tokens: TokenStream, path: &TokenStream) -> TokenStream {
    let mut rest: Vec<TokenTree> = tokens.into_iter().collect();
    rest.reverse();
    let mut done = TokenStream::new();
    while let Some(token) = rest.pop() {
        let is_ours = match (&token, rest.as_slice()) {
            (TokenTree::Punct(first), [.., TokenTree::Ident(name), TokenTree::Punct(second)]) => {
                first.as_char() == ':' && second.as_char() == ':' && name == "pg_durable_sdk"
            }
            _ => false,
        };
        match token {
            _ if is_ours => {
                rest.truncate(rest.len() - 2);
                done.extend(path.clone());
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), replaced(group.stream(), path));
                inner.set_span(group.span());
                done.extend(quote!(#inner));
            }
            other => done.extend([other]),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn every_path_of_an_expansion_leads_there() {
        let item = quote! {
            async fn pay(order: Order) -> Result<Receipt> {
                let hold: Option<Hold> = sql!("SELECT {order.id}").await?;
                let Some(hold) = hold else { return Ok(Receipt { id: order.id }) };
                let price: i64 = match retry!(Retry::new(), async { sql!("SELECT {hold.id}").await }).await {
                    Ok(price) => price,
                    Err(error) => fail!("no price: {error.message}"),
                };
                sql!("SELECT {price}").retry(Retry::new()).await?;
                race!(async { sql!("SELECT {hold.id}").await }, sleep(hours(1))).await?;
                Ok(Receipt { id: hold.id })
            }
        };
        let wrong = quote!(
            async fn pay(order: Order) -> Result<Receipt> {
                order.id + 1
            }
        );
        for (item, count) in [(item, 10), (wrong, 1)] {
            let expand = |args: TokenStream| crate::expansion_of_workflow(args, item.clone()).to_string();
            let here = expand(quote!(name = "pay"));
            let there = expand(quote!(name = "pay", crate = kit::durable));
            assert!(here.matches(":: pg_durable_sdk").count() >= count, "{here}");
            assert_eq!(there, here.replace(":: pg_durable_sdk", "kit :: durable"));
        }
    }

    #[test]
    fn sql_is_told_by_its_first_argument() {
        let expand = |tokens: TokenStream| crate::expansion_of_sql(tokens).to_string();
        for text in ["SELECT {id}, {order.id}", "SELECT '{id}'"] {
            let (here, there) = (expand(quote!(#text)), expand(quote!(crate = durable, #text)));
            assert_eq!(there, here.replace(":: pg_durable_sdk", "durable"));
        }
        let root = Root::at(parse_quote!(durable));
        assert_eq!(root.put_into(quote!(pg_durable_sdk::x)).to_string(), "pg_durable_sdk :: x");
    }
}
