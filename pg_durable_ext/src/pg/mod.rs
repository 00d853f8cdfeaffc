//! Everything unsafe: PostgreSQL's C interface behind safe functions and guards.
//!
//! Nothing outside this module may contain `unsafe`; the compiler refuses it. Every function here runs on a
//! backend's main thread, the only one there is.

pub mod activity;
mod capture;
pub mod catalog;
pub mod caught;
pub mod clock;
pub mod encoding;
pub mod ending;
pub mod entry;
pub mod gucs;
pub mod heap;
pub mod hooks;
pub mod inference;
pub mod inflight;
pub mod json;
mod kept_clock;
pub mod latch;
pub mod membership;
mod plans;
pub mod portal;
pub mod probe;
pub mod process;
pub mod query;
pub mod remote;
pub mod role;
mod row_types;
pub mod sequence;
pub mod session;
pub mod shmem;
pub mod spi;
pub mod statement;
pub mod text;
pub mod timeout;
mod utility;
pub mod value;
pub mod xact;
