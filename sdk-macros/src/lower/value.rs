//! Values: the SQL that gives what `Ok(..)`, `break` and the branches of a `let` give.

use super::{
    Dest, Lowering, Wanted,
    found::{Found, Resolved},
};
use crate::{
    model::{Value, ValueKind},
    plan::{Field, Leaf, Node, Piece, Probe},
    scope::Base,
    sql::unraw,
};
use syn::{Expr as Syntax, ExprLit, Ident, Lit, Type};

impl Lowering<'_> {
    /// `Ok(value)` at the end.
    pub(super) fn ok(&mut self, value: &Value, dest: &Dest) -> Vec<Node> {
        match (&value.kind, dest) {
            (ValueKind::Unit, _) => Vec::new(),
            (ValueKind::Step(step), _) => self.outcome(step, dest),
            (_, Dest::Branch(Wanted::AsName(name))) => vec![self.select(value, Some(name))],
            (_, Dest::Branch(Wanted::No)) => {
                // Nobody asks for it, but it has to be right.
                self.select(value, None);
                Vec::new()
            }
            (_, Dest::Branch(Wanted::AsResult) | Dest::Finish | Dest::Nothing | Dest::Name(_)) => {
                vec![self.select(value, None)]
            }
        }
    }

    /// Whether a value is all of what the last node leaves, so that nothing is to be selected again.
    pub(super) fn is_that(&self, value: &Value, last: &Node) -> bool {
        let (ValueKind::Place(place), Node::Leaf(Leaf { name: Some(last), .. })) = (&value.kind, last) else {
            return false;
        };
        let binding = self.scope.get(&place.root).filter(|_| place.fields.is_empty());
        binding.is_some_and(|binding| {
            !binding.is_list
                && !binding.is_option
                && matches!(&binding.base, Base::Rows(name) if name == last)
        })
    }

    /// A step that gives a value.
    pub(super) fn select(&mut self, value: &Value, name: Option<&str>) -> Node {
        let text = |text: &str| Piece::Text(text.to_owned());
        let mut pieces = vec![text("SELECT ")];
        match &value.kind {
            ValueKind::Struct { ty, fields } if !fields.is_empty() => {
                for (nth, (field, value)) in fields.iter().enumerate() {
                    if nth > 0 {
                        pieces.push(text(", "));
                    }
                    pieces.push(field_of(ty, field));
                    pieces.extend(self.member(value, false));
                    pieces.push(Piece::Text(format!(" AS {}", quoted(&unraw(field)))));
                }
            }
            ValueKind::None => pieces.push(text("NULL AS value WHERE false")),
            ValueKind::Some(inner) => return self.select(inner, name),
            ValueKind::Place(place) => match self.resolve_or_constant(place, value) {
                Resolved::Found(found)
                    if found.fields.is_empty() && matches!(found.binding.base, Base::Rows(_)) =>
                {
                    pieces = self.again(&found);
                }
                Resolved::Found(found) => {
                    pieces.extend(self.column(&found));
                    pieces.push(text(" AS value"));
                }
                Resolved::Constant(constant) => pieces.extend([constant, text(" AS value")]),
                Resolved::Wrong => {}
            },
            ValueKind::Unit
            | ValueKind::Constant(_)
            | ValueKind::Struct { .. }
            | ValueKind::Tuple(_)
            | ValueKind::Step(_) => {
                pieces.extend(self.member(value, false));
                pieces.push(text(" AS value"));
            }
        }
        Node::sql(pieces, name.map(str::to_owned))
    }

    /// All of a named result of SQL once more.
    pub(super) fn again(&mut self, found: &Found) -> Vec<Piece> {
        let Base::Rows(name) = &found.binding.base else { return Vec::new() };
        if found.binding.is_list {
            return vec![Piece::Text("SELECT * FROM ".to_owned()), Piece::Rows(name.clone())];
        }
        let (name, nullable) = (name.clone(), found.binding.is_option);
        vec![Piece::Again { name, nullable, probe: found.binding.inner_probe() }]
    }

    /// A value as one expression of SQL; `in_json` where it becomes a part of a JSON document.
    pub(super) fn member(&mut self, value: &Value, in_json: bool) -> Vec<Piece> {
        let text = |text: &str| Piece::Text(text.to_owned());
        match &value.kind {
            ValueKind::Place(place) => match self.resolve_or_constant(place, value) {
                Resolved::Found(found) => self.column(&found),
                Resolved::Constant(constant) => vec![constant],
                Resolved::Wrong => Vec::new(),
            },
            ValueKind::Constant(constant) => vec![literal(constant, in_json)],
            ValueKind::Struct { ty, fields } => {
                let mut pieces = vec![text("pg_catalog.jsonb_build_object(")];
                for (nth, (field, value)) in fields.iter().enumerate() {
                    let comma = if nth > 0 { ", " } else { "" };
                    pieces.push(field_of(ty, field));
                    pieces.push(Piece::Text(format!("{comma}'{}', ", unraw(field))));
                    pieces.extend(self.member(value, true));
                }
                pieces.push(text(")"));
                pieces
            }
            ValueKind::Tuple(values) => {
                let mut pieces = vec![text("pg_catalog.jsonb_build_array(")];
                for (nth, value) in values.iter().enumerate() {
                    if nth > 0 {
                        pieces.push(text(", "));
                    }
                    pieces.extend(self.member(value, true));
                }
                pieces.push(text(")"));
                pieces
            }
            ValueKind::Some(inner) => self.member(inner, in_json),
            ValueKind::None | ValueKind::Unit => vec![text("NULL")],
            ValueKind::Step(step) => {
                self.errors.at(step.span, "bind this to a name first: `let x: T = ….await?;`");
                Vec::new()
            }
        }
    }

    /// What a place holds, as one expression of SQL.
    pub(super) fn column(&mut self, found: &Found) -> Vec<Piece> {
        if found.binding.is_list && found.fields.is_empty() {
            let message = "these are all rows: aggregate them in SQL, `SELECT json_agg(r) FROM {rows.*} r`";
            self.errors.at(found.span, message);
        }
        found.in_place(true)
    }
}

/// A literal as SQL where SQL has the same, else a parameter.
pub(super) fn literal(constant: &Syntax, in_json: bool) -> Piece {
    let cast = |text: String, ty: &str| Piece::Text(if in_json { format!("{text}::{ty}") } else { text });
    let number = |number: &syn::LitInt, sign: &str| format!("{sign}{}", number.base10_digits());
    match constant {
        Syntax::Lit(ExprLit { lit: Lit::Int(int), .. }) => Piece::Text(number(int, "")),
        Syntax::Lit(ExprLit { lit: Lit::Bool(truth), .. }) => Piece::Text(truth.value.to_string()),
        Syntax::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            // `$name` is a reference in a literal, too.
            if text.value().contains(['$', '{', '\0']) {
                return Piece::Value { value: constant.clone(), cast: true };
            }
            cast(format!("'{}'", text.value().replace('\'', "''")), "text")
        }
        other => Piece::Value { value: other.clone(), cast: true },
    }
}

/// Asks that a struct that is put together here reads the field by its name.
pub(super) fn field_of(ty: &Type, field: &Ident) -> Piece {
    let owner = Probe { root: ty.clone(), steps: Vec::new() };
    Piece::Field(Field { owner, name: unraw(field) })
}

/// A name for a column: as it is, where PostgreSQL reads it back as it is.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain { name.to_owned() } else { format!("\"{name}\"") }
}
