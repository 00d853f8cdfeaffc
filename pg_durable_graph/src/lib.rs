//! The workflow graph of pg_durable, free of I/O: what nodes there are, how they are written, checked and
//! shown, and how an instance moves through them.

#![warn(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "engine"),
    allow(dead_code, reason = "the engine asks more of a graph than who builds one")
)]

pub mod columns;
mod config;
#[cfg(feature = "engine")]
pub mod difference;
pub mod document;
pub mod error;
pub mod explain;
#[cfg(feature = "engine")]
pub mod failure;
pub mod fragment;
pub mod graph;
pub mod instant;
mod json;
pub mod kind;
pub mod limits;
pub mod lint;
#[cfg(feature = "engine")]
pub mod listing;
pub mod matching;
pub mod mermaid;
pub mod name;
mod node_id;
pub mod number;
pub mod outcome;
pub mod pieces;
#[cfg(feature = "engine")]
pub mod progress;
#[cfg(feature = "engine")]
pub mod rights;
pub mod schedule;
mod seconds;
mod shorten;
pub mod shown;
mod sink;
pub mod status;
#[cfg(feature = "engine")]
pub mod stored;
pub mod template;
#[cfg(feature = "engine")]
pub mod truth;
#[cfg(feature = "engine")]
pub mod vars;
#[cfg(feature = "engine")]
pub mod verdict;

pub use error::{GraphError, Problem};
#[cfg(feature = "engine")]
pub use failure::Failure;
pub use fragment::Fragment;
pub use graph::{Graph, Node};
pub use json::brackets;
pub use kind::NodeKind;
pub use lint::LintError;
pub use node_id::NodeId;
pub use outcome::{Column, Layout, Outcome};
pub use pg_durable_syntax::lexer;
pub use sink::Sink;
pub use status::{InstanceStatus, NodeStatus};
