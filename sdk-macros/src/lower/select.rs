//! `select!`: a race that tells who has won, and the handler of that one.

use super::{Dest, Lowering, Rest};
use crate::{
    model::{Arm, Pattern, Select},
    plan::{Node, Piece},
};

impl Lowering<'_> {
    pub(super) fn select(&mut self, select: &Select, dest: &Dest, rest: Option<&Rest<'_>>) -> Vec<Node> {
        let branches = select.arms.iter().map(|arm| self.step(&arm.event, None)).collect();
        let given = self.names.give("selected");
        let outer = self.scope.clone();
        let mut handlers = Vec::new();
        for arm in &select.arms {
            self.bind_event(arm, &given);
            handlers.push(Node::sequence(self.block(&arm.handler, dest, rest)));
            // What one arm binds is not seen in the others.
            self.scope = outer.clone();
        }
        let chosen = chosen(&given, handlers);
        let race = Node::Race { branches, name: Some(given), is_tagged: true };
        std::iter::once(race).chain(chosen).collect()
    }

    /// Lets the handler look into what the race has kept of its event.
    fn bind_event(&mut self, arm: &Arm, given: &str) {
        let ty = self.type_of(&arm.event, arm.ty.as_ref());
        match &arm.pattern {
            Pattern::Name(name) => {
                let binding = self.binding_of(&arm.event, &format!("{given}.result"), ty.as_ref());
                self.scope.bind(name, binding);
            }
            Pattern::Ignored | Pattern::Tuple(_) | Pattern::Some(_) => {}
        }
    }
}

/// The handler of the arm that was chosen: one IF for each but the last.
fn chosen(given: &str, mut handlers: Vec<Node>) -> Option<Node> {
    let last = handlers.pop()?;
    let arms = handlers.into_iter().enumerate().rev();
    Some(arms.fold(last, |otherwise, (nth, handler)| {
        let condition = vec![Piece::Text(format!("SELECT ${given}.branch = {}", nth + 1))];
        Node::If {
            condition: Box::new(Node::sql(condition, None)),
            then: Box::new(handler),
            otherwise: Box::new(otherwise),
        }
    }))
}
