//! The PostgreSQL installations of this machine.
//!
//! `xtask` compiles this file too, so that both name the same server; it needs nothing but `thiserror`.

use std::{
    collections::HashSet,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// The environment variable that names the `pg_config` of the server to use.
pub const PG_CONFIG_VARIABLE: &str = "PG_DURABLE_PG_CONFIG";

/// The major versions for which the extension is built.
pub const SUPPORTED_MAJORS: std::ops::RangeInclusive<u32> = 15..=18;

/// A PostgreSQL installation, as its `pg_config` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pg_config: PathBuf,
    version: String,
    major: u32,
    bindir: PathBuf,
    pkglibdir: PathBuf,
    sharedir: PathBuf,
    includedir_server: PathBuf,
}

/// Why an installation could not be described or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallationError {
    /// `pg_config` did not start.
    #[error("could not run {}", pg_config.display())]
    Run {
        /// The program that was to run.
        pg_config: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// `pg_config` answered with something else than was asked for.
    #[error("{} gave no usable answer: {answer}", pg_config.display())]
    Answer {
        /// The program that was run.
        pg_config: PathBuf,
        /// What it printed.
        answer: String,
    },
    /// The machine has no PostgreSQL server that fits.
    #[error(
        "no PostgreSQL server of version 15 to 18 was found (run `cargo xtask setup`, or set {PG_CONFIG_VARIABLE})"
    )]
    NotFound,
}

impl Installation {
    /// Describes the installation to which a `pg_config` belongs.
    pub fn at(pg_config: impl AsRef<Path>) -> Result<Self, InstallationError> {
        let pg_config = pg_config.as_ref();
        let output = Command::new(pg_config)
            .args(["--version", "--bindir", "--pkglibdir", "--sharedir", "--includedir-server"])
            .output()
            .map_err(|source| InstallationError::Run { pg_config: pg_config.to_owned(), source })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = text.lines().collect();
        let unusable = || InstallationError::Answer {
            pg_config: pg_config.to_owned(),
            answer: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
        };
        let [version, bindir, pkglibdir, sharedir, includedir_server] = lines[..] else {
            return Err(unusable());
        };
        let major = major_of(version).ok_or_else(unusable)?;
        Ok(Self {
            pg_config: pg_config.to_owned(),
            version: version.to_owned(),
            major,
            bindir: bindir.into(),
            pkglibdir: pkglibdir.into(),
            sharedir: sharedir.into(),
            includedir_server: includedir_server.into(),
        })
    }

    /// Lists the supported servers of this machine, the newest first.
    ///
    /// Looks in `/usr/lib/postgresql/*/bin`, `/opt/pg*/bin`, `/usr/local/pgsql/bin` and `PATH`. An
    /// installation of client programs alone is left out.
    pub fn all() -> Vec<Self> {
        let mut seen = HashSet::new();
        let mut found: Vec<Self> = candidates()
            .into_iter()
            .filter(|pg_config| pg_config.is_file())
            .filter_map(|pg_config| Self::at(pg_config).ok())
            .filter(|it| it.has_server() && SUPPORTED_MAJORS.contains(&it.major))
            // Debian's /usr/bin/pg_config describes a server that was already found in its own folder.
            .filter(|it| seen.insert(fs::canonicalize(&it.bindir).unwrap_or_else(|_| it.bindir.clone())))
            .collect();
        found.sort_by_key(|it| std::cmp::Reverse(it.major));
        found
    }

    /// Returns the installation that [`PG_CONFIG_VARIABLE`] names; `None` where it is not set.
    pub fn from_env() -> Result<Option<Self>, InstallationError> {
        env::var_os(PG_CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(Self::at).transpose()
    }

    /// The `pg_config` that described this installation.
    pub fn pg_config(&self) -> &Path {
        &self.pg_config
    }

    /// The version as `pg_config` words it, such as `PostgreSQL 17.11`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version, such as 17.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The path of one of the installation's programs, such as `initdb`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bindir.join(name)
    }

    /// The folder from which the server loads extension libraries.
    pub fn library_dir(&self) -> &Path {
        &self.pkglibdir
    }

    /// The folder in which the server looks for control files and install scripts.
    pub fn extension_dir(&self) -> PathBuf {
        self.sharedir.join("extension")
    }

    /// Whether the server's header files are there, so that extensions can be compiled for it.
    pub fn has_headers(&self) -> bool {
        self.includedir_server.join("postgres.h").is_file()
    }

    /// Whether the server programs are there, and not only the client's.
    pub fn has_server(&self) -> bool {
        self.program("postgres").is_file() && self.program("initdb").is_file()
    }

    /// Whether an extension library of this name has been installed.
    pub fn has_library(&self, name: &str) -> bool {
        self.library_dir().join(format!("{name}.so")).is_file()
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/opt", "pg")] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path().join("bin"));
            }
        }
    }
    folders.sort();
    folders.push("/usr/local/pgsql/bin".into());
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    folders.into_iter().map(|folder| folder.join("pg_config")).collect()
}

/// Reads the major version out of `PostgreSQL 15.20 (Debian 15.20-0+deb12u1)` or `PostgreSQL 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(1)?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn the_major_version_is_the_leading_number() {
        for (version, major) in [
            ("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)", Some(15)),
            ("PostgreSQL 18beta1", Some(18)),
            ("PostgreSQL 19devel", Some(19)),
            ("PostgreSQL", None),
            ("", None),
        ] {
            assert_eq!(major_of(version), major, "{version}");
        }
    }
}
