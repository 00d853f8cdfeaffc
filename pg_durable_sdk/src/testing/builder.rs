//! What a test server is to be like.

use super::{Installation, TestServer, TestServerError, account::Account, folder::Folder, template};
use std::{collections::BTreeMap, path::PathBuf};

/// The library that is preloaded unless the builder is told otherwise.
const EXTENSION: &str = "pg_durable";

/// Settings of a [`TestServer`] that is yet to start.
///
/// The defaults: the extension preloaded, its clock movable, 32 worker processes, 10 prepared transactions,
/// `wal_level = replica`, a restart after a crash of a backend, and no `fsync`.
#[derive(Debug, Clone)]
#[must_use]
pub struct TestServerBuilder {
    pg_config: Option<PathBuf>,
    preload: Option<String>,
    settings: BTreeMap<String, String>,
}

impl Default for TestServerBuilder {
    fn default() -> Self {
        let defaults = [
            ("fsync", "off"),
            ("log_line_prefix", "%m [%p] %b %u@%d %a "),
            ("max_prepared_transactions", "10"),
            ("max_worker_processes", "32"),
            ("pg_durable.test_clock", "on"),
            ("restart_after_crash", "on"),
            // A standby that starts late must still find the log it needs.
            ("wal_keep_size", "128MB"),
            ("wal_level", "replica"),
        ];
        Self {
            pg_config: None,
            preload: Some(EXTENSION.to_owned()),
            settings: defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }
}

impl TestServerBuilder {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the server to which this `pg_config` belongs.
    ///
    /// Without it, the one that `PG_DURABLE_PG_CONFIG` names, else the newest that has what is to be preloaded.
    pub fn pg_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.pg_config = Some(path.into());
        self
    }

    /// Sets a server parameter; the value is quoted as needed. A later value replaces an earlier one.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Sets `shared_preload_libraries`; `None` starts a server without the extension.
    pub fn preload(mut self, libraries: Option<&str>) -> Self {
        self.preload = libraries.map(str::to_owned);
        self
    }

    /// Turns `fsync` on, for tests that want the disk to count. A killed process loses nothing without it.
    pub fn durable(self) -> Self {
        self.setting("fsync", "on")
    }

    /// Makes the cluster and starts it; returns once it takes connections.
    pub fn start(self) -> Result<TestServer, TestServerError> {
        let installation = self.installation()?;
        let library = installation.library_dir().join(format!("{EXTENSION}.so"));
        if self.preloads_extension() && !library.is_file() {
            return Err(TestServerError::ExtensionNotInstalled { library });
        }
        let account = Account::find()?;
        let folder = Folder::new(&account)?;
        template::copy_to(&folder.data(), &installation, &account)?;
        let mut settings = self.settings;
        settings.entry("shared_preload_libraries".to_owned()).or_insert(self.preload.unwrap_or_default());
        TestServer::start_in(folder, installation, account, settings)
    }

    /// The settings alone, for a server that is not of this machine's installations.
    #[cfg(feature = "testing-container")]
    pub(super) fn into_settings(self) -> BTreeMap<String, String> {
        self.settings
    }

    fn installation(&self) -> Result<Installation, TestServerError> {
        if let Some(pg_config) = &self.pg_config {
            return Ok(Installation::at(pg_config)?);
        }
        if let Some(named) = Installation::from_env()? {
            return Ok(named);
        }
        let all = Installation::all();
        let fitting = all.iter().find(|it| !self.preloads_extension() || it.has_library(EXTENSION));
        let found = fitting.or(all.first()).ok_or(super::InstallationError::NotFound)?;
        Ok(found.clone())
    }

    fn preloads_extension(&self) -> bool {
        let libraries = self.settings.get("shared_preload_libraries").or(self.preload.as_ref());
        libraries.is_some_and(|list| list.split(',').any(|name| name.trim() == EXTENSION))
    }
}
