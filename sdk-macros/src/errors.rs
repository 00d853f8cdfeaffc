//! Errors, gathered so that one compilation shows them all.

use proc_macro2::Span;

/// What is wrong so far.
#[derive(Default)]
pub struct Errors {
    first: Option<syn::Error>,
}

impl Errors {
    pub fn push(&mut self, error: syn::Error) {
        match &mut self.first {
            Some(first) => first.combine(error),
            None => self.first = Some(error),
        }
    }

    /// Reports something about a token.
    pub fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Keeps the error, if it is one.
    pub fn catch<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Fails if anything was wrong.
    pub fn finish(self) -> syn::Result<()> {
        self.first.map_or(Ok(()), Err)
    }

    /// What was wrong, where something is known to have been.
    pub fn into_error(self) -> syn::Error {
        self.first.expect("something failed, and everything that fails is kept")
    }
}
