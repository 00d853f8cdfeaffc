//! Compiles a PostgreSQL server of another major version than the distribution ships.

use crate::{
    apt::{self, Apt},
    command::{output, privileged, run, say},
    installation::{Installation, SUPPORTED_MAJORS},
    workspace::Workspace,
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Instant,
};

/// Debian's releases, each of which has another major version: 15, 17, 18.
const RELEASES: [&str; 3] = ["bookworm", "trixie", "sid"];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

const BUILD_PACKAGES: [&str; 8] =
    ["make", "gcc", "bison", "flex", "libreadline-dev", "zlib1g-dev", "libicu-dev", "libssl-dev"];

#[derive(Args)]
pub struct Options {
    /// The major version: 15, 17 or 18
    major: u32,
    /// Compiles it also where it is installed already
    #[arg(long)]
    force: bool,
}

/// Takes about four minutes on two cores.
pub fn build(options: &Options) -> Result<()> {
    let major = options.major;
    ensure!(SUPPORTED_MAJORS.contains(&major), "PostgreSQL 15 to 18 are supported, not {major}");
    let prefix = PathBuf::from(format!("/opt/pg{major}"));
    let pg_config = prefix.join("bin/pg_config");
    let is_there = Installation::at(&pg_config).is_ok_and(|it| it.has_server() && it.has_headers());
    if is_there && !options.force {
        say(format!("{} is there already", pg_config.display()));
        return Ok(());
    }
    let started = Instant::now();
    let missing: Vec<&str> = BUILD_PACKAGES.into_iter().filter(|package| !is_installed(package)).collect();
    if !missing.is_empty() {
        Apt::default().install(&missing).context("could not install what the server's build needs")?;
    }
    let folder = Workspace::load()?.target().join("servers").join(major.to_string());
    let tarball = download(major, &folder)?;
    let source = unpack(&tarball, &folder)?;
    compile(&source, &prefix)?;
    let installation = Installation::at(&pg_config)?;
    say(format!("{} is in {} ({} s)", installation.version(), prefix.display(), started.elapsed().as_secs()));
    println!("{}", pg_config.display());
    Ok(())
}

fn is_installed(package: &str) -> bool {
    let status = output(Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]));
    status.is_ok_and(|status| status.contains("ok installed"))
}

/// Fetches the upstream tarball with apt settings of our own: the machine's sources stay as they are.
fn download(major: u32, folder: &Path) -> Result<PathBuf> {
    say(format!("fetching the source of PostgreSQL {major}"));
    let context = || format!("could not write to {}", folder.display());
    // What an earlier run left may be of an older minor version.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder.join("lists/partial")).with_context(context)?;
    let mirror = apt::mirror("Debian")?;
    let lines = RELEASES.map(|release| format!("deb-src [signed-by={KEYRING}] {mirror} {release} main\n"));
    fs::write(folder.join("sources.list"), lines.concat()).with_context(context)?;

    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.current_dir(folder).args(["-qq", "-o", "Dir::Etc::sourceparts=-", "-o"]);
        command.arg(format!("Dir::Etc::sourcelist={}", folder.join("sources.list").display())).arg("-o");
        command.arg(format!("Dir::State::lists={}", folder.join("lists").display()));
        // The folder need not be open to apt's own user.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    };
    run(apt_get().arg("update"))?;
    let package = format!("postgresql-{major}");
    run(apt_get().args(["source", "--download-only", &package]))
        .with_context(|| format!("no release of Debian has the source package {package}"))?;
    find(folder, |name| name.contains(".orig.tar")).context("the source package has no upstream tarball")
}

fn unpack(tarball: &Path, folder: &Path) -> Result<PathBuf> {
    run(Command::new("tar").current_dir(folder).arg("xf").arg(tarball))?;
    find(folder, |name| name.starts_with("postgresql-") && !name.contains(".tar") && !name.ends_with(".dsc"))
        .context("the upstream tarball holds no folder postgresql-N")
}

fn compile(source: &Path, prefix: &Path) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    say(format!("compiling {} for {} (some minutes)", source.display(), prefix.display()));
    let mut configure = Command::new("./configure");
    configure.current_dir(source).arg("--quiet").arg(format!("--prefix={}", prefix.display()));
    configure.args(["--with-icu", "--with-openssl", "--without-llvm", "CFLAGS=-O2 -fno-omit-frame-pointer"]);
    run(&mut configure)?;
    let make = |command: Command, folder: &str, target: &str| {
        let mut command = command;
        run(command.arg("-C").arg(source.join(folder)).args(["-s", &format!("-j{cores}"), target]))
    };
    make(Command::new("make"), ".", "all")?;
    make(Command::new("make"), "contrib", "all")?;
    make(privileged("make")?, ".", "install")?;
    make(privileged("make")?, "contrib", "install")
}

fn find(folder: &Path, is_it: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| is_it(&name.to_string_lossy())))
}
