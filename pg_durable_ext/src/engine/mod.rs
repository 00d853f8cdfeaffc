//! The engine: who may advance what, and how one instance is advanced.

pub mod checkpoint;
pub mod committing;
pub mod elsewhere;
pub mod failing;
pub mod flush;
pub mod instance;
pub mod quota;
pub mod run;
pub mod standing;
pub mod start;
pub mod statement;
pub mod steps;
pub mod stop;
pub mod wake;
