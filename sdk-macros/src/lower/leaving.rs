//! Which parts of a body leave it, or the loop around it.

use crate::model::{Block, Catch, Else, Expr, If, Select, Stmt};
use proc_macro2::Span;
use syn::spanned::Spanned as _;

impl Stmt {
    pub(super) fn span(&self) -> Span {
        match self {
            Stmt::Let(binding) => binding.syntax.span(),
            Stmt::Expr(expr) => expr.span(),
        }
    }
}

impl Expr {
    pub(super) fn span(&self) -> Span {
        match self {
            Expr::Step(step) | Expr::Outcome(step) | Expr::Fail(step) => step.span,
            Expr::Ok(value) | Expr::Value(value) => value.span(),
            Expr::If(branch) => branch.span,
            Expr::Select(select) => select.span,
            Expr::Catch(catch) => catch.span,
            Expr::While { span, .. }
            | Expr::Loop { span, .. }
            | Expr::Break { span, .. }
            | Expr::Continue(span)
            | Expr::Return { span, .. } => *span,
        }
    }

    /// Whether it holds a `return` or `continue` that skips what follows.
    pub(super) fn leaves(&self) -> bool {
        match self {
            Expr::Return { .. } | Expr::Continue(_) => true,
            Expr::If(branch) => branch.leaves(),
            Expr::Select(select) => select.leaves(),
            Expr::Catch(catch) => catch.leaves(),
            // Inside a loop `return` is refused, and `continue` is the loop's own.
            Expr::Loop { .. } | Expr::While { .. } => false,
            // `break` and `fail!` are nodes, behind which the engine carries out nothing.
            Expr::Step(_) | Expr::Outcome(_) | Expr::Ok(_) | Expr::Value(_) => false,
            Expr::Break { .. } | Expr::Fail(_) => false,
        }
    }

    /// Whether it is a choice of ways of which one skips what follows, which is then moved into the others.
    pub(super) fn parts(&self) -> bool {
        match self {
            Expr::If(_) | Expr::Select(_) | Expr::Catch(_) => self.leaves(),
            Expr::Step(_)
            | Expr::Outcome(_)
            | Expr::Ok(_)
            | Expr::Value(_)
            | Expr::While { .. }
            | Expr::Loop { .. }
            | Expr::Break { .. }
            | Expr::Continue(_)
            | Expr::Return { .. }
            | Expr::Fail(_) => false,
        }
    }

    /// Whether nothing can come after it.
    pub(super) fn ends(&self) -> bool {
        match self {
            Expr::Return { .. } | Expr::Continue(_) | Expr::Break { .. } | Expr::Fail(_) => true,
            Expr::If(branch) => branch.ends(),
            Expr::Select(select) => select.ends(),
            Expr::Catch(catch) => catch.ends(),
            Expr::Loop { body, .. } => !breaks(body),
            Expr::Step(_) | Expr::Outcome(_) | Expr::Ok(_) | Expr::Value(_) | Expr::While { .. } => false,
        }
    }
}

impl Select {
    pub(super) fn leaves(&self) -> bool {
        self.arms.iter().any(|arm| arm.handler.leaves())
    }

    pub(super) fn ends(&self) -> bool {
        self.arms.iter().all(|arm| arm.handler.ends())
    }
}

/// What the body does is its own: nothing leaves it but its value and its failure.
impl Catch {
    pub(super) fn leaves(&self) -> bool {
        self.ok.block.leaves() || self.err.block.leaves()
    }

    pub(super) fn ends(&self) -> bool {
        self.ok.block.ends() && self.err.block.ends()
    }
}

impl If {
    pub(super) fn leaves(&self) -> bool {
        self.then.leaves()
            || match &self.otherwise {
                None => false,
                Some(Else::Block(block)) => block.leaves(),
                Some(Else::If(next)) => next.leaves(),
            }
    }

    pub(super) fn ends(&self) -> bool {
        self.then.ends()
            && match &self.otherwise {
                None => false,
                Some(Else::Block(block)) => block.ends(),
                Some(Else::If(next)) => next.ends(),
            }
    }
}

impl Block {
    pub(super) fn leaves(&self) -> bool {
        let in_stmt = |stmt: &Stmt| match stmt {
            Stmt::Let(binding) => {
                binding.value.leaves() || binding.otherwise.as_ref().is_some_and(Block::leaves)
            }
            Stmt::Expr(expr) => expr.leaves(),
        };
        self.stmts.iter().any(in_stmt) || self.tail.as_ref().is_some_and(|tail| tail.leaves())
    }

    /// Whether no way leads to its end.
    pub fn ends(&self) -> bool {
        let in_stmt = |stmt: &Stmt| match stmt {
            Stmt::Let(binding) => binding.value.ends(),
            Stmt::Expr(expr) => expr.ends(),
        };
        self.stmts.iter().any(in_stmt) || self.tail.as_ref().is_some_and(|tail| tail.ends())
    }
}

/// Whether a `break` of this body leaves the loop that it is the body of.
pub(super) fn breaks(body: &Block) -> bool {
    pub(super) fn in_expr(expr: &Expr) -> bool {
        match expr {
            Expr::Break { .. } => true,
            Expr::If(branch) => in_if(branch),
            Expr::Select(select) => select.arms.iter().any(|arm| breaks(&arm.handler)),
            Expr::Catch(catch) => breaks(&catch.ok.block) || breaks(&catch.err.block),
            Expr::Step(_)
            | Expr::Outcome(_)
            | Expr::Ok(_)
            | Expr::Value(_)
            | Expr::While { .. }
            | Expr::Loop { .. }
            | Expr::Continue(_)
            | Expr::Return { .. }
            | Expr::Fail(_) => false,
        }
    }
    pub(super) fn in_if(branch: &If) -> bool {
        breaks(&branch.then)
            || match &branch.otherwise {
                None => false,
                Some(Else::Block(block)) => breaks(block),
                Some(Else::If(next)) => in_if(next),
            }
    }
    let in_stmt = |stmt: &Stmt| match stmt {
        Stmt::Let(binding) => in_expr(&binding.value) || binding.otherwise.as_ref().is_some_and(breaks),
        Stmt::Expr(expr) => in_expr(expr),
    };
    body.stmts.iter().any(in_stmt) || body.tail.as_ref().is_some_and(|tail| in_expr(tail))
}
