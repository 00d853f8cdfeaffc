//! Durable workflows inside PostgreSQL: the server extension.
//!
//! `api` is what SQL calls, `check` looks at graphs that are not started, `engine` advances instances, `store` is all the SQL that the engine runs, `worker` are
//! the processes, and `pg` is PostgreSQL's C interface, the only place with `unsafe`.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

#[expect(
    clippy::result_large_err,
    reason = "pgrx keeps the SQLSTATE of an ErrorReport only, and that is large"
)]
mod api;
mod check;
mod engine;
#[allow(unsafe_code)]
mod pg;
mod store;
mod worker;

pgrx::pg_module_magic!();
