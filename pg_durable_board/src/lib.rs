//! The board of pg_durable: what all processes of the engine share, free of PostgreSQL.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod backlog;
mod board;
mod databases;
mod executors;
mod hindrances;
mod home;
mod ids;
mod items;
mod launcher;
mod launches;
mod numbers;
mod process;
mod queues;
#[cfg(test)]
mod random;
mod suspects;
mod target;
mod troubles;
mod waiters;
mod wake;
mod walls;
mod workers;

pub use backlog::{Backlog, Next, Page, Unfinished};
pub use board::{Board, MayCommit, Opening, Openings};
pub use databases::{Databases, Hold, Timer};
pub use executors::{EXECUTORS_MAX, Executors};
pub use hindrances::{Hindered, Hindrance, Hindrances};
pub use home::Home;
pub use ids::{DatabaseId, InstanceNumber, ProcNumber, RoleId, Tenant};
pub use launcher::Launcher;
pub use launches::Launches;
pub use numbers::{instance_number, sequence_number};
pub use queues::Queues;
pub use suspects::{InFlight, Suspects};
pub use target::{Pusher, Taken, Target, Work};
pub use troubles::{Duty, Trouble};
pub use waiters::{Awaited, Waiters};
pub use wake::Wake;
pub use walls::{Wall, WallInfo, Walls};
pub use workers::{WorkerInfo, WorkerKind};
