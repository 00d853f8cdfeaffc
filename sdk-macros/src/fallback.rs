//! What stands in for a workflow that is wrong, so that one mistake gives one message.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn, Type};

/// The errors, and an item of the right type: what starts the workflow has nothing to add.
pub fn workflow(item: TokenStream, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    // Without a function there is nothing to stand in for, and the item would only repeat what is wrong.
    let Ok(item) = syn::parse2::<ItemFn>(item) else { return errors };
    let (vis, ident) = (&item.vis, &item.sig.ident);
    let input = match item.sig.inputs.first() {
        Some(FnArg::Typed(input)) if item.sig.generics.params.is_empty() => {
            let ty = match &*input.ty {
                Type::Reference(reference) => &reference.elem,
                owned => owned,
            };
            quote!(#ty)
        }
        _ => quote!(()),
    };
    let output = match crate::signature::output(&item.sig.output) {
        Some(output) if item.sig.generics.params.is_empty() => quote!(#output),
        _ => quote!(()),
    };
    quote! {
        #errors
        #[allow(dead_code)]
        #vis fn #ident() -> ::pg_durable_sdk::Definition<#input, #output> {
            ::core::unreachable!()
        }
    }
}

/// The errors, and a step of any type.
pub fn statement(error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    quote!({
        #errors
        ::pg_durable_sdk::sql("")
    })
}
