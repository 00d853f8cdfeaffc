//! What words and methods take: constants, and values that are known when the step is reached.

use super::Lowering;
use crate::{
    fixed::Fixed,
    operand,
    plan::{Known, Method, Operand, Piece},
    scope::Base,
    sql::Place,
};
use syn::Expr;

impl Lowering<'_> {
    pub(super) fn operand(&mut self, operand: &operand::Operand) -> Operand {
        match operand {
            operand::Operand::Fixed(fixed) => {
                let instead = match fixed {
                    Fixed::Constant(_) | Fixed::Policy(_) => "this is fixed before, by a constant",
                    Fixed::Duration(_) => {
                        "a length that it finds out stands alone in braces, `{policy.wait}`"
                    }
                };
                self.refuse_captures(fixed.expr(), instead);
                Operand::Fixed(fixed.clone())
            }
            operand::Operand::Text(text) => Operand::Text(self.text(text)),
            operand::Operand::Captured(place) => Operand::Known(self.known(place)),
        }
    }

    /// Whether and when something is carried out again.
    pub(super) fn policy(&mut self, policy: &Expr) -> Fixed {
        self.refuse_captures(policy, "a policy is fixed before, by constants");
        Fixed::Policy(policy.clone())
    }

    pub(super) fn methods(&mut self, methods: &[operand::Method]) -> Vec<Method> {
        let methods = methods.iter().map(|operand::Method { name, argument }| Method {
            name: name.clone(),
            argument: self.operand(argument),
        });
        methods.collect()
    }

    fn known(&mut self, place: &Place) -> Known {
        let wrong = Known { text: Vec::new(), probe: None };
        let name = &place.root;
        let at = place.fields.last().unwrap_or(name).span();
        if self.scope.get(name).is_none() {
            self.errors.at(at, format!("`{name}` is not the result of a step that is seen here"));
            return wrong;
        }
        let Some(found) = self.resolve(place) else { return wrong };
        let text = match (&found.binding.base, found.fields.is_empty()) {
            _ if found.binding.is_option => {
                let message = format!("`{name}` may be missing: ask first, `if let Some({name}) = {name}`");
                self.errors.at(at, message);
                return wrong;
            }
            (Base::Run | Base::Nothing, _) => {
                self.errors.at(at, "this says neither how long nor until when");
                return wrong;
            }
            (Base::Rows(_), true) if found.binding.is_rows() => {
                self.errors.at(at, format!("`{name}` is all rows: take one of them in SQL"));
                return wrong;
            }
            (Base::Rows(_) | Base::Kept { .. }, true) => found.in_place(false),
            (Base::Rows(_) | Base::Document { .. } | Base::Kept { .. }, _) => {
                let mut text = found.fields();
                text.push(Piece::Text(format!("${}", found.path())));
                text
            }
        };
        Known { text, probe: found.probe() }
    }
}
