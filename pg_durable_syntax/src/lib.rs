//! What the macros, the SDK and the server of pg_durable read alike. It depends on next to nothing: the macros are compiled behind
//! it, and a user's whole crate behind them.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod lexer;
pub mod name;
pub mod schedule;
pub mod sqlstate;
