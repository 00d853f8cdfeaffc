//! Which PostgreSQL server a task uses.

use crate::{Server, command::say, installation::Installation};
use anyhow::{Context, Result, ensure};

/// The server that was named on the command line or in the environment; `None` where none was.
pub fn named(server: &Server) -> Result<Option<Installation>> {
    let installation = match &server.pg_config {
        Some(path) => Some(Installation::at(path).context("--pg-config")?),
        None => Installation::from_env().context("PG_DURABLE_PG_CONFIG")?,
    };
    if let Some(installation) = &installation {
        let (pg_config, version) = (installation.pg_config().display(), installation.version());
        let is_supported = crate::installation::SUPPORTED_MAJORS.contains(&installation.major());
        ensure!(is_supported, "{pg_config} is of {version}; 15 to 18 are supported");
        ensure!(installation.has_server(), "{pg_config} has client programs only, no server");
        ensure!(
            installation.has_headers(),
            "the headers of {pg_config} are missing; Debian has them in postgresql-server-dev-{}",
            installation.major()
        );
    }
    Ok(installation)
}

/// The newest server for which extensions can be compiled.
pub fn newest_with_headers() -> Option<Installation> {
    Installation::all().into_iter().find(Installation::has_headers)
}

/// Prints the servers of this machine.
pub fn list() {
    let mut all = Installation::all();
    // A stable sort: within each half the newest stays first.
    all.sort_by_key(|installation| !installation.has_headers());
    if all.is_empty() {
        say("no server of PostgreSQL 15 to 18 was found");
    }
    for installation in all {
        let headers = if installation.has_headers() { "" } else { "  (no headers)" };
        println!("{}  {}{headers}", installation.pg_config().display(), installation.version());
    }
}
