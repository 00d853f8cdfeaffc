//! The workloads, in the order in which they run.

mod chain;
mod failure;
mod finished;
mod idle;
mod latency;
mod lists;
mod loops;
mod many;
mod recovery;
mod sdk;
mod snapshot;
mod start;
mod step_cost;

pub use finished::{empty_tables, fill};
pub use many::{in_flight, run_chains};

use crate::{row::Row, target::Bench};
use anyhow::Result;

/// What can be measured.
pub struct Workload {
    pub name: &'static str,
    pub about: &'static str,
    /// It restarts the server, changes settings or looks at its processes.
    pub needs_own_server: bool,
    pub run: fn(&Bench) -> Result<Vec<Row>>,
}

const fn anywhere(name: &'static str, about: &'static str, run: fn(&Bench) -> Result<Vec<Row>>) -> Workload {
    Workload { name, about, needs_own_server: false, run }
}

const fn own(name: &'static str, about: &'static str, run: fn(&Bench) -> Result<Vec<Row>>) -> Workload {
    Workload { name, about, needs_own_server: true, run }
}

/// See the module. Those that restart the server stand last.
pub static ALL: &[Workload] = &[
    anywhere("chain-step", "one chain of 200 INSERT steps, each flushed", chain::step),
    anywhere("chain-barrier", "the same, and 200 SELECT 1, flushed at the end", chain::barrier),
    anywhere(
        "failure",
        "chains with retries and catches around their steps, none of which fails",
        failure::measure,
    ),
    anywhere("chains", "32 chains of 20 INSERT steps at once", many::chains),
    anywhere("instances", "one-step instances, 32 in flight", many::instances),
    anywhere("start", "df.start of a one-step graph by 1 and 8 clients", start::rate),
    anywhere("build", "building and starting a chain of 2,000 steps", start::build),
    anywhere("sdk-start", "building and starting 20 steps from Rust by 1 and 8 clients", sdk::start),
    anywhere("sdk-await", "10,000 results awaited on one client", sdk::await_many),
    anywhere("latency-1", "df.start to df.await_instance of one step", latency::one_step),
    anywhere("latency-10", "the same of ten steps", latency::ten_steps),
    anywhere("join", "JOIN of 32 one-statement branches", latency::join_of_32),
    anywhere("loop", "a loop with a condition, 1,000 iterations", loops::counting),
    anywhere("old-snapshot", "throughput while a session holds an old snapshot", snapshot::old),
    own(
        "slow-flush",
        "df.start and one-step instances where a flush takes a millisecond more",
        many::slow_flush,
    ),
    own("step-cost", "transactions and log bytes of a step", step_cost::measure),
    own("finished", "a step with 1,000,000 finished instances in the tables", finished::measure),
    own("lists", "pages and counts with 1,000,000 finished instances in the tables", lists::measure),
    own("idle", "an idle database", idle::nothing),
    own("sleeping", "10,000 sleeping instances", idle::sleeping),
    own("start-backlog", "df.start by 8 clients, carried out later", start::backlog),
    own("recovery", "10,000 unfinished instances after a kill of the postmaster", recovery::measure),
];
