//! Throwaway PostgreSQL clusters for tests of durable workflows.
//!
//! A [`TestServer`] is a real cluster: its own folder under `/tmp`, its own port and Unix socket, the
//! extension preloaded, every login trusted. It can be stopped, killed and started again, and a streaming
//! standby can be made of it. It ends with the value, or with the test process, however that ends.
//!
//! ```no_run
//! use pg_durable_sdk::testing::{TestServer, TestServerError};
//!
//! # fn main() -> Result<(), TestServerError> {
//! let server = TestServer::builder().setting("max_worker_processes", "16").start()?;
//! server.psql("postgres", "CREATE EXTENSION pg_durable")?;
//! server.kill_postmaster()?;
//! server.start_again()?;
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `testing-container` the server may also run in a container: `TestServer::container`.
//!
//! Everything of a server blocks; async tests call it from the side or through `spawn_blocking`.
//!
//! [`Run::until_waiting_for`](crate::Run::until_waiting_for) brings a test to where an instance waits.

mod account;
mod builder;
mod clock;
#[cfg(feature = "testing-container")]
mod container;
mod error;
mod folder;
pub mod installation;
mod process;
mod server;
mod template;
#[cfg(test)]
mod tests;
mod waiting;
mod watchdog;

pub use builder::TestServerBuilder;
#[cfg(feature = "testing-container")]
pub use container::{ContainerServer, ContainerServerBuilder, IMAGE_VARIABLE};
pub use error::TestServerError;
pub use installation::{Installation, InstallationError};
pub use server::{KeptServer, StopMode, TestServer};
pub use waiting::{UntilWaiting, WaitingError};
