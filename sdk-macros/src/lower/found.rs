//! Places: captured names and their fields, and how SQL refers to them.

use super::Lowering;
use crate::{
    model::Value,
    plan::{Field, Form, Piece, Probe, ProbeStep, Reference},
    scope::{Base, Binding, Holds, is_unused},
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
            Base::Rows(name) => name.clone(),
            Base::Document { path, .. } => path.clone(),
            // Only a document has fields.
            Base::Kept { name, .. } => format!("{name}.value.value"),
            Base::Run | Base::Nothing => String::new(),
        };
        self.fields.iter().fold(base, |path, field| format!("{path}.{}", unraw(field)))
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
            Base::Document { .. } => self.holds() != Holds::Column,
            Base::Kept { .. } => !self.fields.is_empty(),
            Base::Run | Base::Nothing => false,
        }
    }

    /// What is at the end of a path into a document.
    fn holds(&self) -> Holds {
        match self.binding.base {
            Base::Document { holds, .. } if self.fields.is_empty() => holds,
            Base::Rows(_) if self.fields.len() <= 1 => Holds::Column,
            Base::Run => Holds::Column,
            Base::Rows(_) | Base::Document { .. } | Base::Kept { .. } | Base::Nothing => Holds::Part,
        }
    }

    /// Whether this is all of a result of SQL.
    pub(super) fn is_result(&self) -> bool {
        match self.binding.base {
            Base::Rows(_) => self.fields.is_empty(),
            Base::Document { .. } | Base::Kept { .. } | Base::Run | Base::Nothing => false,
        }
    }

    /// What it gives to a name.
    pub(super) fn form(&self) -> Form {
        match (&self.binding.base, self.fields.is_empty()) {
            (Base::Rows(_), true) => Form::Rows,
            (Base::Kept { form, .. }, true) => form.get(),
            (Base::Rows(_) | Base::Document { .. } | Base::Kept { .. } | Base::Run | Base::Nothing, _) => {
                if self.is_json() {
                    Form::Json
                } else {
                    Form::Column
                }
            }
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
            (Base::Run, _) => vec![Piece::RunId],
            (Base::Kept { name, form }, true) => {
                vec![Piece::Kept { name: name.clone(), cast, kept: self.binding.kept(form.clone()) }]
            }
            (Base::Rows(_) | Base::Document { .. } | Base::Kept { .. } | Base::Nothing, _) => {
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
        Reference {
            path: self.path(),
            nullable: self.binding.is_option,
            cast: false,
            is_payload: self.holds() == Holds::Payload,
            probe: self.probe(),
        }
    }

    /// What `Some(name)` binds.
    pub(super) fn inside(&self) -> Binding {
        let is_plain = self.fields.is_empty();
        let base = match &self.binding.base {
            Base::Rows(_) | Base::Kept { .. } if is_plain => self.binding.base.clone(),
            Base::Document { .. } | Base::Kept { .. } | Base::Rows(_) => {
                Base::Document { path: self.path(), holds: self.holds(), timed_out: None }
            }
            Base::Run => Base::Run,
            Base::Nothing => Base::Nothing,
        };
        let probe = match is_plain {
            true => self.binding.inner_probe(),
            false => self.probe().map(|mut probe| {
                probe.steps.push(ProbeStep::Some);
                probe
            }),
        };
        Binding::inside(base, probe)
    }
}

impl Lowering<'_> {
    /// Finds a place that is there when the workflow runs; says why, if its name is known and that is wrong.
    pub(super) fn resolve(&mut self, place: &Place) -> Option<Found> {
        let binding = self.scope.get(&place.root)?.clone();
        let name = &place.root;
        let span = place.fields.last().unwrap_or(name).span();
        let message = match (&binding.base, place.fields.first()) {
            (Base::Run, _) if !matches!(place.fields.as_slice(), [id] if id == "id") => {
                "of the running instance there is its id, `{run.id}`".to_owned()
            }
            (Base::Nothing, _) if is_unused(name) => {
                format!("`{name}` says that its result is not used: take the underscore away")
            }
            (Base::Nothing, _) => format!("`{name}` is a wait, which leaves nothing behind"),
            (_, Some(_)) if binding.is_rows() => {
                format!("`{name}` is all rows: capture them as a table, `FROM {{{name}.*}}`")
            }
            (Base::Run, Some(_)) => return Some(Found { binding, fields: place.fields.clone(), span }),
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
