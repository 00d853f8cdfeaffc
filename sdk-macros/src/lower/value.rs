//! Values: the SQL that gives what `Ok(..)`, `break` and the branches of a `let` give.

use super::{
    Dest, Lowering, Wanted,
    choice::{Choice, is_list},
    found::{Found, Resolved},
};
use crate::{
    model::{Value, ValueKind},
    plan::{Argument, Field, Form, Leaf, Node, Piece, Probe},
    scope::Base,
    signature::argument_of,
    sql::unraw,
};
use syn::{Expr as Syntax, ExprLit, Ident, Lit, Type};

impl Lowering<'_> {
    /// `Ok(value)` at the end.
    pub(super) fn ok(&mut self, value: &Value, dest: &Dest) -> Vec<Node> {
        match (&value.kind, dest) {
            (ValueKind::Unit, _) => Vec::new(),
            (ValueKind::Step(step), _) => self.outcome(step, dest),
            (_, Dest::Branch(Wanted::As(choice)) | Dest::Name(choice)) => vec![self.give(value, choice)],
            (_, Dest::Branch(Wanted::No)) => {
                // Nobody asks for it, but it has to be right.
                self.way(value);
                Vec::new()
            }
            (_, Dest::Finish) if is_list(self.output) => vec![self.list(value)],
            (_, Dest::Finish) => vec![self.result(value)],
            (_, Dest::Nothing) => vec![Node::sql(self.way(value).columns, None)],
        }
    }

    /// Whether a value is all of what the last node leaves, so that nothing is to be selected again.
    pub(super) fn is_that(&self, value: &Value, last: &Node) -> bool {
        let (ValueKind::Place(place), Node::Leaf(Leaf { name: Some(last), .. })) = (&value.kind, last) else {
            return false;
        };
        let binding = self.scope.get(&place.root).filter(|_| place.fields.is_empty());
        binding.is_some_and(|binding| {
            !binding.is_rows()
                && !binding.is_option
                && matches!(&binding.base, Base::Rows(name) if name == last)
        })
    }

    /// A step that gives a value to a name, or to the race around it.
    pub(super) fn give(&mut self, value: &Value, choice: &Choice) -> Node {
        let Way { columns, document, form } = self.way(value);
        choice.offer(form, value.span(), self.errors);
        let argument = Argument::Either { columns, document, kept: choice.kept() };
        Node::Leaf(Leaf {
            word: "sql",
            argument,
            methods: Vec::new(),
            name: choice.name().map(str::to_owned),
            retry: None,
        })
    }

    /// A step that gives what the workflow returns.
    fn result(&mut self, value: &Value) -> Node {
        let Way { mut columns, form, .. } = self.way(value);
        if form != Form::Rows {
            columns.pop();
            columns.push(self.result_column(COLUMN));
        }
        Node::sql(columns, None)
    }

    /// A document is told from a row by the name of the column.
    fn result_column(&self, plain: &'static str) -> Piece {
        let inside = |ty, wrapper| argument_of(ty, wrapper).unwrap_or(ty);
        let ty = inside(inside(self.output, "Option"), "Vec");
        Piece::ResultColumn { plain, owner: Probe { root: ty.clone(), steps: Vec::new() } }
    }

    /// A step that gives the rows of a list, which is what the workflow returns.
    fn list(&mut self, value: &Value) -> Node {
        let place = match &value.kind {
            ValueKind::Some(inner) => return self.list(inner),
            ValueKind::Place(place) => self.scope.get(&place.root).is_some().then_some(place),
            ValueKind::Unit
            | ValueKind::Constant(_)
            | ValueKind::Struct { .. }
            | ValueKind::Tuple(_)
            | ValueKind::None
            | ValueKind::Step(_) => None,
        };
        let Some(place) = place else { return Node::sql(self.way(value).columns, None) };
        let Some(found) = self.resolve(place) else { return Node::Nothing };
        if found.is_result() {
            return Node::sql(self.again(&found), None);
        }
        let mut pieces = vec![Piece::Text("SELECT e.value".to_owned()), self.result_column("")];
        let elements = " FROM pg_catalog.jsonb_array_elements(pg_catalog.to_jsonb(";
        pieces.push(Piece::Text(elements.to_owned()));
        pieces.extend(self.column(&found));
        pieces.push(Piece::Text(")) AS e(value)".to_owned()));
        Node::sql(pieces, None)
    }

    /// Both forms in which a value may be kept.
    fn way(&mut self, value: &Value) -> Way {
        let none = || vec![Piece::Text("SELECT NULL AS value WHERE false".to_owned())];
        match &value.kind {
            ValueKind::Struct { ty, fields } if !fields.is_empty() => {
                let columns = self.columns(ty, fields);
                Way { columns, document: document(self.member(value, true)), form: Form::Rows }
            }
            ValueKind::None => Way { columns: none(), document: none(), form: Form::Rows },
            ValueKind::Some(inner) => self.way(inner),
            ValueKind::Place(place) => match self.resolve_or_constant(place, value) {
                Resolved::Found(found) if found.is_result() => {
                    let document = self.again_as_document(&found);
                    Way { columns: self.again(&found), document, form: Form::Rows }
                }
                Resolved::Found(found) => {
                    let form = found.form();
                    Way {
                        columns: column(self.column(&found)),
                        document: document(self.column(&found)),
                        form,
                    }
                }
                Resolved::Constant(constant) => Way {
                    columns: column(vec![constant]),
                    document: document(self.member(value, true)),
                    form: Form::Json,
                },
                Resolved::Wrong => Way { columns: Vec::new(), document: Vec::new(), form: Form::Rows },
            },
            ValueKind::Constant(constant) => {
                // What SQL has no literal for is sent as JSON.
                let form = match constant {
                    Syntax::Lit(_) | Syntax::Unary(_) => Form::Rows,
                    _ => Form::Json,
                };
                let columns = column(self.member(value, false));
                Way { columns, document: document(self.member(value, true)), form }
            }
            ValueKind::Step(_) => {
                Way { columns: self.member(value, false), document: Vec::new(), form: Form::Rows }
            }
            ValueKind::Unit | ValueKind::Struct { .. } | ValueKind::Tuple(_) => {
                let columns = column(self.member(value, false));
                Way { columns, document: document(self.member(value, true)), form: Form::Rows }
            }
        }
    }

    /// A struct as a row.
    fn columns(&mut self, ty: &Type, fields: &[(Ident, Value)]) -> Vec<Piece> {
        let mut pieces = vec![Piece::Text("SELECT ".to_owned())];
        for (nth, (field, value)) in fields.iter().enumerate() {
            if nth > 0 {
                pieces.push(Piece::Text(", ".to_owned()));
            }
            pieces.push(field_of(ty, field));
            pieces.extend(self.member(value, false));
            pieces.push(Piece::Text(format!(" AS {}", quoted(&unraw(field)))));
        }
        pieces
    }

    /// All of a named result of SQL once more.
    pub(super) fn again(&mut self, found: &Found) -> Vec<Piece> {
        let Base::Rows(name) = &found.binding.base else { return Vec::new() };
        if found.binding.is_rows() {
            return vec![Piece::Text("SELECT * FROM ".to_owned()), Piece::Rows(name.clone())];
        }
        let (name, nullable) = (name.clone(), found.binding.is_option);
        vec![Piece::Again { name, nullable, probe: found.binding.inner_probe() }]
    }

    /// The same, where other ways give documents.
    fn again_as_document(&self, found: &Found) -> Vec<Piece> {
        let Base::Rows(name) = &found.binding.base else { return Vec::new() };
        let (name, nullable) = (name.clone(), found.binding.is_option);
        vec![Piece::Document { name, nullable, probe: found.binding.inner_probe() }]
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
        if found.binding.is_rows() && found.fields.is_empty() {
            let message = "these are all rows: aggregate them in SQL, `SELECT json_agg(r) FROM (SELECT * FROM {rows.*}) r`";
            self.errors.at(found.span, message);
        }
        found.in_place(true)
    }
}

/// A value on its way to a name.
struct Way {
    /// The statement where the name has rows.
    columns: Vec<Piece>,
    /// The statement where the name has a document.
    document: Vec<Piece>,
    form: Form,
}

/// The name of a column that is not a field.
const COLUMN: &str = " AS value";

/// A statement that gives one column.
fn column(value: Vec<Piece>) -> Vec<Piece> {
    around("SELECT ", value, COLUMN)
}

/// A statement that gives a document. It has the value inside, since a part of a document takes the SQL type of its
/// place, and a whole one has its own.
fn document(value: Vec<Piece>) -> Vec<Piece> {
    around("SELECT pg_catalog.jsonb_build_object('value', ", value, ") AS value")
}

fn around(before: &str, value: Vec<Piece>, behind: &str) -> Vec<Piece> {
    let text = |text: &str| Piece::Text(text.to_owned());
    std::iter::once(text(before)).chain(value).chain(std::iter::once(text(behind))).collect()
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
