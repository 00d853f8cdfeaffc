//! Places: captured names and their fields, and how SQL refers to them.

use super::{Lowering, step::is_unused};
use crate::{
    model::Value,
    plan::{Field, Piece, Probe, ProbeStep, Reference},
    scope::{Base, Binding},
    sql::{Place, unraw},
};
use proc_macro2::Span;
use syn::Ident;

/// A place that is there when the workflow runs.
pub(super) struct Found {
    pub binding: Binding,
    pub fields: Vec<Ident>,
    pub span: Span,
}

pub(super) enum Resolved {
    Found(Found),
    Constant(Piece),
    Wrong,
}

impl Found {
    pub(super) fn path(&self) -> String {
        let base = match &self.binding.base {
            Base::Rows(name) => name,
            Base::Document { path, .. } => path,
            Base::Nothing => "",
        };
        self.fields.iter().fold(base.to_owned(), |path, field| format!("{path}.{}", unraw(field)))
    }

    pub(super) fn probe(&self) -> Option<Probe> {
        let mut probe = self.binding.inner_probe()?;
        probe.steps.extend(self.fields.iter().cloned().map(ProbeStep::Field));
        Some(probe)
    }

    /// Whether the value comes out of a JSON document, and not of a column.
    pub(super) fn is_json(&self) -> bool {
        match self.binding.base {
            Base::Rows(_) => self.fields.len() > 1,
            Base::Document { is_json, .. } => is_json || !self.fields.is_empty(),
            Base::Nothing => false,
        }
    }

    /// The place as one expression of SQL; `cast` where nothing around it says of what type.
    pub fn in_place(&self, cast: bool) -> Vec<Piece> {
        match (&self.binding.base, self.fields.is_empty()) {
            (Base::Rows(name), true) => vec![Piece::Whole {
                name: name.clone(),
                nullable: self.binding.is_option,
                probe: self.binding.inner_probe(),
            }],
            (Base::Document { path, .. }, true) if path == "input" => {
                vec![Piece::Input { nullable: self.binding.is_option, probe: self.binding.inner_probe() }]
            }
            (Base::Rows(_) | Base::Document { .. } | Base::Nothing, _) => {
                let mut pieces = self.fields();
                pieces.push(Piece::Reference(Reference { cast: cast && self.is_json(), ..self.reference() }));
                pieces
            }
        }
    }

    /// Each field with the type that has it.
    pub(super) fn fields(&self) -> Vec<Piece> {
        let Some(mut owner) = self.binding.inner_probe() else { return Vec::new() };
        let mut fields = Vec::new();
        for field in &self.fields {
            fields.push(Piece::Field(Field { owner: owner.clone(), name: unraw(field) }));
            owner.steps.push(ProbeStep::Field(field.clone()));
        }
        fields
    }

    pub(super) fn reference(&self) -> Reference {
        Reference { path: self.path(), nullable: self.binding.is_option, cast: false, probe: self.probe() }
    }

    /// What `Some(name)` binds.
    pub(super) fn inside(&self) -> Binding {
        let is_plain = self.fields.is_empty();
        let base = match &self.binding.base {
            Base::Rows(name) if is_plain => Base::Rows(name.clone()),
            Base::Document { .. } | Base::Rows(_) => {
                Base::Document { path: self.path(), is_json: self.is_json(), timed_out: None }
            }
            Base::Nothing => Base::Nothing,
        };
        let probe = match is_plain {
            true => self.binding.inner_probe(),
            false => self.probe().map(|mut probe| {
                probe.steps.push(ProbeStep::Some);
                probe
            }),
        };
        Binding { base, probe, is_option: false, is_list: false }
    }
}

impl Lowering<'_> {
    /// Finds a place that is there when the workflow runs; says why, if its name is known and that is wrong.
    pub(super) fn resolve(&mut self, place: &Place) -> Option<Found> {
        let binding = self.scope.get(&place.root)?.clone();
        let name = &place.root;
        let span = place.fields.last().unwrap_or(name).span();
        let message = match (&binding.base, place.fields.first()) {
            (Base::Nothing, _) if is_unused(name) => {
                format!("`{name}` says that its result is not used: take the underscore away")
            }
            (Base::Nothing, _) => format!("`{name}` is a wait, which leaves nothing behind"),
            (_, Some(_)) if binding.is_list => {
                format!("`{name}` is all rows: capture them as a table, `FROM {{{name}.*}}`")
            }
            (_, Some(field)) if binding.probe.is_none() => {
                format!(
                    "`{name}` has no type that says what `{field}` is: write `let {name}: T = …` or `.returns::<T>()`"
                )
            }
            _ => return Some(Found { binding, fields: place.fields.clone(), span }),
        };
        self.errors.at(span, message);
        None
    }

    pub(super) fn resolve_or_constant(&mut self, place: &Place, value: &Value) -> Resolved {
        if self.scope.get(&place.root).is_none() {
            return Resolved::Constant(Piece::Value { value: value.syntax.clone(), cast: true });
        }
        self.resolve(place).map_or(Resolved::Wrong, Resolved::Found)
    }
}
