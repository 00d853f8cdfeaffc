//! What can go wrong with a test server.

use super::InstallationError;
use std::{io, path::PathBuf, time::Duration};

/// Why an operation on a [`TestServer`](super::TestServer) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestServerError {
    /// No server to run was found.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// The extension has not been installed into this server.
    #[error("{} does not exist (run `cargo xtask install`)", library.display())]
    ExtensionNotInstalled {
        /// The library that the server would preload.
        library: PathBuf,
    },
    /// No database of the server has the extension.
    #[error("no database has the extension (run CREATE EXTENSION pg_durable)")]
    NoExtension,
    /// The process runs as root, which PostgreSQL refuses, and there is nobody else to run as.
    #[error("PostgreSQL does not run as root, and there is no user `postgres` (run `cargo xtask setup`)")]
    NoAccount,
    /// The folder of cached clusters belongs to someone else.
    #[error("{} belongs to user {owner}, not to user {expected}", folder.display())]
    ForeignTemplates {
        /// The folder.
        folder: PathBuf,
        /// The uid that owns it.
        owner: u32,
        /// The uid that the server runs as.
        expected: u32,
    },
    /// A file or a process could not be worked with.
    #[error("could not {action}")]
    System {
        /// What was tried.
        action: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program of PostgreSQL or of the system failed.
    #[error("{program} failed: {message}")]
    Program {
        /// The program's name.
        program: String,
        /// What it wrote to its standard error.
        message: String,
    },
    /// The server ended while it started.
    #[error("the server did not start; its log ends with:\n{log}")]
    Start {
        /// The last lines of the server's log.
        log: String,
    },
    /// The server was not where it had to be in time.
    #[error("the server was not {state} after {waited:?}; its log ends with:\n{log}")]
    Deadline {
        /// What was waited for.
        state: &'static str,
        /// How long.
        waited: Duration,
        /// The last lines of the server's log.
        log: String,
    },
    /// Server processes outlived the postmaster, so that it cannot be started again.
    #[error("these processes outlived the postmaster: {}", survivors.join(", "))]
    Survivors {
        /// The pid and the command line of each.
        survivors: Vec<String>,
    },
    /// The server is not running.
    #[error("the server is not running")]
    NotRunning,
    /// The server is already running.
    #[error("the server is already running")]
    AlreadyRunning,
    /// The process is not one of this server's.
    #[error("process {pid} is not a process of this server")]
    NotOurs {
        /// The process that was named.
        pid: u32,
    },
    /// No Docker engine answers.
    #[error("no Docker engine answers: {reason} (start one, or let DOCKER_HOST name one)")]
    NoEngine {
        /// What came instead of an answer.
        reason: String,
    },
    /// The Docker engine does not have the image.
    #[error(
        "the Docker engine has no image {image} (run `cargo xtask image`, or let PG_DURABLE_IMAGE name one)"
    )]
    ImageMissing {
        /// The image that was to be started.
        image: String,
    },
    /// The Docker engine refused something.
    #[error("the Docker engine could not {action}")]
    Engine {
        /// What it was asked to do.
        action: String,
        /// Its reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TestServerError {
    /// For `map_err`: tells what was tried when the system refused.
    pub(super) fn system(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::System { action, source }
    }
}

/// The end of a server's log, as an error and a failed test show it.
pub(super) fn tail_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
