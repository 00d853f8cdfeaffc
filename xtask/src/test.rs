//! Every check that CI runs, stage by stage.

use crate::{
    Server,
    command::{run as run_command, say, shown},
    docker::Unavailable,
    image,
    install::{Profile, install},
    installation::Installation,
    setup, tree,
    workspace::Workspace,
};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The image that the tests are run with; the user's own is left alone.
const TEST_IMAGE: &str = "pg_durable:test";

/// Names the image to the tests with containers, which then fail without it.
const IMAGE_VARIABLE: &str = "PG_DURABLE_IMAGE";

/// Tells the tests with containers why there is no image, which are then skipped.
const NO_CONTAINER_VARIABLE: &str = "PG_DURABLE_NO_CONTAINER";

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    server: Server,
    /// Runs these stages only
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    only: Vec<Stage>,
    /// Goes on with the next stage after a failed one
    #[arg(long)]
    keep_going: bool,
    /// Makes the container image from this one, such as postgres:17 [default: made with debootstrap]
    #[arg(long, value_name = "IMAGE")]
    image_base: Option<String>,
    /// Tests the extension as it is released, instead of with assertions
    #[arg(long)]
    release: bool,
    /// Arguments of the integration tests, such as a name or --nocapture
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// In the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// What the machine lacks
    Setup,
    /// rustfmt
    Fmt,
    /// clippy, warnings denied
    Clippy,
    /// Tests of the packages that need no server with the extension
    Unit,
    /// The extension, into the server
    Install,
    /// The container image, where a Docker engine answers
    Image,
    /// Tests against real servers
    Integration,
    /// What is to be published can be, and brings no more with it than is meant to
    Package,
    /// Documentation, warnings denied
    Doc,
}

struct Report {
    stage: Stage,
    took: Duration,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    /// The machine lacks what it takes, and why.
    Skipped(String),
    Failed(anyhow::Error),
}

/// What earlier stages leave for later ones.
#[derive(Default)]
struct Progress {
    counts: Counts,
    /// What the tests with containers are told: a variable of their environment.
    container: Option<(&'static str, String)>,
}

/// What test runners said of themselves, added up.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

pub fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    // Quick where nothing is missing, so that each stage can be run alone.
    let (installation, setup_report) = time(Stage::Setup, || setup::run(&options.server));
    let installation = match installation {
        Some(installation) => installation,
        None => return conclude(&[setup_report], &Counts::default(), started.elapsed()),
    };
    say(format!("testing with {} ({})", installation.version(), installation.pg_config().display()));
    let workspace = Workspace::load()?;
    let mut progress = Progress::default();
    let mut reports = vec![setup_report];
    let wanted = |stage: &Stage| options.only.is_empty() || options.only.contains(stage);
    for &stage in Stage::value_variants().iter().filter(|stage| **stage != Stage::Setup && wanted(stage)) {
        say(format!("{stage:?}"));
        let (_, report) = time(stage, || perform(stage, options, &workspace, &installation, &mut progress));
        if let Outcome::Skipped(reason) = &report.outcome {
            say(format!("skipping {stage:?}, and the tests with containers: {reason}"));
            progress.container = Some((NO_CONTAINER_VARIABLE, reason.clone()));
        }
        say(format!("{stage:?}: {} after {:.1} s", report.word(), report.took.as_secs_f32()));
        let has_failed = matches!(report.outcome, Outcome::Failed(_));
        reports.push(report);
        if has_failed && !options.keep_going {
            break;
        }
    }
    conclude(&reports, &progress.counts, started.elapsed())
}

fn perform(
    stage: Stage,
    options: &Options,
    workspace: &Workspace,
    installation: &Installation,
    progress: &mut Progress,
) -> Result<()> {
    let features = Workspace::features(installation);
    let cargo = |task: &str| workspace.cargo(task, installation);
    let profile = if options.release { Profile::Release } else { Profile::Debug };
    match stage {
        Stage::Setup => Ok(()),
        Stage::Fmt => run_command(cargo("fmt").args(["--all", "--", "--check"])),
        Stage::Clippy => {
            let mut clippy = cargo("clippy");
            clippy.args(["--workspace", "--all-targets", "--features", &features, "--", "-D", "warnings"]);
            run_command(&mut clippy)
        }
        Stage::Unit => {
            // The SDK alone, so that others' features of its dependencies do not make it work.
            let (sdk, others): (Vec<_>, _) =
                workspace.pure_packages().partition(|package| *package == "pg_durable_sdk");
            let mut test = cargo("test");
            run_tests(test.args(others.iter().flat_map(|package| ["-p", package])), &mut progress.counts)?;
            let mut test = cargo("test");
            test.args(sdk.iter().flat_map(|package| ["-p", package]));
            run_tests(test.args(["--features", "pg_durable_sdk/testing-container"]), &mut progress.counts)
        }
        Stage::Install => install(workspace, installation, profile),
        Stage::Image => {
            let base = options.image_base.as_deref();
            image::build(workspace, base, TEST_IMAGE, profile, Some(installation))?;
            progress.container = Some((IMAGE_VARIABLE, TEST_IMAGE.to_owned()));
            Ok(())
        }
        Stage::Integration => {
            let mut test = cargo("test");
            test.args(["-p", "pg_durable_tests", "-p", "pg_durable_examples", "--"]).args(&options.arguments);
            test.envs(progress.container.clone());
            run_tests(&mut test, &mut progress.counts)
        }
        // Whether what is published has all it needs: versions, and files.
        Stage::Package => {
            let mut package = cargo("package");
            for published in
                ["pg_durable_syntax", "pg_durable_graph", "pg_durable_sdk_macros", "pg_durable_sdk"]
            {
                package.args(["-p", published]);
            }
            run_command(package.args(["--offline", "--allow-dirty", "--no-verify", "--quiet"]))?;
            tree::check(&mut cargo("tree"))
        }
        Stage::Doc => {
            let mut doc = cargo("doc");
            doc.args(["--workspace", "--no-deps", "--features", &features]).env("RUSTDOCFLAGS", "-Dwarnings");
            run_command(&mut doc)
        }
    }
}

fn time<T>(stage: Stage, work: impl FnOnce() -> Result<T>) -> (Option<T>, Report) {
    let started = Instant::now();
    let result = work();
    let took = started.elapsed();
    match result {
        Ok(value) => (Some(value), Report { stage, took, outcome: Outcome::Passed }),
        Err(error) => {
            let outcome = match image::unavailable(&error) {
                Some(Unavailable(reason)) => Outcome::Skipped(reason.clone()),
                None => Outcome::Failed(error),
            };
            (None, Report { stage, took, outcome })
        }
    }
}

impl Report {
    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(_) => "FAILED",
        }
    }
}

/// Runs tests on our own terminal and counts them.
fn run_tests(command: &mut Command, counts: &mut Counts) -> Result<()> {
    let context = format!("could not run {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().context(context)?;
    let mut output = BufReader::new(child.stdout.take().context("the tests' output is lost")?);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        counts.add(&String::from_utf8_lossy(&line));
        std::io::stdout().write_all(&line)?;
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

impl Counts {
    /// Adds `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in result.split(';') {
            match count
                .trim()
                .split_once(' ')
                .map(|(number, what)| (number.parse().unwrap_or(0), what.trim()))
            {
                Some((number, "passed")) => self.passed += number,
                Some((number, "failed")) => self.failed += number,
                Some((number, "ignored")) => self.skipped += number,
                _ => {}
            }
        }
    }
}

fn conclude(reports: &[Report], counts: &Counts, took: Duration) -> Result<()> {
    println!("\n  {:<12} {:<7} {:>8}", "stage", "result", "seconds");
    for report in reports {
        println!(
            "  {:<12} {:<7} {:>8.1}",
            format!("{:?}", report.stage),
            report.word(),
            report.took.as_secs_f32()
        );
    }
    println!("  {:<12} {:<7} {:>8.1}\n", "all", "", took.as_secs_f32());
    for Report { stage, outcome, .. } in reports {
        match outcome {
            Outcome::Passed => {}
            Outcome::Skipped(reason) => println!("{stage:?} was skipped: {reason}"),
            Outcome::Failed(error) => println!("{stage:?}: {error:#}"),
        }
    }
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    let failed: Vec<_> = reports
        .iter()
        .filter(|report| matches!(report.outcome, Outcome::Failed(_)))
        .map(|report| format!("{:?}", report.stage))
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn results_of_several_runners_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            counts.add(line);
        }
        assert_eq!((counts.passed, counts.failed, counts.skipped), (8, 2, 1));
    }
}
