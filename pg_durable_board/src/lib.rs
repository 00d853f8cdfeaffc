//! The board of pg_durable: what all processes of the engine share, free of PostgreSQL.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod board;
mod databases;
mod executors;
mod ids;
mod items;
mod launcher;
mod launches;
mod process;
mod queues;
#[cfg(test)]
mod random;
mod suspects;
mod target;
mod waiters;
mod wake;
mod workers;

pub use board::{Board, Opening, Openings};
pub use databases::{Databases, Timer};
pub use executors::{EXECUTORS_MAX, Executors};
pub use ids::{DatabaseId, InstanceNumber, ProcNumber, RoleId, Tenant};
pub use launcher::Launcher;
pub use launches::Launches;
pub use queues::Queues;
pub use suspects::{InFlight, Suspects};
pub use target::{Pusher, Taken, Target, Work};
pub use waiters::{Awaited, Waiters};
pub use wake::Wake;
pub use workers::{WorkerInfo, WorkerKind};
