//! Carrying out one leaf: one file a node kind.

pub mod end;
pub mod schedule;
pub mod signal;
pub mod sleep;
pub mod sql;
