//! The macros of `pg_durable_sdk`, which re-exports them and documents them.
//!
//! A workflow goes through three stages, none of which looks back: `args`, `signature` and `model` read what was
//! written, `lower` makes the graph's nodes of it, `expand` and `mirror` print. All of them go by the rows of
//! `word`. `fallback` prints what stands in for a workflow that is wrong, and `root` says where all of it finds the SDK.

#![deny(unsafe_code)]
#![expect(clippy::large_enum_variant, reason = "a handful of each, for as long as one expansion takes")]

mod args;
mod arms;
mod awaited;
mod errors;
mod expand;
mod fallback;
mod file;
mod fixed;
mod lower;
mod message;
mod mirror;
mod model;
mod operand;
mod plan;
mod root;
mod scope;
mod signature;
mod sql;
mod syntax;
mod word;
mod written;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use root::Root;

// Documented where it is re-exported, in `pg_durable_sdk`.
#[allow(missing_docs, reason = "documented in pg_durable_sdk")]
#[proc_macro]
pub fn sql(input: TokenStream) -> TokenStream {
    expansion_of_sql(input.into()).into()
}

// Documented where it is re-exported, in `pg_durable_sdk`.
#[allow(missing_docs, reason = "documented in pg_durable_sdk")]
#[proc_macro_attribute]
pub fn workflow(args: TokenStream, item: TokenStream) -> TokenStream {
    expansion_of_workflow(args.into(), item.into()).into()
}

fn expansion_of_sql(tokens: TokenStream2) -> TokenStream2 {
    let (root, statement) = sql::statement(tokens);
    root.put_into(statement.unwrap_or_else(|error| fallback::statement(&error)))
}

fn expansion_of_workflow(args: TokenStream2, item: TokenStream2) -> TokenStream2 {
    let mut root = Root::default();
    let workflow = workflow_or_error(args, item.clone(), &mut root);
    root.put_into(workflow.unwrap_or_else(|error| fallback::workflow(item, &error)))
}

fn workflow_or_error(args: TokenStream2, item: TokenStream2, root: &mut Root) -> syn::Result<TokenStream2> {
    let mut errors = errors::Errors::default();
    let item: syn::ItemFn = syn::parse2(item)?;
    let args = errors.catch(args::Args::parse(args, root));
    let signature = errors.catch(signature::Signature::parse(&item));
    let body = model::Block::parse(&item.block, &mut errors);
    let Some((args, signature)) = args.zip(signature) else { return Err(errors.into_error()) };
    let (plan, unused) = lower::lower(&signature, &body, &mut errors);
    errors.finish()?;
    let mirror = mirror::mirror(&signature, &body, &unused);
    let signals = awaited::awaited(&body);
    Ok(expand::workflow(&args, &signature, &plan, &signals, &mirror))
}
