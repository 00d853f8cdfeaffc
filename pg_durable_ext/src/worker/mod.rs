//! The engine's processes.

pub mod executor;
pub mod launcher;
pub mod runner;
pub mod scheduler;
