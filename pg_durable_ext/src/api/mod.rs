//! What SQL calls: one file a noun, each with what it refuses; `report` gives that its SQLSTATE and HINT. The SQL side
//! is in `sql/parts`.

mod argument;
mod attempts;
mod bell;
mod check;
mod clock;
mod definition;
mod explain;
mod extension;
mod fleet;
mod graph;
mod home;
mod instance;
mod launch;
mod level;
mod looking;
mod maintenance;
mod node;
mod not_a_step;
mod outcome;
mod registry;
mod report;
mod role;
mod schema;
mod scope;
mod signal;
mod variable;
mod visible;
mod wait;
mod walls;
mod workers;
