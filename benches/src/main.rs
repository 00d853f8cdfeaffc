//! Measures pg_durable beside the bare database: `cargo xtask bench -- --help`.

mod limit;
mod machine;
mod plot;
mod process;
mod report;
mod row;
mod scaling;
mod session;
mod target;
mod workloads;

use anyhow::{Result, bail};
use clap::Parser;
use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};
use target::Bench;
use workloads::Workload;

#[derive(Parser)]
#[command(bin_name = "cargo xtask bench --", about = "Measures pg_durable beside the bare database")]
struct Options {
    /// Measures this server, as a role that may use schema df, instead of a throwaway one
    #[arg(long, value_name = "DSN")]
    dsn: Option<String>,
    /// Runs these workloads only
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Lists the workloads
    #[arg(long)]
    list: bool,
    /// Writes the figures and every sample as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures how cost grows and draws it into this folder, instead of the workloads unless --only names some
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Shorter runs and smaller numbers: figures to look at, not to publish
    #[arg(long)]
    quick: bool,
    /// How often each workload is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Before each measurement, waits so many seconds at most for others on this machine to become quiet
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    patience: u64,
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub repetitions: u32,
    /// How long one measurement of a rate takes at least.
    pub window: Duration,
    pub is_quick: bool,
    /// How long to wait for a quiet machine.
    pub patience: Duration,
}

impl Pace {
    /// Waits until nobody uses the machine, or patience ends.
    pub fn wait_for_quiet(self) -> Result<()> {
        /// What a desk or an agent of the machine's owner may take.
        const SHARE_OF_OTHERS: f64 = 0.1;
        let since = Instant::now();
        while since.elapsed() < self.patience && process::busy_share()? > SHARE_OF_OTHERS {}
        Ok(())
    }

    /// `full`, or `quick` where that is enough.
    pub fn choose<T>(self, full: T, quick: T) -> T {
        if self.is_quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if options.list {
        for workload in workloads::ALL {
            println!("{:<14} {}", workload.name, workload.about);
        }
        return Ok(());
    }
    let chosen = choose(options)?;
    let window = Duration::from_millis(if options.quick { 700 } else { 3000 });
    let patience = Duration::from_secs(options.patience);
    let pace = Pace { repetitions: options.repetitions, window, is_quick: options.quick, patience };
    let bench = Bench::open(options.dsn.as_deref(), pace)?;
    let facts = machine::look(&bench)?;
    report::print_facts(&facts);
    let mut rows = Vec::new();
    let mut skipped = Vec::new();
    for workload in chosen {
        if workload.needs_own_server && bench.own_server().is_none() {
            skipped.push(workload.name);
            continue;
        }
        eprintln!("… {}", workload.name);
        match bench.settle().and_then(|()| (workload.run)(&bench)) {
            Ok(measured) => rows.extend(measured.into_iter().map(|row| (workload.name, row))),
            Err(error) => {
                eprintln!("{}: {error:#}", workload.name);
                skipped.push(workload.name);
            }
        }
    }
    report::print_rows(&rows);
    for name in &skipped {
        println!(
            "not measured: {name}{}",
            if options.dsn.is_some() { " (needs a server of its own)" } else { "" }
        );
    }
    let mut charts = Vec::new();
    if let Some(folder) = &options.plots {
        charts = scaling::measure(&bench)?;
        plot::write_all(folder, &charts)?;
    }
    println!("load average at the end: {}", machine::load_average());
    if let Some(file) = &options.json {
        std::fs::write(file, report::json(&facts, &rows, &charts))?;
    }
    bench.close()
}

fn choose(options: &Options) -> Result<Vec<&'static Workload>> {
    if let Some(unknown) = options.only.iter().find(|name| workloads::ALL.iter().all(|it| it.name != **name))
    {
        bail!("there is no workload {unknown} (--list shows them)");
    }
    if options.only.is_empty() && options.plots.is_some() {
        return Ok(Vec::new());
    }
    let is_chosen =
        |it: &&Workload| options.only.is_empty() || options.only.iter().any(|name| name == it.name);
    Ok(workloads::ALL.iter().filter(is_chosen).collect())
}
