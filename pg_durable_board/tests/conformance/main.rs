//! What the board promises, property by property.

mod bench;
mod branches;
mod databases;
mod executors;
mod leases;
mod waiting;
mod walls;
mod work;
