//! A leaf as it is written: a word, what it was given, and its methods.

use crate::{
    operand::Method,
    syntax::{error, only_argument},
    word::{Argument, Function, Leaf, Missing, Says, Text, refusal},
};
use proc_macro2::TokenStream;
use syn::{Expr, ExprCall, ExprMethodCall, GenericArgument, PathArguments, Type};

pub struct Written {
    pub leaf: &'static Leaf,
    pub argument: Argument,
    pub methods: Vec<Method>,
    /// What `.returns::<T>()` says.
    pub returns: Option<Type>,
    pub missing: Option<&'static Missing>,
    /// Whether and when it is carried out again.
    pub retry: Option<Expr>,
}

impl Written {
    /// What was written as `word!("…")`.
    pub fn text(text: &'static Text, tokens: &TokenStream) -> syn::Result<Self> {
        Self::new(&text.leaf, Argument::Text((text.read)(tokens.clone())?))
    }

    /// What was written as `word(argument)`, or as `word::<T>(argument)`, which is `word(argument).returns::<T>()`.
    pub fn call(function: &'static Function, call: &ExprCall) -> syn::Result<Self> {
        let argument = Argument::Operand(function.takes.read(only_argument(call)?)?);
        let mut written = Self::new(&function.leaf, argument)?;
        let Expr::Path(word) = &*call.func else { return Ok(written) };
        let Some(PathArguments::AngleBracketed(types)) =
            word.path.segments.last().map(|segment| &segment.arguments)
        else {
            return Ok(written);
        };
        let has_type = function.leaf.modifiers.iter().any(|modifier| matches!(modifier.says, Says::Type));
        match (types.args.len(), types.args.first()) {
            (1, Some(GenericArgument::Type(ty))) if has_type => written.returns = Some(ty.clone()),
            _ if has_type => {
                return Err(error(types, "this takes one type: `signal::<Approval>(\"approval\")`"));
            }
            _ => return Err(error(types, "this leaves nothing behind, so that it has no type")),
        }
        Ok(written)
    }

    fn new(leaf: &'static Leaf, argument: Argument) -> syn::Result<Self> {
        let written = Self { leaf, argument, methods: Vec::new(), returns: None, missing: None, retry: None };
        written.check()?;
        Ok(written)
    }

    /// Adds `.returns::<T>()`, `.timeout(d)` or whatever else the word has.
    pub fn modify(&mut self, call: &ExprMethodCall) -> syn::Result<()> {
        let name = &call.method;
        let Some(modifier) = self.leaf.modifiers.iter().find(|modifier| name == modifier.name) else {
            return Err(error(name, refusal(name, self.leaf.no_more)));
        };
        let otherwise = || error(name, modifier.otherwise);
        match &modifier.says {
            Says::Policy => {
                let policy = call.args.first().filter(|_| call.args.len() == 1).ok_or_else(otherwise)?;
                self.retry = Some(policy.clone());
            }
            Says::Type => self.returns = Some(only_type(call).ok_or_else(otherwise)?.clone()),
            Says::Builder { takes, missing } => {
                let argument = call.args.first().filter(|_| call.args.len() == 1).ok_or_else(otherwise)?;
                self.methods.push(Method { name: name.clone(), argument: takes.read(argument)? });
                self.missing = missing.as_ref().or(self.missing);
            }
        }
        self.check()
    }

    fn check(&self) -> syn::Result<()> {
        (self.leaf.check)(&self.argument, &self.methods)
    }
}

/// The `T` of `.method::<T>()`.
fn only_type(call: &ExprMethodCall) -> Option<&Type> {
    let arguments = &call.turbofish.as_ref()?.args;
    match (arguments.len(), arguments.first()) {
        (1, Some(GenericArgument::Type(ty))) if call.args.is_empty() => Some(ty),
        _ => None,
    }
}
