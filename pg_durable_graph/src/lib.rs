//! The workflow graph of pg_durable, free of I/O: what nodes there are, how they are written, checked and
//! shown, and how an instance moves through them.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod graph;
pub mod kind;
pub mod outcome;

pub use graph::{Graph, Node, NodeId};
pub use kind::NodeKind;
pub use outcome::{Column, Outcome};
