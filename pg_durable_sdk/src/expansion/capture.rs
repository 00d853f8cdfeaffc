//! What a capture of `sql!` may be: a value, or a step whose result it refers to.
//!
//! The method of [`CaptureStep`] is found first, since it takes the captured thing by one reference less.

use super::Statement;
use crate::Step;
use serde::Serialize;

/// Something between braces.
#[derive(Debug)]
pub struct Captured<'a, T: ?Sized>(pub &'a T);

/// Captures of steps.
pub trait CaptureStep {
    /// What the step leaves.
    type Result;

    /// Adds the reference. The way through the fields is only there for the compiler to check.
    fn __capture<B: Serialize>(
        &self,
        statement: Statement,
        variable: &str,
        members: &[&str],
        way: fn(&Self::Result) -> &B,
    ) -> Statement;
}

impl<T> CaptureStep for Captured<'_, Step<T>> {
    type Result = T;

    fn __capture<B: Serialize>(
        &self,
        statement: Statement,
        variable: &str,
        members: &[&str],
        _: fn(&T) -> &B,
    ) -> Statement {
        let name = self.0.captured_from(variable);
        let path = std::iter::once(&name).chain(members).copied().collect::<Vec<_>>().join(".");
        statement.reference(&path, false, None)
    }
}

impl<T> CaptureStep for Captured<'_, &Step<T>> {
    type Result = T;

    fn __capture<B: Serialize>(
        &self,
        statement: Statement,
        variable: &str,
        members: &[&str],
        way: fn(&T) -> &B,
    ) -> Statement {
        Captured(*self.0).__capture(statement, variable, members, way)
    }
}

/// Captures of everything else.
pub trait CaptureValue {
    /// What is captured.
    type Value: ?Sized;

    /// Adds the parameter.
    fn __capture<B: Serialize + ?Sized>(
        &self,
        statement: Statement,
        variable: &str,
        members: &[&str],
        way: fn(&Self::Value) -> &B,
    ) -> Statement;
}

impl<T: ?Sized> CaptureValue for &Captured<'_, T> {
    type Value = T;

    fn __capture<B: Serialize + ?Sized>(
        &self,
        statement: Statement,
        _: &str,
        _: &[&str],
        way: fn(&T) -> &B,
    ) -> Statement {
        statement.value(way(self.0))
    }
}
