//! Debian's packages.

use crate::command::{on_path, output, privileged, run, say};
use anyhow::{Context, Result, bail};
use std::{cell::Cell, process::Command};

/// Installs packages. The lists are fetched at most once, and only when something is to be installed.
#[derive(Default)]
pub struct Apt {
    is_updated: Cell<bool>,
}

impl Apt {
    pub fn install<S: AsRef<str>>(&self, packages: &[S]) -> Result<()> {
        let packages: Vec<&str> = packages.iter().map(AsRef::as_ref).collect();
        self.update().with_context(|| format!("cannot install {}", packages.join(", ")))?;
        say(format!("apt-get install {}", packages.join(" ")));
        let mut apt_get = apt_get()?;
        // An own createcluster.conf stays as it is.
        apt_get.args([
            "-o",
            "Dpkg::Options::=--force-confold",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
        ]);
        run(apt_get.args(packages))
    }

    /// The major version of PostgreSQL that this release of the distribution ships.
    pub fn postgresql_major(&self) -> Result<u32> {
        self.update()?;
        let depends = output(Command::new("apt-cache").args(["depends", "postgresql"]))?;
        let major =
            depends.lines().find_map(|line| line.trim().strip_prefix("Depends: postgresql-")?.parse().ok());
        major.context("the package `postgresql` depends on no postgresql-N")
    }

    fn update(&self) -> Result<()> {
        if self.is_updated.get() {
            return Ok(());
        }
        if on_path("apt-get").is_none() {
            bail!("there is no apt-get here; install it by hand with this system's own package manager");
        }
        say("apt-get update");
        let mut apt_get = apt_get()?;
        // One unreachable source must not keep us from the others; what is then missing, install will tell.
        if let Err(error) = run(apt_get.args(["update", "-qq"])) {
            say(format!("going on with the lists there are: {error:#}"));
        }
        self.is_updated.set(true);
        Ok(())
    }
}

/// The mirror from which this machine installs the packages of `Debian` or `Ubuntu`.
pub fn mirror(origin: &str) -> Result<String> {
    // Updates and security fixes are elsewhere, under names such as bookworm-security.
    mirror_of(origin, |codename| !codename.contains('-'))?
        .with_context(|| format!("apt has no sources of {origin} here (is this {origin}, and updated?)"))
}

/// The mirror from which it takes security fixes, if it does.
pub fn security_mirror(origin: &str) -> Option<String> {
    mirror_of(origin, |codename| codename.ends_with("-security")).ok().flatten()
}

fn mirror_of(origin: &str, is_it: impl Fn(&str) -> bool) -> Result<Option<String>> {
    let mut indextargets = Command::new("apt-get");
    indextargets.args(["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]);
    let targets = output(indextargets.arg(format!("Origin: {origin}")))?;
    let found = targets.lines().find_map(|line| {
        let (mirror, codename) = line.split_once(' ')?;
        is_it(codename).then(|| mirror.to_owned())
    });
    Ok(found)
}

fn apt_get() -> Result<Command> {
    // Through `env`, for sudo drops the variables it is not told about.
    let mut command = privileged("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    Ok(command)
}
