//! Conditions: what an IF asks, and what `if let` binds.

use super::{Lowering, found::Found};
use crate::{
    model::{Condition, Left, Source, Step},
    plan::{Node, Piece, Reference},
    scope::Base,
    signature::argument_of,
    sql::unraw,
    word,
};
use syn::{Ident, spanned::Spanned as _};

/// A condition that was looked at.
pub(super) enum Asked {
    Node {
        node: Node,
        negated: bool,
    },
    Some {
        nodes: Vec<Node>,
        found: Found,
    },
    /// It was wrong.
    Nothing,
}

impl Lowering<'_> {
    /// Looks at a condition, and binds what it binds.
    pub(super) fn asked(&mut self, condition: &Condition) -> Asked {
        match condition {
            Condition::Step { step, negated } => {
                Asked::Node { node: self.step(step, None), negated: *negated }
            }
            Condition::Place { place, negated, syntax } => {
                let Some(found) = self.resolve(place) else {
                    if self.scope.get(&place.root).is_none() {
                        self.errors.at(
                            syntax.span(),
                            "a condition is a step or a captured boolean; a constant is known before",
                        );
                    }
                    return Asked::Nothing;
                };
                if found.binding.is_option {
                    let name = &place.root;
                    let message =
                        format!("`{name}` may be missing: ask first, `if let Some({name}) = {name}`");
                    self.errors.at(syntax.span(), message);
                    return Asked::Nothing;
                }
                let mut pieces = vec![Piece::Text("SELECT ".to_owned())];
                pieces.extend(self.column(&found));
                Asked::Node { node: Node::sql(pieces, None), negated: *negated }
            }
            Condition::Some { name, source, .. } => {
                let (nodes, found) = match source {
                    Source::Step(step) => self.looked_at(step, name.as_ref()),
                    Source::Place { place, syntax } => {
                        let found = self.resolve(place);
                        if found.is_none() && self.scope.get(&place.root).is_none() {
                            let message = "`if let` looks into a captured name or field, or into a step that is awaited";
                            self.errors.at(syntax.span(), message);
                        }
                        (Vec::new(), found)
                    }
                };
                let Some(found) = found else { return Asked::Nothing };
                if let Some(name) = name {
                    self.scope.bind(name, found.inside());
                }
                Asked::Some { nodes, found }
            }
        }
    }

    pub(super) fn decided(&mut self, asked: Asked, then: Vec<Node>, otherwise: Vec<Node>) -> Vec<Node> {
        match asked {
            Asked::Nothing => Vec::new(),
            Asked::Node { node, negated } => {
                let (then, otherwise) = if negated { (otherwise, then) } else { (then, otherwise) };
                vec![Node::If {
                    condition: Box::new(node),
                    then: Box::new(Node::sequence(then)),
                    otherwise: Box::new(Node::sequence(otherwise)),
                }]
            }
            Asked::Some { mut nodes, found } => {
                nodes.push(self.if_some(&found, then, otherwise));
                nodes
            }
        }
    }

    pub(super) fn if_some(&mut self, found: &Found, then: Vec<Node>, otherwise: Vec<Node>) -> Node {
        let (then, otherwise) = (Box::new(Node::sequence(then)), Box::new(Node::sequence(otherwise)));
        let pieces = match (&found.binding.base, found.fields.is_empty()) {
            (Base::Rows(name), true) => {
                let (name, probe) = (name.clone(), found.binding.inner_probe());
                return Node::IfSome { name, probe, then, otherwise };
            }
            (Base::Document { timed_out: Some(timed_out), .. }, true) => {
                vec![Piece::Text(format!("SELECT NOT ${timed_out}"))]
            }
            (Base::Kept { name, form }, true) => {
                let mut kept = found.binding.kept(form.clone());
                kept.nullable = true;
                vec![
                    Piece::Text("SELECT ".to_owned()),
                    Piece::Kept { name: name.clone(), cast: true, kept },
                    Piece::Text(" IS NOT NULL".to_owned()),
                ]
            }
            (Base::Rows(_) | Base::Document { .. } | Base::Kept { .. } | Base::Run | Base::Nothing, _) => {
                let mut pieces = found.fields();
                pieces.extend([
                    Piece::Text("SELECT ".to_owned()),
                    Piece::Reference(Reference {
                        nullable: true,
                        cast: found.is_json(),
                        ..found.reference()
                    }),
                    Piece::Text(" IS NOT NULL".to_owned()),
                ]);
                pieces
            }
        };
        Node::If { condition: Box::new(Node::sql(pieces, None)), then, otherwise }
    }

    /// A step whose result is looked into at once.
    pub(super) fn looked_at(&mut self, step: &Step, name: Option<&Ident>) -> (Vec<Node>, Option<Found>) {
        let ty = match (step.left(), step.returns()) {
            // The type is that of the member, which may be missing.
            (Left::Document(_), Some(ty)) if argument_of(ty, "Option").is_none() => {
                Some(syn::parse_quote!(Option<#ty>))
            }
            (Left::Rows | Left::Document(_), ty) => ty.cloned(),
            (Left::Nothing | Left::Each(_) | Left::First(_), _) => {
                let message =
                    format!("only {} can be looked into: bind this to a name first", word::looked_into());
                self.errors.at(step.span, message);
                return (Vec::new(), None);
            }
        };
        let given = self.names.give(&name.map_or("value".to_owned(), unraw));
        let node = self.step(step, Some(&given));
        let mut binding = self.binding_of(step, &given, ty.as_ref());
        binding.is_option = true;
        (vec![node], Some(Found { binding, fields: Vec::new(), span: step.span }))
    }
}
