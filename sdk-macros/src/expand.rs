//! Prints a workflow: a function that returns its definition.

use crate::{
    args::{Args, Name},
    awaited::Awaited,
    fixed::Fixed,
    plan::{
        Argument, Field, Form, Given, Kept, Known, Leaf, Method, Node, Operand, Piece, Probe, ProbeStep,
        Reference, Text,
    },
    signature::Signature,
    sql::Language,
};
use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{Type, spanned::Spanned as _};

/// Prints the item that stands for the workflow. The mirror of the body is there for the compiler only.
pub fn workflow(
    args: &Args,
    signature: &Signature,
    plan: &Node,
    signals: &[Awaited],
    mirror: &TokenStream,
) -> TokenStream {
    let Args { name, version } = args;
    let Signature { attrs, vis, fn_token, ident, output, .. } = signature;
    let input = input(signature);
    let plan = node(plan);
    let signals = signals.iter().map(signal);
    let name = match name {
        Name::Literal(name) => name.to_token_stream(),
        // An item is looked at even where nobody calls the function.
        Name::Constant(name) => quote_spanned! {name.span()=>
            { const __WORKFLOW_NAME: &str = ::pg_durable_sdk::__private::name(#name); __WORKFLOW_NAME }
        },
    };
    quote! {
        #(#attrs)*
        #vis #fn_token #ident() -> ::pg_durable_sdk::Definition<#input, #output> {
            #mirror

            #[allow(unused_imports, unused_qualifications, clippy::all, clippy::pedantic, clippy::nursery)]
            fn __graph() -> ::pg_durable_sdk::Workflow<#output> {
                use ::pg_durable_sdk::__private::{
                    AnyFields as _, AnyType as _, CastType as _, InstantType as _, ListType as _, NullableType as _, ReadFields as _, SchemaFields as _,
                    SqlType as _,
                };
                // Always the same, and asked for by every start.
                static WORKFLOW: ::std::sync::OnceLock<::pg_durable_sdk::Workflow<#output>> =
                    ::std::sync::OnceLock::new();
                WORKFLOW.get_or_init(|| ::pg_durable_sdk::__private::workflow(#plan)).clone()
            }
            ::pg_durable_sdk::Definition::from_macro(#name, #version, __graph)#(#signals)*
        }
    }
}

/// What the data of a signal have to be, where their type says so and has a schema.
fn signal(Awaited { name, ty }: &Awaited) -> TokenStream {
    let schema = match ty {
        None => quote!(::core::option::Option::None),
        Some(ty) => quote_spanned! {ty.span()=> {
            #[allow(unused_imports, unused_qualifications, clippy::all, clippy::pedantic, clippy::nursery)]
            use ::pg_durable_sdk::__private::{AnySchema as _, Schema as _};
            (&::pg_durable_sdk::__private::probe_of::<#ty>()).schema()
        }},
    };
    quote!(.waits_for(#name, || #schema))
}

/// The type of the input.
pub fn input(signature: &Signature) -> TokenStream {
    match &signature.input {
        Some(input) => input.ty.to_token_stream(),
        None => quote!(()),
    }
}

fn node(node: &Node) -> TokenStream {
    let p = quote!(::pg_durable_sdk::__private);
    let list = |nodes: &[Node]| {
        let nodes = nodes.iter().map(self::node);
        quote!(::std::vec![#(#nodes),*])
    };
    match node {
        Node::Leaf(leaf) => named(leaf, leaf.name.as_ref()),
        Node::Given(given) => self::given(given),
        Node::Nothing => quote!(#p::nothing()),
        Node::Sequence(nodes) => {
            let nodes = list(nodes);
            quote!(#p::sequence(#nodes))
        }
        Node::Join(branches) => {
            let branches = list(branches);
            quote!(#p::join(#branches))
        }
        Node::Race { branches, name, is_tagged } => {
            let (branches, name) = (list(branches), optional(name.as_ref()));
            let race = if *is_tagged { quote!(race_tagged) } else { quote!(race) };
            quote!(#p::#race(#branches, #name))
        }
        Node::If { condition, then, otherwise } => {
            let [condition, then, otherwise] = [condition, then, otherwise].map(|child| self::node(child));
            quote!(#p::if_else(#condition, #then, #otherwise))
        }
        Node::IfSome { name, probe, then, otherwise } => {
            let [then, otherwise] = [then, otherwise].map(|child| self::node(child));
            let is_row = is_row(probe.as_ref());
            quote!(#p::if_some(#name, #is_row, #then, #otherwise))
        }
        Node::Loop(body) => {
            let body = self::node(body);
            quote!(#p::repeat(#body))
        }
        Node::Retry { body, policy } => {
            let (body, policy) = (self::node(body), fixed(policy));
            quote!(#p::retry(#body, #policy))
        }
        Node::Catch { body, handler, error } => {
            let [body, handler] = [body, handler].map(|child| self::node(child));
            quote!(#p::catch(#body, #handler, #error))
        }
        Node::Break => quote!(#p::leave()),
    }
}

/// A step with its name, tried again as it says.
fn named(leaf: &Leaf, name: Option<&String>) -> TokenStream {
    let (step, name) = (self::leaf(leaf), optional(name));
    let named = quote!(::pg_durable_sdk::__private::leaf(#step, #name));
    match &leaf.retry {
        None => named,
        Some(policy) => {
            let policy = fixed(policy);
            quote!(::pg_durable_sdk::__private::retry(#named, #policy))
        }
    }
}

/// A step of the builder.
fn leaf(leaf: &Leaf) -> TokenStream {
    let Leaf { word, argument, methods, .. } = leaf;
    let word = format_ident!("{word}");
    let step = match argument {
        Argument::Text(text) => {
            let text = self::text(text);
            quote!(#text.#word())
        }
        Argument::Either { columns, document, kept } => {
            let columns = statement(columns);
            match is_document(kept) {
                None => quote!(#columns.#word()),
                Some(is_document) => {
                    let document = statement(document);
                    quote!((if #is_document { #document } else { #columns }).#word())
                }
            }
        }
        Argument::Operand(Operand::Fixed(argument)) => {
            let argument = fixed(argument);
            quote!(::pg_durable_sdk::__private::words::#word(#argument))
        }
        Argument::Operand(Operand::Text(text)) => {
            let text = self::text(text);
            quote!(#text.#word())
        }
        Argument::Operand(Operand::Known(known)) => {
            let moment = moment(known);
            quote!(#moment.#word())
        }
    };
    methods.iter().fold(step, |step, Method { name, argument }| match argument {
        Operand::Fixed(argument) => {
            let argument = fixed(argument);
            quote!(#step.#name(#argument))
        }
        Operand::Text(text) => {
            let (name, text) = (format_ident!("{name}_by", span = name.span()), self::text(text));
            quote!(#step.#name(#text))
        }
        Operand::Known(known) => {
            let (name, moment) = (format_ident!("{name}_by", span = name.span()), moment(known));
            quote!(#step.#name(#moment))
        }
    })
}

fn text(Text { pieces, language }: &Text) -> TokenStream {
    match language {
        Language::Sql => statement(pieces),
        Language::Plain => pieces.iter().fold(quote!(::pg_durable_sdk::__private::Statement::plain()), piece),
    }
}

/// A text that says how long or until when, by the type of what is captured in it.
fn moment(Known { text, probe }: &Known) -> TokenStream {
    let text = statement(text);
    let is_instant = match probe.as_ref().map(self::probe) {
        Some(probe) => quote!((&#probe).is_instant()),
        None => quote!(false),
    };
    quote!(#text.moment(#is_instant))
}

fn statement(pieces: &[Piece]) -> TokenStream {
    pieces.iter().fold(quote!(::pg_durable_sdk::__private::Statement::new()), piece)
}

/// A step whose rows are kept as they are, or once more as a document.
fn given(given: &Given) -> TokenStream {
    let Given { step, rows, name, kept } = given;
    let plain = named(step, name.as_ref());
    let Some(is_document) = is_document(kept) else { return plain };
    let (step, name) = (named(step, Some(rows)), optional(name.as_ref()));
    let Kept { nullable, probe, .. } = kept;
    let (nullable, is_row) = (is_nullable(*nullable, probe.as_ref()), is_row(probe.as_ref()));
    quote! {
        if #is_document {
            ::pg_durable_sdk::__private::as_document(#step, #rows, #nullable, #is_row, #name)
        } else {
            #plain
        }
    }
}

/// Whether a value is kept as a document, where that is not known to be false: a struct whose fields would be parts of
/// one column, and what comes out of JSON without an SQL type of its own.
fn is_document(kept: &Kept) -> Option<TokenStream> {
    match kept.form.get() {
        Form::Rows => None,
        Form::Column => Some(is_row(kept.probe.as_ref())),
        Form::Json => {
            let sql_type = sql_type(kept.probe.as_ref());
            Some(quote!(#sql_type == "jsonb"))
        }
    }
}

fn fixed(argument: &Fixed) -> TokenStream {
    match argument {
        Fixed::Constant(constant) => quote!(#constant),
        Fixed::Duration(duration) => quote!({
            use ::pg_durable_sdk::__private::duration::*;
            #duration
        }),
        Fixed::Policy(policy) => quote!({
            use ::pg_durable_sdk::__private::{duration::*, policy::*};
            #policy
        }),
    }
}

fn piece(statement: TokenStream, piece: &Piece) -> TokenStream {
    match piece {
        Piece::Text(text) => quote!(#statement.text(#text)),
        Piece::Reference(Reference { path, nullable, cast: true, is_payload: true, probe }) => {
            let nullable = is_nullable(*nullable, probe.as_ref());
            let sql_type = sql_type(probe.as_ref());
            let is_row = is_row(probe.as_ref());
            quote!(#statement.payload(#path, #nullable, #is_row, #sql_type))
        }
        Piece::Reference(Reference { path, nullable, cast: false, is_payload: true, probe }) => {
            let (nullable, element) = (is_nullable(*nullable, probe.as_ref()), element(probe.as_ref()));
            quote!(#statement.captured_payload(#path, #nullable, #element))
        }
        Piece::Reference(Reference { path, nullable, cast, probe, .. }) => {
            let Some(probe) = probe.as_ref().map(self::probe) else {
                let cast = optional(cast.then_some("jsonb"));
                return quote!(#statement.reference(#path, #nullable, #cast));
            };
            let cast = match cast {
                true => optional(Some(quote!((&#probe).sql_type()))),
                false => quote!((&#probe).cast()),
            };
            quote!(#statement.reference(#path, #nullable | (&#probe).is_nullable(), #cast))
        }
        Piece::Input { nullable, probe } => {
            let nullable = is_nullable(*nullable, probe.as_ref());
            let sql_type = sql_type(probe.as_ref());
            let element = element(probe.as_ref());
            quote!(#statement.input(#nullable, #sql_type, #element))
        }
        Piece::Whole { name, nullable, probe } => {
            let (nullable, is_row) = (is_nullable(*nullable, probe.as_ref()), is_row(probe.as_ref()));
            quote!(#statement.whole(#name, #nullable, #is_row))
        }
        Piece::Again { name, nullable, probe } => {
            let (nullable, is_row) = (is_nullable(*nullable, probe.as_ref()), is_row(probe.as_ref()));
            quote!(#statement.again(#name, #nullable, #is_row))
        }
        Piece::Document { name, nullable, probe } => {
            let (nullable, is_row) = (is_nullable(*nullable, probe.as_ref()), is_row(probe.as_ref()));
            quote!(#statement.document(#name, #nullable, #is_row))
        }
        Piece::Kept { name, cast, kept } => {
            let Kept { nullable, probe, .. } = kept;
            let nullable = is_nullable(*nullable, probe.as_ref());
            let is_document = is_document(kept).unwrap_or_else(|| quote!(false));
            let cast = optional(cast.then_some("jsonb"));
            quote!(#statement.kept(#name, #nullable, #is_document, #cast))
        }
        Piece::ResultColumn { plain, owner } => {
            let owner = self::owner(owner);
            quote!(#statement.result_column(#plain, (&&#owner).fields()))
        }
        Piece::File(path) => quote!(#statement.of_file(::core::include_str!(#path))),
        Piece::RunId => quote!(#statement.run_id()),
        Piece::Rows(name) => quote!(#statement.rows(#name)),
        Piece::Field(Field { owner, name }) => {
            let owner = self::owner(owner);
            quote!(#statement.field((&&#owner).fields(), #name))
        }
        Piece::Value { value, cast: false } => {
            quote_spanned!(value.span()=> #statement.value(&#value))
        }
        Piece::Value { value, cast: true } => {
            let span = value.span();
            quote_spanned!(span=> #statement.cast_value(&#value, (&::pg_durable_sdk::__private::type_of(&#value)).sql_type()))
        }
    }
}

fn is_nullable(nullable: bool, probe: Option<&Probe>) -> TokenStream {
    match probe.map(self::probe) {
        Some(probe) => quote!(#nullable | (&#probe).is_nullable()),
        None => quote!(#nullable),
    }
}

fn sql_type(probe: Option<&Probe>) -> TokenStream {
    match probe.map(self::probe) {
        Some(probe) => quote!((&#probe).sql_type()),
        None => quote!("jsonb"),
    }
}

/// The SQL type of the elements, where it is that of a list of such.
fn element(probe: Option<&Probe>) -> TokenStream {
    match probe.map(self::probe) {
        Some(probe) => quote!((&#probe).element()),
        None => optional(None::<&str>),
    }
}

fn is_row(probe: Option<&Probe>) -> TokenStream {
    match probe.map(self::probe) {
        Some(probe) => quote!(#probe.is_row()),
        None => quote!(false),
    }
}

/// What is known of a type: the closure is never called, so that no value is needed.
fn probe(probe: &Probe) -> TokenStream {
    let (root, place) = way(probe);
    quote!(::pg_durable_sdk::__private::probe(|value: #root| ::pg_durable_sdk::__private::type_of(&#place)))
}

/// The type that a field is looked for in, which need not be captured itself.
fn owner(probe: &Probe) -> TokenStream {
    let (root, place) = way(probe);
    quote!(::pg_durable_sdk::__private::probe(|value: #root| ::pg_durable_sdk::__private::owner_of(&#place)))
}

fn way(probe: &Probe) -> (&Type, TokenStream) {
    let root = &probe.root;
    let start = quote!(value);
    let place = probe.steps.iter().fold(start, |place, step| match step {
        ProbeStep::Field(field) => quote_spanned!(field.span()=> #place.#field),
        ProbeStep::Some => some(root, &place),
    });
    (root, place)
}

fn some(root: &Type, place: &TokenStream) -> TokenStream {
    quote_spanned!(root.span()=> ::pg_durable_sdk::__private::some(&#place))
}

fn optional(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
