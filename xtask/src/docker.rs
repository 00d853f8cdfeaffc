//! The Docker engine, through its command-line program.

use crate::command::{on_path, output, run};
use anyhow::{Context, Result, bail};
use std::{
    path::Path,
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// For a server that makes its first cluster, on a busy machine too.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// Why there can be no image here; nothing is wrong with what was to be built.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// An engine that answered.
pub struct Docker(());

impl Docker {
    /// Asks the engine for its version.
    pub fn find() -> Result<Self> {
        if on_path("docker").is_none() {
            let message = "there is no `docker` here (install Docker, or docker.io from Debian)";
            return Err(Unavailable(message.to_owned()).into());
        }
        match output(docker().args(["version", "--format", "{{.Server.Version}}"])) {
            Ok(_) => Ok(Self(())),
            Err(error) => Err(Unavailable(format!("no Docker engine answers: {error:#}")).into()),
        }
    }

    pub fn has_image(&self, tag: &str) -> bool {
        output(docker().args(["image", "inspect", tag])).is_ok()
    }

    pub fn pull(&self, tag: &str) -> Result<()> {
        run(docker().args(["pull", tag])).with_context(|| format!("could not fetch the base {tag}"))
    }

    /// Makes an image of a root file system.
    pub fn import(&self, tarball: &Path, changes: &[String], tag: &str) -> Result<()> {
        let mut import = docker();
        import.arg("import");
        for change in changes {
            import.args(["--change", change]);
        }
        output(import.arg(tarball).arg(tag)).map(drop)
    }

    /// The value of an environment variable that the image sets.
    pub fn variable(&self, tag: &str, name: &str) -> Result<Option<String>> {
        let format = "{{range .Config.Env}}{{println .}}{{end}}";
        let all = output(docker().args(["image", "inspect", "--format", format, tag]))?;
        let value = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Ok(value.map(str::to_owned))
    }

    pub fn build(&self, dockerfile: &Path, context: &Path, base: &str, tag: &str) -> Result<()> {
        let mut build = docker();
        build.arg("build").arg("--file").arg(dockerfile);
        run(build.args(["--build-arg", &format!("BASE={base}"), "--tag", tag]).arg(context))
    }

    pub fn size(&self, tag: &str) -> Result<u64> {
        let size = output(docker().args(["image", "inspect", "--format", "{{.Size}}", tag]))?;
        size.trim().parse().with_context(|| format!("docker says that {tag} has a size of {size}"))
    }

    /// Starts a throwaway server from the image and returns what it answers to SQL.
    pub fn ask_server(&self, tag: &str, sql: &str) -> Result<String> {
        let container = Container(format!("pg_durable-check-{}", process::id()));
        let mut start = docker();
        start.args(["run", "--detach", "--name", &container.0, "--env", "POSTGRES_HOST_AUTH_METHOD=trust"]);
        output(start.args([tag, "postgres", "-c", "fsync=off"]))?;
        let until = Instant::now() + START_DEADLINE;
        loop {
            // Through TCP, which the server takes only once it is set up.
            let psql =
                ["psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-c", sql];
            match output(docker().args(["exec", &container.0]).args(psql)) {
                Ok(answer) => return Ok(answer.trim().to_owned()),
                Err(error) if !container.is_running() || Instant::now() > until => {
                    bail!("a server from {tag} gave no answer: {error:#}; its log:\n{}", container.log());
                }
                Err(_) => thread::sleep(Duration::from_millis(200)),
            }
        }
    }
}

/// A container of ours, removed with the value.
struct Container(String);

impl Container {
    fn is_running(&self) -> bool {
        output(docker().args(["inspect", "--format", "{{.State.Running}}", &self.0]))
            .is_ok_and(|answer| answer.trim() == "true")
    }

    fn log(&self) -> String {
        let log = docker().args(["logs", "--tail", "30", &self.0]).output();
        log.map(|log| {
            format!("{}{}", String::from_utf8_lossy(&log.stdout), String::from_utf8_lossy(&log.stderr))
        })
        .unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = docker()
            .args(["rm", "--force", "--volumes", &self.0])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn docker() -> Command {
    Command::new("docker")
}
