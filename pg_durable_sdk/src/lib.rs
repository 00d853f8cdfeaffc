//! Durable workflows inside PostgreSQL, written as typed Rust.

#[cfg(feature = "testing")]
pub mod testing;
