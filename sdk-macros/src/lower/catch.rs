//! `match` on what may fail: CATCH, whose handler is the arm of the failure.
//!
//! That arm cannot be the handler where what follows the `match` would have to move into the body, since it is not to be caught
//! there: where it has a `return`, and where the other arm has steps of its own. Then CATCH only tells whether its body has
//! failed, and an IF behind it chooses between the arms, as behind the race of a `select!`.

use super::{Dest, Flow, Lowering, Rest, Wanted, choice::Choice};
use crate::{
    model::{Arrival, Branch, Catch, Left, Pattern, Step, StepKind},
    plan::{Node, Piece},
    scope::{Base, Binding, Holds, is_unused},
    sql::unraw,
};
use pg_durable_syntax::name::CAUGHT;
use syn::{Ident, Type};

impl Lowering<'_> {
    pub(super) fn catch(&mut self, catch: &Catch, dest: &Dest, rest: Option<&Rest<'_>>) -> Flow {
        let skips = catch.leaves() && rest.is_some_and(|rest| !rest.is_empty());
        let nodes = match catch.hands_on() && !skips {
            true => vec![self.handled(catch, dest)],
            false => self.told(catch, dest, rest),
        };
        Flow { nodes, ends: catch.ends() }
    }

    /// Both ways of a CATCH give the value.
    fn handled(&mut self, catch: &Catch, dest: &Dest) -> Node {
        let of_body = if catch.is_empty() { &Dest::Nothing } else { dest };
        let body = self.tried(&catch.body, of_body);
        let outer = self.scope.clone();
        if let (Pattern::Name(name), true) = (&catch.ok.pattern, catch.is_empty()) {
            self.scope.bind(name, Binding::new(Base::Nothing, None));
        }
        let error = self.bind_error(&catch.err, None);
        let handler = Node::sequence(self.block(&catch.err.block, dest, None));
        self.scope = outer;
        Node::Catch { body: Box::new(body), handler: Box::new(handler), error }
    }

    /// What a CATCH leaves tells whether there was a failure, and the arms are the ways of an IF.
    fn told(&mut self, catch: &Catch, dest: &Dest, rest: Option<&Rest<'_>>) -> Vec<Node> {
        let (name, body, value) = self.telling_body(catch, dest);
        let error = self.names.give("error");
        let select = vec![Piece::Text(format!("SELECT ${error} AS {CAUGHT}"))];
        let handler = Node::sql(select, Some(name.clone()));
        let outer = self.scope.clone();
        let then = match (&catch.ok.pattern, value) {
            // It has the name already.
            _ if catch.hands_on() => self.after(rest),
            (Pattern::Name(bound), Some(value)) => {
                self.scope.bind(bound, value);
                self.scope.settle();
                self.block(&catch.ok.block, dest, rest)
            }
            (Pattern::Name(_) | Pattern::Ignored | Pattern::Tuple(_) | Pattern::Some(_), _) => {
                self.block(&catch.ok.block, dest, rest)
            }
        };
        self.scope = outer.clone();
        self.bind_error(&catch.err, Some(format!("{name}.{CAUGHT}")));
        let otherwise = self.block(&catch.err.block, dest, rest);
        self.scope = outer;
        let condition = vec![Piece::Text(format!("SELECT ${name}.{CAUGHT}? IS NULL"))];
        vec![
            Node::Catch { body: Box::new(body), handler: Box::new(handler), error },
            Node::If {
                condition: Box::new(Node::sql(condition, None)),
                then: Box::new(Node::sequence(then)),
                otherwise: Box::new(Node::sequence(otherwise)),
            },
        ]
    }

    /// The name that a body binds at its end, the body, and what the name stands for where it has a value.
    fn telling_body(&mut self, catch: &Catch, dest: &Dest) -> (String, Node, Option<Binding>) {
        let choice = match (&catch.ok.pattern, dest) {
            (_, Dest::Name(choice)) if catch.hands_on() => choice.clone(),
            (Pattern::Name(name), _) if !is_unused(name) && !catch.hands_on() => {
                Choice::new(Some(self.names.give(&unraw(name))), type_of(&catch.body))
            }
            (Pattern::Name(_) | Pattern::Ignored | Pattern::Tuple(_) | Pattern::Some(_), _) => {
                let name = self.names.give("caught");
                let body = self.tried(&catch.body, &Dest::Nothing);
                let nothing = vec![Piece::Text(format!("SELECT NULL AS {CAUGHT}"))];
                let nodes = vec![body, Node::sql(nothing, Some(name.clone()))];
                return (name, Node::sequence(nodes), None);
            }
        };
        let body = self.tried(&catch.body, &Dest::Name(choice.clone()));
        let name = choice.name().map(str::to_owned);
        (name.unwrap_or_default(), body, Some(choice.binding()))
    }

    /// The body, whose value is wanted unless `dest` is nothing.
    fn tried(&mut self, body: &Branch, dest: &Dest) -> Node {
        match (body, dest) {
            (Branch::Block(_), _) => self.inner(body, dest),
            (Branch::Step(step), Dest::Nothing | Dest::Branch(Wanted::No)) => self.step(step, None),
            (Branch::Step(step), Dest::Name(_) | Dest::Branch(Wanted::As(_)) | Dest::Finish) => {
                if has_value(step) {
                    return self.inner(body, dest);
                }
                let message = "the value of this is given by a block: `match async { let x: T = ….await?; Ok(x) }.await { … }`";
                self.errors.at(step.span, message);
                Node::Nothing
            }
        }
    }

    /// Binds the failure, which CATCH shows under the name that is returned, or which is at another path.
    fn bind_error(&mut self, err: &Arrival, path: Option<String>) -> String {
        let name: Option<&Ident> = match &err.pattern {
            Pattern::Name(name) => Some(name),
            Pattern::Ignored | Pattern::Tuple(_) | Pattern::Some(_) => None,
        };
        let path = path.unwrap_or_else(|| {
            let plain = name.filter(|name| !is_unused(name)).map_or_else(|| "error".to_owned(), unraw);
            self.names.give(&plain)
        });
        if let Some(name) = name {
            let ty: Type = syn::parse_quote!(::pg_durable_sdk::Caught);
            let base = Base::Document { path: path.clone(), holds: Holds::Part, timed_out: None };
            self.scope.bind(name, Binding::new(base, Some(&ty)));
        }
        path
    }
}

/// Whether the rows of a step are its value, or it is a block of such.
fn has_value(step: &Step) -> bool {
    match (&step.kind, step.left()) {
        (StepKind::Retry(_), _) | (StepKind::Leaf(_), Left::Rows) => true,
        (StepKind::Leaf(_) | StepKind::Join(_) | StepKind::Race(_), _) => false,
    }
}

/// What a step says that its value is read as.
fn type_of(body: &Branch) -> Option<&Type> {
    match body {
        Branch::Step(step) => step.returns(),
        Branch::Block(_) => None,
    }
}
