//! Workflows to copy from. Each module is one example: its tables, its types and its workflow; the program of the
//! same name in `src/bin` runs it. `docs/examples.md` walks through them.

#![warn(missing_docs)]

pub mod database;
pub mod from_psql;
pub mod ingest;
pub mod maintenance;
pub mod nightly;
pub mod order_approval;
pub mod service;
