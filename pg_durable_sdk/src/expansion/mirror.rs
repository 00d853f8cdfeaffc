//! The vocabulary of the mirror: functions with the types of steps. None is ever called.

use serde::de::DeserializeOwned;

/// What the body of a workflow returns.
pub type BodyResult<T> = Result<T, crate::Failure>;

/// What a step leaves.
pub fn result<T: DeserializeOwned>() -> T {
    unreachable!("the mirror of a workflow never runs")
}

/// What a block of a `join!` or `race!` leaves.
pub fn block<T>(_: impl FnOnce() -> BodyResult<T>) -> T {
    unreachable!("the mirror of a workflow never runs")
}

/// What a `match` on something that may fail looks into.
#[expect(clippy::result_large_err, reason = "no failure is ever made here")]
pub fn caught<T>(_: impl FnOnce() -> BodyResult<T>) -> Result<T, crate::Caught> {
    unreachable!("the mirror of a workflow never runs")
}

/// The arm of a `select!` that is chosen.
pub fn chosen() -> usize {
    unreachable!("the mirror of a workflow never runs")
}

/// What the first branch of a `race!` leaves.
pub fn first_of<T, const N: usize>(_: [T; N]) -> T {
    unreachable!("the mirror of a workflow never runs")
}

/// What `fail!` leaves: nothing comes after it.
pub fn failed() -> ! {
    unreachable!("the mirror of a workflow never runs")
}
