//! From what the body says to the nodes of the graph.
//!
//! A graph has no `return`: what follows a branch that leaves is moved into the branch that does not. A value
//! that is chosen on several ways is the result of the last step of each, all under one name.

mod catch;
mod choice;
mod condition;
mod found;
mod leaving;
mod operand;
mod select;
mod step;
mod value;

use crate::{
    errors::Errors,
    model::{Block, Condition, Else, Expr, If, Let, Pattern, Stmt, Value, ValueKind},
    plan::Node,
    scope::{Base, Binding, Holds, Names, Scope},
    signature::Signature,
    sql::unraw,
};
use choice::Choice;
use leaving::breaks;
use proc_macro2::Span;
use std::cell::Cell;
use syn::{Ident, Type, spanned::Spanned as _};

/// Makes the nodes of a body, and finds the names in it that are not used.
pub fn lower(signature: &Signature, body: &Block, errors: &mut Errors) -> (Node, Vec<Ident>) {
    let mut scope = Scope::new();
    if let Some(input) = &signature.input {
        let base = Base::Document { path: "input".to_owned(), holds: Holds::Part, timed_out: None };
        scope.bind_input(&input.ident, Binding::new(base, Some(&input.ty)));
    }
    let output = &signature.output;
    let mut lowering =
        Lowering { scope, names: Names::new(), errors, output, loops: Vec::new(), in_branch: false };
    let node = Node::sequence(lowering.block(body, &Dest::Finish, None));
    (node, lowering.scope.unused())
}

struct Lowering<'e> {
    scope: Scope,
    names: Names,
    errors: &'e mut Errors,
    /// What the workflow returns.
    output: &'e Type,
    /// For each loop around here what becomes of the value of a `break`.
    loops: Vec<Dest>,
    /// Whether this is an `async` block.
    in_branch: bool,
}

/// What becomes of the value at the end of a block.
#[derive(Clone)]
enum Dest {
    Nothing,
    /// It is captured later.
    Name(Choice),
    /// It is the result of the workflow, and wrapped in `Ok`.
    Finish,
    /// It is the result of an `async` block, and wrapped in `Ok`.
    Branch(Wanted),
}

/// Whether anybody asks for the value of an `async` block.
#[derive(Clone)]
enum Wanted {
    No,
    /// It is that of a name, or of the race around it.
    As(Choice),
}

/// What comes after a block, where that has to be moved into it.
struct Rest<'a> {
    stmts: &'a [Stmt],
    tail: Option<&'a Expr>,
    end: Span,
    dest: &'a Dest,
    scope: Scope,
    next: Option<&'a Rest<'a>>,
    is_used: Cell<bool>,
}

impl Rest<'_> {
    fn is_empty(&self) -> bool {
        self.stmts.is_empty()
            && self.tail.is_none()
            && matches!(self.dest, Dest::Nothing)
            && self.next.is_none_or(Rest::is_empty)
    }
}

/// Nodes, and whether anything can come after them.
struct Flow {
    nodes: Vec<Node>,
    ends: bool,
}

impl Lowering<'_> {
    fn block(&mut self, block: &Block, dest: &Dest, rest: Option<&Rest<'_>>) -> Vec<Node> {
        let outer = self.scope.clone();
        // What was not understood may have been the value, unless that is there.
        let dest = if block.is_whole || block.tail.is_some() { dest } else { &Dest::Nothing };
        let nodes = self.run(&block.stmts, block.tail.as_deref(), block.end, dest, rest);
        self.scope = outer;
        nodes
    }

    fn run(
        &mut self,
        stmts: &[Stmt],
        tail: Option<&Expr>,
        end: Span,
        dest: &Dest,
        rest: Option<&Rest<'_>>,
    ) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (nth, stmt) in stmts.iter().enumerate() {
            let after = |scope: Scope| Rest {
                stmts: &stmts[nth + 1..],
                tail,
                end,
                dest,
                scope,
                next: rest,
                is_used: Cell::new(false),
            };
            let flow = match stmt {
                Stmt::Let(binding) => self.let_stmt(binding, &after),
                Stmt::Expr(expr) if expr.parts() => {
                    let after = after(self.scope.clone());
                    Flow { nodes: self.expr(expr, &Dest::Nothing, Some(&after)).nodes, ends: true }
                }
                Stmt::Expr(expr) => self.expr(expr, &Dest::Nothing, None),
            };
            nodes.extend(flow.nodes);
            if flow.ends {
                return nodes;
            }
        }
        match tail {
            Some(tail) if tail.parts() && rest.is_some() => {
                nodes.extend(self.expr(tail, dest, rest).nodes);
            }
            Some(tail) => {
                if let (Some(name), Expr::Ok(value)) = (dest.is_final().then(|| nodes.last()).flatten(), tail)
                    && self.is_that(value, name)
                {
                    return nodes;
                }
                let flow = self.expr(tail, dest, None);
                nodes.extend(flow.nodes);
                if !flow.ends {
                    nodes.extend(self.after(rest));
                }
            }
            None => match (rest, dest) {
                (Some(_), _) => nodes.extend(self.after(rest)),
                (None, Dest::Nothing) => {}
                (None, Dest::Finish | Dest::Branch(_)) => {
                    self.errors.at(end, "this ends without a value: write `Ok(..)` last, `Ok(())` for none");
                }
                (None, Dest::Name(_)) => self.errors.at(end, "this way gives no value to the name"),
            },
        }
        nodes
    }

    /// What was to come after the block that ends here.
    fn after(&mut self, rest: Option<&Rest<'_>>) -> Vec<Node> {
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else { return Vec::new() };
        if rest.is_used.replace(true) {
            let at = match (rest.stmts.first(), rest.tail) {
                (Some(stmt), _) => stmt.span(),
                (None, Some(tail)) => tail.span(),
                (None, None) => rest.end,
            };
            self.errors.at(
                at,
                "two ways lead here past a `return` or `continue` in one of the branches above, and a graph would \
                 need this twice: let that branch end with the `return` on every way through it",
            );
            return Vec::new();
        }
        let here = std::mem::replace(&mut self.scope, rest.scope.clone());
        self.scope.settle();
        let nodes = self.run(rest.stmts, rest.tail, rest.end, rest.dest, rest.next);
        self.scope = here;
        nodes
    }

    fn let_stmt<'a>(&mut self, binding: &'a Let, after: &dyn Fn(Scope) -> Rest<'a>) -> Flow {
        if let Some(otherwise) = &binding.otherwise {
            return self.let_else(binding, otherwise, after);
        }
        let on = |nodes| Flow { nodes, ends: false };
        match &binding.value {
            Expr::Step(step) => on(vec![self.bound_step(step, &binding.pattern, binding.ty.as_ref())]),
            Expr::Outcome(step) => {
                self.errors.at(step.span, "this binds a `Result`: write `.await?`");
                on(Vec::new())
            }
            Expr::If(_) | Expr::Select(_) | Expr::Catch(_) | Expr::Loop { .. } => {
                let name = match &binding.pattern {
                    Pattern::Name(name) => Some(name),
                    Pattern::Ignored => None,
                    Pattern::Tuple(_) | Pattern::Some(_) => {
                        let message = "bind the value to a name and capture its fields: `{name.field}`";
                        self.errors.at(binding.syntax.span(), message);
                        None
                    }
                };
                if let (Some(name), None) = (name, &binding.ty) {
                    self.errors.at(name.span(), format!("say the type of the value: `let {name}: T = …`"));
                }
                let dest = match name {
                    Some(name) => {
                        Dest::Name(Choice::new(Some(self.names.give(&unraw(name))), binding.ty.as_ref()))
                    }
                    None => Dest::Nothing,
                };
                let mut scope = self.scope.clone();
                if let (Some(name), Dest::Name(choice)) = (name, &dest) {
                    scope.bind(name, choice.binding());
                }
                let flow = match &binding.value {
                    value if value.parts() => {
                        let after = after(scope.clone());
                        Flow { nodes: self.expr(value, &dest, Some(&after)).nodes, ends: true }
                    }
                    other => self.expr(other, &dest, None),
                };
                self.scope = scope;
                self.scope.settle();
                flow
            }
            Expr::Value(value) => {
                self.errors.at(
                    value.span(),
                    "`let` binds the result of a step: capture the value itself where it is needed, as in `{order.id}`",
                );
                on(Vec::new())
            }
            Expr::Ok(value) => {
                self.errors.at(value.span(), "`Ok(..)` ends the workflow: bind the value of a step");
                on(Vec::new())
            }
            Expr::While { span, .. } => {
                self.errors.at(*span, "`while` has no value: use `loop` and `break value`");
                on(Vec::new())
            }
            leave @ (Expr::Break { .. } | Expr::Continue(_) | Expr::Return { .. } | Expr::Fail(_)) => {
                self.errors.at(leave.span(), "this leaves before anything is bound");
                on(Vec::new())
            }
        }
    }

    /// `let Some(x) = y else { … };` is `if let Some(x) = y { the rest } else { … }`.
    fn let_else<'a>(
        &mut self,
        binding: &'a Let,
        otherwise: &Block,
        after: &dyn Fn(Scope) -> Rest<'a>,
    ) -> Flow {
        let Pattern::Some(name) = &binding.pattern else {
            self.errors.at(
                binding.syntax.span(),
                "`let … else` looks into an `Option`: `let Some(x) = name else { … }`",
            );
            return Flow { nodes: Vec::new(), ends: false };
        };
        let (mut nodes, source) = match &binding.value {
            Expr::Step(step) => self.looked_at(step, name.as_ref()),
            Expr::Value(Value { kind: ValueKind::Place(place), .. }) => (Vec::new(), self.resolve(place)),
            other => {
                self.errors
                    .at(other.span(), "`let … else` looks into a captured name or field, or into a step");
                (Vec::new(), None)
            }
        };
        let Some(source) = source else { return Flow { nodes, ends: false } };
        let mut scope = self.scope.clone();
        if let Some(name) = name {
            scope.bind(name, source.inside());
        }
        let rest = after(scope);
        let then = self.after(Some(&rest));
        let otherwise = self.block(otherwise, &Dest::Nothing, None);
        nodes.push(self.if_some(&source, then, otherwise));
        Flow { nodes, ends: true }
    }

    fn expr(&mut self, expr: &Expr, dest: &Dest, rest: Option<&Rest<'_>>) -> Flow {
        let on = |nodes| Flow { nodes, ends: false };
        match (expr, dest) {
            (Expr::Step(step), Dest::Nothing) => on(vec![self.step(step, None)]),
            (Expr::Step(step), Dest::Name(choice)) => on(vec![self.valued_step(step, choice)]),
            (Expr::Step(step), Dest::Finish | Dest::Branch(_)) => {
                self.errors.at(
                    step.span,
                    "the last value is a `Result`: write `Ok(..)` around it, or `.await` without `?`",
                );
                on(Vec::new())
            }
            (Expr::Outcome(step), Dest::Finish | Dest::Branch(_)) => on(self.outcome(step, dest)),
            (Expr::Outcome(step), Dest::Nothing | Dest::Name(_)) => {
                self.errors.at(step.span, "a step can fail: write `.await?`");
                on(Vec::new())
            }
            (Expr::Ok(value), Dest::Finish | Dest::Branch(_)) => on(self.ok(value, dest)),
            (Expr::Ok(value), Dest::Nothing | Dest::Name(_)) => {
                self.errors.at(
                    value.span(),
                    "`Ok(..)` is the last value of the workflow: write `return Ok(..);` to leave here",
                );
                on(Vec::new())
            }
            (Expr::Value(value), Dest::Name(choice)) => on(vec![self.give(value, choice)]),
            (Expr::Value(Value { kind: ValueKind::Unit, .. }), Dest::Nothing) => on(Vec::new()),
            (Expr::Value(value), Dest::Nothing) => {
                self.errors.at(value.span(), "this value goes nowhere: bind it, or leave it out");
                on(Vec::new())
            }
            (Expr::Value(value), Dest::Finish | Dest::Branch(_)) => {
                self.errors.at(value.span(), "the last value is a `Result`: write `Ok(..)` around it");
                on(Vec::new())
            }
            (Expr::If(branch), _) => {
                let nodes = self.branch(branch, dest, rest);
                Flow { ends: branch.ends(), nodes }
            }
            (Expr::Select(select), _) => {
                let nodes = self.select(select, dest, rest);
                Flow { ends: select.ends(), nodes }
            }
            (Expr::Catch(catch), _) => self.catch(catch, dest, rest),
            (Expr::While { condition, body, span }, _) => {
                if !matches!(dest, Dest::Nothing) {
                    self.errors.at(*span, "`while` has no value: write `Ok(..)` behind it");
                }
                on(vec![self.while_loop(condition, body)])
            }
            (Expr::Loop { body, span }, _) => self.endless_loop(body, *span, dest),
            (Expr::Break { value, span }, _) => {
                Flow { nodes: self.leave_loop(value.as_deref(), *span), ends: true }
            }
            (Expr::Continue(span), _) => {
                if self.loops.is_empty() {
                    self.errors.at(*span, "`continue` stands in no loop here");
                }
                Flow { nodes: Vec::new(), ends: true }
            }
            (Expr::Fail(step), _) => Flow { nodes: vec![self.step(step, None)], ends: true },
            (Expr::Return { value, span }, _) => {
                if self.in_branch {
                    self.errors.at(
                        *span,
                        "an `async` block cannot end the workflow: end the block with its value, `Ok(..)`",
                    );
                } else if !self.loops.is_empty() {
                    self.errors.at(*span, "a graph cannot return out of a loop: `break` with a value and return it after the loop");
                }
                Flow { nodes: self.expr(value, &Dest::Finish, None).nodes, ends: true }
            }
        }
    }

    fn endless_loop(&mut self, body: &Block, span: Span, dest: &Dest) -> Flow {
        let ends = !breaks(body);
        let dest = match (dest, ends) {
            (Dest::Finish | Dest::Branch(_), false) => {
                self.errors.at(span, "bind the value of the loop to a name, and give it with `Ok(name)`");
                &Dest::Nothing
            }
            (Dest::Nothing | Dest::Name(_), _) | (Dest::Finish | Dest::Branch(_), true) => dest,
        };
        self.loops.push(dest.clone());
        let body = self.block(body, &Dest::Nothing, None);
        self.loops.pop();
        Flow { nodes: vec![Node::Loop(Box::new(Node::sequence(body)))], ends }
    }

    fn leave_loop(&mut self, value: Option<&Expr>, span: Span) -> Vec<Node> {
        let Some(dest) = self.loops.last().cloned() else {
            self.errors
                .at(span, "`break` stands in no loop here: an `async` block cannot leave the loop around it");
            return Vec::new();
        };
        let mut nodes = match (value, &dest) {
            (None, Dest::Name(_)) => {
                self.errors.at(span, "the loop is bound to a name: `break` with the value");
                Vec::new()
            }
            (None, Dest::Nothing | Dest::Finish | Dest::Branch(_)) => Vec::new(),
            (Some(value), _) => self.expr(value, &dest, None).nodes,
        };
        nodes.push(Node::Break);
        nodes
    }

    fn while_loop(&mut self, condition: &Condition, body: &Block) -> Node {
        let outer = self.scope.clone();
        self.loops.push(Dest::Nothing);
        let asked = self.asked(condition);
        let body = self.block(body, &Dest::Nothing, None);
        self.loops.pop();
        self.scope = outer;
        Node::Loop(Box::new(Node::sequence(self.decided(asked, body, vec![Node::Break]))))
    }

    fn branch(&mut self, branch: &If, dest: &Dest, rest: Option<&Rest<'_>>) -> Vec<Node> {
        let outer = self.scope.clone();
        let asked = self.asked(&branch.condition);
        let then = self.block(&branch.then, dest, rest);
        // What `if let` binds is not seen in `else`.
        self.scope = outer;
        let otherwise = match &branch.otherwise {
            None if matches!(dest, Dest::Nothing) => self.after(rest),
            None => {
                self.errors.at(branch.span, "this `if` gives a value: add `else`");
                Vec::new()
            }
            Some(Else::Block(block)) => self.block(block, dest, rest),
            Some(Else::If(next)) => self.branch(next, dest, rest),
        };
        self.decided(asked, then, otherwise)
    }
}

impl Dest {
    fn is_final(&self) -> bool {
        match self {
            Dest::Finish => true,
            Dest::Nothing | Dest::Name(_) | Dest::Branch(_) => false,
        }
    }
}
