//! Durable workflows inside PostgreSQL, written as typed Rust.
