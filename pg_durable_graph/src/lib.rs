//! The workflow graph of pg_durable, free of I/O: what nodes there are, how they are written, checked and
//! shown, and how an instance moves through them.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod columns;
mod config;
pub mod difference;
pub mod document;
pub mod error;
pub mod explain;
pub mod failure;
pub mod fragment;
pub mod graph;
pub mod instant;
mod json;
pub mod kind;
pub mod lexer;
pub mod limits;
pub mod lint;
pub mod listing;
pub mod matching;
pub mod mermaid;
pub mod name;
mod node_id;
pub mod number;
pub mod outcome;
pub mod pieces;
pub mod progress;
pub mod rights;
pub mod schedule;
mod seconds;
mod shorten;
pub mod shown;
mod sink;
pub mod status;
pub mod stored;
pub mod template;
pub mod truth;
pub mod vars;
pub mod verdict;

pub use error::{GraphError, Problem};
pub use failure::Failure;
pub use fragment::Fragment;
pub use graph::{Graph, Node};
pub use json::brackets;
pub use kind::NodeKind;
pub use lint::LintError;
pub use node_id::NodeId;
pub use outcome::{Column, Outcome};
pub use sink::Sink;
pub use status::{InstanceStatus, NodeStatus};
