//! Compiles a PostgreSQL server of another major version than the distribution ships.

use crate::{
    apt::{self, Apt},
    command::{output, privileged, run, say},
    installation::{Installation, SUPPORTED_MAJORS},
    workspace::Workspace,
};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::{
    collections::BTreeSet,
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
    fs::write(folder.join("sources.list"), sources()?).with_context(context)?;

    let apt = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(folder).args(["-qq", "-o", "Dir::Etc::sourceparts=-", "-o"]);
        command.arg(format!("Dir::Etc::sourcelist={}", folder.join("sources.list").display())).arg("-o");
        command.arg(format!("Dir::State::lists={}", folder.join("lists").display()));
        // The folder need not be open to apt's own user.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    };
    // Not every release has every suite.
    if let Err(error) = run(apt("apt-get").arg("update")) {
        say(format!("going on with the lists there are: {error:#}"));
    }
    let package = format!("postgresql-{major}");
    let offered = versions(&output(apt("apt-cache").args(["madison", &package]))?);
    ensure!(!offered.is_empty(), "no suite of Debian has the source package {package}");
    for version in &offered {
        let wanted = format!("{package}={version}");
        // Debian's own changes are not needed, and are what is missing most often.
        match run(apt("apt-get").args(["source", "--download-only", "--tar-only", &wanted])) {
            Ok(()) => {
                return find(folder, |name| name.contains(".orig.tar") && !name.ends_with(".asc"))
                    .context("the source package has no upstream tarball");
            }
            Err(error) => say(format!("{wanted} cannot be fetched: {error:#}")),
        }
    }
    // An index may be ahead of its pool, or behind it: any minor version will do.
    let minors = offered.iter().flat_map(|version| minors_beside(version)).collect::<BTreeSet<_>>();
    for minor in minors.iter().rev() {
        if let Some(tarball) = fetch_unlisted(&package, &format!("{major}.{minor}"), folder)? {
            return Ok(tarball);
        }
    }
    bail!(
        "no version of {package} could be fetched; tried {} of {}, and beside them {major}.{}",
        offered.join(", "),
        RELEASES.iter().flat_map(|release| suites(release)).collect::<Vec<_>>().join(", "),
        minors.iter().map(ToString::to_string).collect::<Vec<_>>().join(&format!(", {major}."))
    )
}

/// Fetches the tarball of a version that no list names, if a mirror has it. Nothing but the mirror vouches for it.
fn fetch_unlisted(package: &str, version: &str, folder: &Path) -> Result<Option<PathBuf>> {
    let name = format!("{package}_{version}.orig.tar.bz2");
    let (mirror, security) = mirrors()?;
    for pool in [format!("{mirror}/pool/main"), format!("{security}/pool/updates/main")] {
        let address = format!("{}/p/{package}/{name}", pool.trim_end_matches('/'));
        let mut helper = Command::new("/usr/lib/apt/apt-helper");
        helper.current_dir(folder).args(["-o", "APT::Sandbox::User=root", "download-file", &address, &name]);
        if run(&mut helper).is_ok() {
            say(format!("{name} is in no list of Debian's, so that no signature covers it"));
            return Ok(Some(folder.join(name)));
        }
    }
    Ok(None)
}

/// The minor versions next to that of a package's version.
fn minors_beside(version: &str) -> Vec<u32> {
    let upstream = version.split('-').next().unwrap_or_default();
    let minor = upstream.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.map_or_else(Vec::new, |minor| {
        [minor + 1, minor + 2].into_iter().chain(minor.checked_sub(1)).chain(minor.checked_sub(2)).collect()
    })
}

/// Where packages come from, and where security fixes do.
fn mirrors() -> Result<(String, String)> {
    let mirror = apt::mirror("Debian")?.trim_end_matches('/').to_owned();
    let security = apt::security_mirror("Debian").unwrap_or_else(|| format!("{mirror}-security"));
    Ok((mirror, security.trim_end_matches('/').to_owned()))
}

/// Where the source packages may be.
fn sources() -> Result<String> {
    let (mirror, security) = mirrors()?;
    let lines = RELEASES.iter().flat_map(|release| suites(release)).map(|suite| {
        let place = if suite.ends_with("-security") { &security } else { &mirror };
        format!("deb-src [signed-by={KEYRING}] {place} {suite} main\n")
    });
    Ok(lines.collect())
}

/// The suites of a release; the one that is never released has no others.
fn suites(release: &str) -> Vec<String> {
    let beside: &[&str] =
        if release == "sid" { &[] } else { &["-security", "-updates", "-proposed-updates"] };
    std::iter::once("").chain(beside.iter().copied()).map(|suffix| format!("{release}{suffix}")).collect()
}

/// The versions that `apt-cache madison` lists, each once, in its order: the newest first.
fn versions(listed: &str) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    for version in listed.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim) {
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
    versions
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_tried_once_newest_first() {
        let listed = "\
postgresql-17 | 17.6-0+deb13u1 | http://mirror trixie-security/main Sources
postgresql-17 | 17.6-0+deb13u1 | http://mirror trixie-proposed-updates/main Sources
postgresql-17 | 17.5-1 | http://mirror trixie/main Sources
";
        assert_eq!(versions(listed), ["17.6-0+deb13u1", "17.5-1"]);
        assert_eq!(versions(""), [""; 0]);
    }

    #[test]
    fn minor_versions_beside_one_are_its_neighbours() {
        assert_eq!(minors_beside("17.12-0+deb13u1"), [13, 14, 11, 10]);
        assert_eq!(minors_beside("18.0-1"), [1, 2]);
        assert_eq!(minors_beside("19~beta1-1"), [0; 0]);
    }

    #[test]
    fn a_release_has_suites_beside_it() {
        assert_eq!(
            suites("trixie"),
            ["trixie", "trixie-security", "trixie-updates", "trixie-proposed-updates"]
        );
        assert_eq!(suites("sid"), ["sid"]);
    }
}
