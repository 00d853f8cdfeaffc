//! The project's own commands: `cargo xtask --help`.

mod apt;
mod command;
mod debootstrap;
mod docker;
mod image;
mod install;
mod program;
mod script;
mod servers;
mod setup;
mod source;
mod test;
mod tree;
mod workspace;

// The SDK's own file: servers are found by one rule, and xtask runs also where the SDK does not compile.
#[path = "../../pg_durable_sdk/src/testing/installation.rs"]
#[allow(dead_code, reason = "the SDK's testing module uses the rest")]
mod installation;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, installs, tests and shows pg_durable")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what the build needs and this machine lacks: a server, its headers, libclang, a C compiler
    Setup(Server),
    /// Builds the extension and installs it into a server
    Install(install::Options),
    /// Builds a container image of PostgreSQL with the extension
    Image(image::Options),
    /// Runs every check that CI runs
    Test(test::Options),
    /// Runs an order workflow on a throwaway server and kills the server in the middle
    Demo(program::DemoOptions),
    /// Runs the benchmark; what follows `--` goes to it
    Bench(program::BenchOptions),
    /// Looks after PostgreSQL servers to test against
    #[command(subcommand)]
    Server(ServerTask),
}

#[derive(Subcommand)]
enum ServerTask {
    /// Lists the servers that were found, the default first
    List,
    /// Compiles a server from Debian's source package and installs it into /opt/pgNN
    Build(source::Options),
}

/// The server that a task is about.
#[derive(Args, Clone)]
struct Server {
    /// The server's pg_config [default: PG_DURABLE_PG_CONFIG, else the newest server with headers]
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        // The causes in one line; a backtrace through xtask would tell a user nothing.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Setup(server) => setup::run(&server).map(drop),
        Task::Install(options) => install::run(&options),
        Task::Image(options) => image::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Demo(options) => program::demo(&options),
        Task::Bench(options) => program::bench(&options),
        Task::Server(ServerTask::List) => {
            servers::list();
            Ok(())
        }
        Task::Server(ServerTask::Build(options)) => source::build(&options),
    }
}
