//! The programs of the workspace that need a server with the extension.

use crate::{
    Server,
    command::{run, say},
    install::{Profile, install},
    setup,
    workspace::Workspace,
};
use anyhow::{Result, ensure};
use clap::Args;

#[derive(Args)]
pub struct DemoOptions {
    #[command(flatten)]
    server: Server,
    /// Leaves the throwaway server running
    #[arg(long)]
    keep: bool,
}

#[derive(Args)]
pub struct BenchOptions {
    #[command(flatten)]
    server: Server,
    /// Arguments of the benchmark
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn demo(options: &DemoOptions) -> Result<()> {
    let keep: &[&str] = if options.keep { &["--keep"] } else { &[] };
    run_package("pg_durable_demo", &options.server, keep)
}

pub fn bench(options: &BenchOptions) -> Result<()> {
    run_package("pg_durable_bench", &options.server, &options.arguments)
}

fn run_package<S: AsRef<str>>(package: &str, server: &Server, arguments: &[S]) -> Result<()> {
    let workspace = Workspace::load()?;
    ensure!(workspace.has_package(package), "the workspace has no package {package} yet");
    let installation = setup::run(server)?;
    install(&workspace, &installation, Profile::Release)?;
    say(format!("building {package}"));
    run(workspace.cargo("build", &installation).args(["--release", "-p", package]))?;
    say(format!("running {package}"));
    let mut cargo = workspace.cargo("run", &installation);
    cargo.args(["--quiet", "--release", "-p", package, "--"]);
    run(cargo.args(arguments.iter().map(AsRef::as_ref)))
}
