//! The folder that holds all there is of one test server.

use super::{TestServerError, account::Account};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The place for servers. Not `TMPDIR`, which may be deep: a socket's path has 107 bytes at most.
pub(super) const PARENT: &str = "/tmp";

/// Where logs of failed tests stay when their servers' folders go.
const FAILED_LOGS: &str = "/tmp/pg_durable-failed-logs";

/// A folder with `data`, the Unix socket and `server.log`, open to the server's user alone.
#[derive(Debug)]
pub(super) struct Folder {
    dir: TempDir,
}

impl Folder {
    pub(super) fn new(account: &Account) -> Result<Self, TestServerError> {
        let dir = tempfile::Builder::new()
            .prefix("pgd-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(PARENT)
            .map_err(TestServerError::system(format!("make a folder in {PARENT}")))?;
        account.give(dir.path()).map_err(TestServerError::system("hand the folder over"))?;
        Ok(Self { dir })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path().join("server.log")
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Copies the log to where it outlives the folder.
    pub(super) fn rescue_log(&self) -> Option<PathBuf> {
        fs::create_dir_all(FAILED_LOGS).ok()?;
        let name = self.path().file_name()?.to_string_lossy();
        let to = Path::new(FAILED_LOGS).join(format!("{name}.log"));
        fs::copy(self.log(), &to).ok()?;
        Some(to)
    }
}
