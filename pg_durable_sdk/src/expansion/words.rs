//! The words of a body that are functions: what the crate exports under their names, and what the builder has as a
//! method only.

pub use crate::{sleep::sleep, *};
