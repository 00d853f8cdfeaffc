//! The engine: who may advance what, and how one instance is advanced.

pub mod board;
pub mod elsewhere;
pub mod failure;
pub mod instance;
pub mod run;
pub mod steps;
pub mod wake;
