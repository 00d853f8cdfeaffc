//! The board of pg_durable: what all processes of the engine share, free of PostgreSQL.

#![forbid(unsafe_code)]

mod board;
mod ids;
mod target;
mod wake;

pub use board::{Board, EXECUTORS_MAX, InFlight, Opening, Openings, Timer, WorkerInfo};
pub use ids::{DatabaseId, InstanceNumber, ProcNumber, RoleId, Tenant};
pub use target::{Pusher, Taken, Target, Work};
pub use wake::Wake;
