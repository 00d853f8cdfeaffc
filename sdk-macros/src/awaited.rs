//! The signals that a body waits for, and what their data are read as.

use crate::{
    model::{Block, Branch, Condition, Else, Expr, If, Source, Step, StepKind, Stmt, Value, ValueKind},
    operand::Operand,
    signature::argument_of,
    word::{Argument, Leaves},
};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Expr as Syntax, Type};

/// A wait for a signal.
pub struct Awaited {
    /// The signal's name, which is a constant.
    pub name: Syntax,
    /// What the data are read as, where that is said.
    pub ty: Option<Type>,
}

/// All waits, in the order in which they stand.
pub fn awaited(body: &Block) -> Vec<Awaited> {
    let mut found = Found::default();
    found.block(body);
    found.waits
}

#[derive(Default)]
struct Found {
    waits: Vec<Awaited>,
}

impl Found {
    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Expr(expr) => self.expr(expr, None),
                Stmt::Let(binding) => {
                    self.expr(&binding.value, binding.ty.as_ref());
                    binding.otherwise.iter().for_each(|otherwise| self.block(otherwise));
                }
            }
        }
        block.tail.iter().for_each(|tail| self.expr(tail, None));
    }

    /// A step in it has the type `ty`, unless it says another itself.
    fn expr(&mut self, expr: &Expr, ty: Option<&Type>) {
        match expr {
            Expr::Step(step) | Expr::Outcome(step) => self.step(step, ty),
            Expr::Ok(value) | Expr::Value(value) => self.value(value),
            Expr::If(branch) => self.branch(branch),
            Expr::Select(select) => {
                for arm in &select.arms {
                    self.step(&arm.event, arm.ty.as_ref());
                    self.block(&arm.handler);
                }
            }
            Expr::Catch(catch) => {
                self.part(&catch.body, ty.filter(|_| catch.hands_on()));
                self.block(&catch.ok.block);
                self.block(&catch.err.block);
            }
            Expr::While { condition, body, .. } => {
                self.condition(condition);
                self.block(body);
            }
            Expr::Loop { body, .. } => self.block(body),
            Expr::Break { value, .. } => value.iter().for_each(|value| self.expr(value, None)),
            Expr::Continue(_) | Expr::Fail(_) => {}
            Expr::Return { value, .. } => self.expr(value, None),
        }
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Step(step) => self.step(step, None),
            ValueKind::Unit
            | ValueKind::Place(_)
            | ValueKind::Constant(_)
            | ValueKind::Struct { .. }
            | ValueKind::Tuple(_)
            | ValueKind::Some(_)
            | ValueKind::None => {}
        }
    }

    fn branch(&mut self, branch: &If) {
        self.condition(&branch.condition);
        self.block(&branch.then);
        match &branch.otherwise {
            None => {}
            Some(Else::Block(block)) => self.block(block),
            Some(Else::If(next)) => self.branch(next),
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Step { step, .. } | Condition::Some { source: Source::Step(step), .. } => {
                self.step(step, None);
            }
            Condition::Place { .. } | Condition::Some { source: Source::Place { .. }, .. } => {}
        }
    }

    fn step(&mut self, step: &Step, ty: Option<&Type>) {
        match &step.kind {
            StepKind::Leaf(written) => {
                let (Leaves::Document(_), Argument::Operand(Operand::Fixed(name))) =
                    (&written.leaf.leaves, &written.argument)
                else {
                    return;
                };
                // The `Option` around a wait with a time-out is for the time-out.
                let outside = match written.missing {
                    Some(_) => ty.and_then(|ty| argument_of(ty, "Option")),
                    None => ty,
                };
                let ty = outside.or(written.returns.as_ref()).filter(|ty| is_said(ty)).cloned();
                self.waits.push(Awaited { name: name.expr().clone(), ty });
            }
            StepKind::Join(branches) => match ty {
                Some(Type::Tuple(tuple)) if tuple.elems.len() == branches.len() => {
                    branches.iter().zip(&tuple.elems).for_each(|(branch, ty)| self.part(branch, Some(ty)));
                }
                _ => branches.iter().for_each(|branch| self.part(branch, None)),
            },
            StepKind::Race(branches) => branches.iter().for_each(|branch| self.part(branch, ty)),
            StepKind::Retry(retry) => self.part(&retry.body, ty),
        }
    }

    fn part(&mut self, branch: &Branch, ty: Option<&Type>) {
        match branch {
            Branch::Step(step) => self.step(step, ty),
            Branch::Block(block) => self.block(block),
        }
    }
}

/// Whether nothing of the type is left to the compiler.
fn is_said(ty: &Type) -> bool {
    fn has_gap(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => has_gap(group.stream()),
            TokenTree::Ident(ident) => ident == "_",
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    !has_gap(ty.to_token_stream())
}
