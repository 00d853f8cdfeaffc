//! A value that several ways may give, and how it is kept: as a row, or as a document.

use crate::{
    errors::Errors,
    plan::{Form, Kept},
    scope::{Base, Binding},
    signature::argument_of,
};
use proc_macro2::Span;
use std::{cell::Cell, rc::Rc};
use syn::Type;

/// What the ways to a name, or to the end of a race, have in common. What they give is known when all have been
/// looked at; it is printed later.
#[derive(Clone)]
pub(super) struct Choice {
    name: Option<String>,
    ty: Option<Type>,
    form: Rc<Cell<Form>>,
    has_rows: Rc<Cell<bool>>,
}

impl Choice {
    pub(super) fn new(name: Option<String>, ty: Option<&Type>) -> Self {
        Self { name, ty: ty.cloned(), form: Rc::new(Cell::new(Form::Rows)), has_rows: Rc::default() }
    }

    pub(super) fn named(self, name: String) -> Self {
        Self { name: Some(name), ..self }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Notes what a way gives.
    pub(super) fn offer(&self, form: Form, span: Span, errors: &mut Errors) {
        let most = self.form.get().max(form);
        self.form.set(most);
        self.has_rows.set(self.has_rows.get() || form == Form::Rows);
        if most != Form::Rows && self.has_rows.get() && self.ty.as_ref().is_some_and(is_list) {
            errors.at(
                span,
                "one way gives rows, and another a list that is one value: make rows of the list, `let x: Vec<T> = \
                 sql!(\"SELECT * FROM jsonb_to_recordset({a.list}) AS x(id bigint, …)\").await?;`",
            );
        }
    }

    pub(super) fn kept(&self) -> Kept {
        self.binding().kept(self.form.clone())
    }

    pub(super) fn binding(&self) -> Binding {
        let base = Base::Kept { name: self.name.clone().unwrap_or_default(), form: self.form.clone() };
        Binding::new(base, self.ty.as_ref())
    }
}

/// Whether a type is a `Vec`, which there may be none of.
pub(super) fn is_list(ty: &Type) -> bool {
    argument_of(argument_of(ty, "Option").unwrap_or(ty), "Vec").is_some()
}
