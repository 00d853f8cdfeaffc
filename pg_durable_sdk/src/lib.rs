//! Durable workflows inside PostgreSQL, written as typed Rust.
//!
//! A [`Workflow`] is a graph of steps. Started, it is an instance that the server carries out by itself: step
//! by step, each in one transaction with the record that it is done. The service that started it may end, and
//! so may the server; the instance goes on where it was.
//!
//! ```no_run
//! use pg_durable_sdk::{Client, Workflow, sql};
//!
//! # async fn report() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("host=localhost user=app dbname=shop").await?;
//!
//! let run = Workflow::new()
//!     .label("nightly-report")
//!     .step(sql("SELECT id, region FROM shops WHERE open").named("shop"))
//!     .fan_out([
//!         sql("SELECT count(*) FROM orders WHERE shop = $shop.id").named("orders"),
//!         sql("SELECT sum(amount) FROM orders WHERE shop = $shop.id").named("revenue"),
//!     ])
//!     .step(sql("INSERT INTO report VALUES ($shop.id, $orders, $revenue) RETURNING id"))
//!     .start(&client)
//!     .await?;
//!
//! let id: i64 = run.result().await?.one()?;
//! # Ok(())
//! # }
//! ```
//!
//! The database needs the extension (`CREATE EXTENSION pg_durable`), and the role the right to use it
//! (`SELECT df.grant_usage('app')`). Every step runs as the role that started the workflow.
//!
//! Not here yet: values bound by a macro, workflows registered by name.

#![warn(missing_docs)]
#![deny(unsafe_code)]

// The macros name this crate as its users do.
extern crate self as pg_durable_sdk;

mod client;
mod connection;
mod definition;
mod durability;
mod error;
mod fault;
mod id;
mod list;
mod macros;
mod name;
mod node;
mod output;
mod part;
#[cfg(feature = "deadpool")]
mod pool;
mod read;
mod run;
mod schedule;
mod signal;
mod start;
mod step;
mod typed;
mod wait;
mod watch;
mod workflow;

/// What the macros expand to calls this.
#[doc(hidden)]
#[path = "expansion/mod.rs"]
pub mod __private;

#[cfg(feature = "testing")]
#[allow(unsafe_code, reason = "asks the system about processes")]
pub mod testing;

pub use client::Client;
pub use definition::{Define, Definition};
pub use durability::Durability;
pub use error::{
    CancelError, ConnectError, Failure, ListError, OutputError, ResultError, RunError, ServerError,
    SignalError, StartError,
};
pub use fault::{Fault, WorkflowError};
pub use id::InstanceId;
pub use list::{Cursor, Instance, Instances, List, Page};
pub use macros::{sql, workflow};
pub use node::{NodeState, RunNode};
pub use output::Output;
pub use part::{IntoParts, Part};
pub use pg_durable_graph::{Graph, InstanceStatus as Status};
pub use run::Run;
pub use schedule::{Schedule, schedule};
pub use signal::{Signal, signal};
pub use step::{Step, sql};
pub use typed::TypedPart;
pub use watch::{Change, Watch};
pub use workflow::Workflow;

// For `#[derive(JsonSchema)]` with `#[schemars(crate = "pg_durable_sdk::schemars")]`.
pub use schemars::{self, JsonSchema};
