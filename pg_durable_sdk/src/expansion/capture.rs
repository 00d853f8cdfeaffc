//! What a capture of `sql!` may be: a value, or a step whose result it refers to.
//!
//! The method of [`CaptureStep`] is found first, since it takes the captured thing by one reference less.

use super::{Probe, Statement};
use crate::{Step, ThisRun};
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
        is_nullable: bool,
        cast: Option<&'static str>,
    ) -> Statement;

    /// The type at the end of the way.
    fn __type_at<B>(&self, _: fn(&Self::Result) -> &B) -> Probe<B> {
        Probe::new()
    }
}

impl<T> CaptureStep for Captured<'_, Step<T>> {
    type Result = T;

    fn __capture<B: Serialize>(
        &self,
        statement: Statement,
        variable: &str,
        members: &[&str],
        _: fn(&T) -> &B,
        is_nullable: bool,
        cast: Option<&'static str>,
    ) -> Statement {
        let name = self.0.captured_from(variable);
        let path = std::iter::once(&name).chain(members).copied().collect::<Vec<_>>().join(".");
        statement.reference(&path, is_nullable, cast)
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
        is_nullable: bool,
        cast: Option<&'static str>,
    ) -> Statement {
        Captured(*self.0).__capture(statement, variable, members, way, is_nullable, cast)
    }
}

/// The captured `run` is the function of that name.
impl<F: Fn() -> ThisRun> CaptureStep for Captured<'_, F> {
    type Result = ThisRun;

    fn __capture<B: Serialize>(
        &self,
        statement: Statement,
        _: &str,
        _: &[&str],
        _: fn(&ThisRun) -> &B,
        _: bool,
        _: Option<&'static str>,
    ) -> Statement {
        // Nothing else of it can be captured.
        statement.run_id()
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
        is_nullable: bool,
        cast: Option<&'static str>,
    ) -> Statement;

    /// The type at the end of the way.
    fn __type_at<B: ?Sized>(&self, _: fn(&Self::Value) -> &B) -> Probe<B> {
        Probe::new()
    }
}

impl<T: ?Sized> CaptureValue for &Captured<'_, T> {
    type Value = T;

    fn __capture<B: Serialize + ?Sized>(
        &self,
        statement: Statement,
        _: &str,
        _: &[&str],
        way: fn(&T) -> &B,
        _: bool,
        cast: Option<&'static str>,
    ) -> Statement {
        statement.value_as(way(self.0), cast)
    }
}
