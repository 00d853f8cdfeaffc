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
//! # Steps and their results
//!
//! [`sql`](fn@sql) makes a step, [`Step::named`] names its result, and later steps refer to it as `$name` or
//! `$name.column`. [`sql!`](macro@sql) captures Rust values and earlier steps instead, and checks their fields.
//! Either way they are sent as parameters and never become SQL text. [`Workflow`] puts steps in
//! order, side by side, in branches and loops; whatever is [`Into<Part>`](Part) can be a part of one, also
//! another workflow. What can be seen to be wrong is told by [`Workflow::graph`], before anything is sent;
//! [`Client::check`] has the server look at tables, columns and types.
//!
//! ```
//! use pg_durable_sdk::{Workflow, signal, sql};
//! use std::time::Duration;
//!
//! let approval = signal("approval").timeout(Duration::from_secs(24 * 60 * 60)).named("approval");
//! let workflow = Workflow::new()
//!     .step(sql("UPDATE stock SET held = held + 1 WHERE sku = 'A-1' RETURNING id").named("hold"))
//!     .wait_for_signal(approval)
//!     .branch(
//!         sql("SELECT NOT $approval.timed_out"),
//!         sql("UPDATE orders SET state = 'shipped' WHERE id = 7"),
//!         sql("UPDATE stock SET held = held - 1 WHERE id = $hold.id"),
//!     );
//! assert!(workflow.graph().is_ok());
//! ```
//!
//! # Types
//!
//! [`Step::returns`] says what a result is read as; a workflow returns what its last step does, and
//! [`Run::result`] gives that type. [`Output::read`] tells what fits. A [`Definition`] adds a name, a version
//! and the type of the input; [`Client::start`] starts it, [`Client::register`] lets others run it by name.
//!
//! [`#[workflow]`](macro@workflow) makes a definition of an `async fn`.
//!
//! # Instances
//!
//! A [`Run`] is the handle of an instance: its [`status`](Run::status), [`result`](Run::result),
//! [`nodes`](Run::nodes) and changes ([`watch`](Run::watch)); [`signal`](Run::signal) and
//! [`cancel`](Run::cancel) steer it. [`Client::run`] makes one of an id, [`Client::find`] of an idempotency
//! key, [`Client::list`] finds the rest. The instance depends on none of them.
//!
//! # Connections
//!
//! A [`Client`] has two connections at most, whatever is awaited, and makes lost ones anew. A start whose answer
//! was lost is tried again under one idempotency key, so that there is one instance in the end, or the error
//! says that nobody knows and how to find out.
//!
//! # Errors
//!
//! Each operation has its own type, with the server's SQLSTATE and what to do about it: see [`StartError`] and
//! [`ResultError`]. Nothing here panics.
//!
//! # Features
//!
//! | Feature | |
//! |---|---|
//! | `deadpool` | `Client::from_pool` takes connections of a `deadpool-postgres` pool |
//! | `testing` | the module `testing` starts throwaway servers for tests |

#![warn(missing_docs)]
#![deny(unsafe_code)]

// The macros name this crate as its users do.
extern crate self as pg_durable_sdk;

mod attempt;
mod catch;
mod caught;
mod check;
mod client;
mod connection;
mod definition;
mod durability;
mod error;
mod fail;
mod fault;
mod id;
mod json;
mod list;
mod macros;
mod name;
mod node;
mod output;
mod part;
#[cfg(feature = "deadpool")]
mod pool;
mod read;
mod register;
mod retry;
mod run;
mod schedule;
mod schema;
mod select;
mod settled;
mod signal;
mod signalling;
mod sleep;
mod start;
mod starting;
mod status;
mod step;
mod this_run;
mod timeout;
mod typed;
mod wait;
mod watch;
mod workflow;
mod write;

/// What the macros expand to calls this.
#[doc(hidden)]
#[path = "expansion/mod.rs"]
pub mod __private;

#[cfg(feature = "testing")]
#[allow(unsafe_code, reason = "asks the system about processes")]
pub mod testing;

pub use attempt::Attempt;
pub use caught::Caught;
pub use check::Checkable;
pub use client::Client;
pub use definition::{Define, Definition};
pub use durability::Durability;
pub use error::{
    CancelError, CheckError, ConnectError, Failure, ListError, OutputError, RegisterError, ResultError,
    RunError, ServerError, SignalError, StartError, Violation,
};
pub use fail::{Fail, fail};
pub use fault::{Fault, WorkflowError};
pub use id::InstanceId;
pub use list::{Cursor, Instance, Instances, List, Page};
pub use macros::{sql, workflow};
pub use name::ResultName;
pub use node::{NodeState, RunNode};
pub use output::Output;
pub use part::{IntoParts, Part};
pub use pg_durable_graph::Graph;
pub use register::{Definitions, Registration, RunAs};
pub use retry::Retry;
pub use run::Run;
pub use schedule::{Schedule, schedule};
pub use select::{Arm, on};
pub use settled::Settled;
pub use signal::{Signal, signal};
pub use signalling::Signalling;
pub use starting::Starting;
pub use status::{Status, UnknownStatus};
pub use step::{Step, sql};
pub use this_run::{ThisRun, run};
pub use typed::TypedPart;
pub use watch::{Change, Watch};
pub use workflow::Workflow;

// For `#[derive(JsonSchema)]` with `#[schemars(crate = "pg_durable_sdk::schemars")]`.
pub use schemars::{self, JsonSchema};

/// The guide, whose examples have to compile, too.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rust.md")]
#[doc = include_str!("../../docs/failure.md")]
struct Guide;
