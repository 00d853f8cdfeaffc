//! The board of pg_durable: what all processes of the engine share, free of PostgreSQL.

#![forbid(unsafe_code)]

mod board;
mod ids;

pub use board::{
    Board, EXECUTORS_MAX, InFlight, Opening, Openings, Taken, Target, Timer, Wake, Work, WorkerInfo,
};
pub use ids::{DatabaseId, InstanceNumber, ProcNumber, RoleId};
