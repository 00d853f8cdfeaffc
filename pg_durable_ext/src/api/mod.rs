//! What SQL calls: one file a noun. The SQL side is in `sql/parts`.

mod check;
mod clock;
pub mod error;
mod explain;
mod extension;
mod graph;
mod instance;
mod node;
mod not_a_step;
mod registry;
mod report;
mod schema;
mod signal;
mod variable;
mod wait;
mod workers;
