//! What stands before the body: `async fn fulfil(order: Order) -> Result<Receipt>`.

use syn::{
    Attribute, FnArg, GenericArgument, Ident, ItemFn, Pat, PathArguments, ReturnType, Safety, Token, Type,
    Visibility, spanned::Spanned as _,
};

/// The item that stands for the workflow.
pub struct Signature {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub fn_token: Token![fn],
    pub ident: Ident,
    pub input: Option<Input>,
    /// The `T` of `Result<T>`.
    pub output: Type,
}

/// The one parameter.
pub struct Input {
    pub ident: Ident,
    pub ty: Type,
}

impl Signature {
    pub fn parse(item: &ItemFn) -> syn::Result<Self> {
        let sig = &item.sig;
        if sig.asyncness.is_none() {
            return Err(syn::Error::new(sig.fn_token.span(), "a workflow is an `async fn`"));
        }
        if let Some(token) = &sig.constness {
            return Err(syn::Error::new(token.span(), "a workflow cannot be `const`"));
        }
        if let Safety::Unsafe(token) = &sig.safety {
            return Err(syn::Error::new(token.span(), "a workflow cannot be `unsafe`: none of it runs here"));
        }
        if let Some(token) = &sig.abi {
            return Err(syn::Error::new(token.span(), "a workflow has no ABI: it does not run here"));
        }
        if !sig.generics.params.is_empty() {
            let message =
                "a workflow has no generics: it is registered under one name, with one type of input";
            return Err(syn::Error::new(sig.generics.params.span(), message));
        }
        if let Some(clause) = &sig.generics.where_clause {
            return Err(syn::Error::new(
                clause.span(),
                "a workflow has no `where` clause: it has no generics",
            ));
        }
        Ok(Self {
            attrs: item.attrs.clone(),
            vis: item.vis.clone(),
            fn_token: sig.fn_token,
            ident: sig.ident.clone(),
            input: parse_input(item)?,
            output: output(&sig.output).cloned().ok_or_else(|| wrong_output(item))?,
        })
    }
}

fn wrong_output(item: &ItemFn) -> syn::Error {
    let message = "a workflow returns `Result<T>`, where `T` is what it leaves behind";
    match &item.sig.output {
        ReturnType::Default => {
            syn::Error::new(item.sig.ident.span(), format!("{message}: write `-> Result<()>`"))
        }
        ReturnType::Type(_, ty) => syn::Error::new(ty.span(), message),
    }
}

/// The `T` of `Result<T>`, whatever the path before it.
pub fn output(output: &ReturnType) -> Option<&Type> {
    let ReturnType::Type(_, ty) = output else { return None };
    argument_of(ty, "Result")
}

/// The `T` of `Wrapper<T>`.
pub fn argument_of<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let path = match ty {
        Type::Path(path) => path,
        // What a macro of the user's has put together.
        Type::Group(inner) => return argument_of(&inner.elem, wrapper),
        Type::Paren(inner) => return argument_of(&inner.elem, wrapper),
        _ => return None,
    };
    let last = path.path.segments.last().filter(|segment| segment.ident == wrapper)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match (arguments.args.len(), arguments.args.first()) {
        (1, Some(GenericArgument::Type(ty))) => Some(ty),
        _ => None,
    }
}

fn parse_input(item: &ItemFn) -> syn::Result<Option<Input>> {
    let mut inputs = item.sig.inputs.iter();
    let Some(first) = inputs.next() else { return Ok(None) };
    if let Some(second) = inputs.next() {
        let message = "a workflow takes one input: put the values into one struct";
        return Err(syn::Error::new(second.span(), message));
    }
    let FnArg::Typed(argument) = first else {
        let message = "a workflow is a free function: hand what it needs in as its input";
        return Err(syn::Error::new(first.span(), message));
    };
    let Pat::Ident(pattern) = &*argument.pat else {
        let message = "the input is one name: write `order: Order` and capture `{order.field}`";
        return Err(syn::Error::new(argument.pat.span(), message));
    };
    if let Some(token) = &pattern.mutability {
        return Err(syn::Error::new(token.span(), "the input never changes: leave `mut` out"));
    }
    if let Some(token) = &pattern.by_ref {
        return Err(syn::Error::new(token.span(), "the input is a name and nothing else: leave `ref` out"));
    }
    if let Type::Reference(reference) = &*argument.ty {
        let message = "the input is sent to the server and kept there: take it by value";
        return Err(syn::Error::new(reference.and_token.span(), message));
    }
    Ok(Some(Input { ident: pattern.ident.clone(), ty: (*argument.ty).clone() }))
}
