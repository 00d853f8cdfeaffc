//! This workspace, and cargo on it.

use crate::{command::output, installation::Installation};
use anyhow::{Context, Result};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

pub const EXTENSION_PACKAGE: &str = "pg_durable_ext";

/// The version of the workspace, which is the extension's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    packages: Vec<String>,
}

impl Workspace {
    pub fn load() -> Result<Self> {
        // Where xtask was compiled is where its workspace is.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no workspace")?;
        let mut metadata = Command::new(cargo_path());
        metadata.current_dir(root).args(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: serde_json::Value =
            serde_json::from_str(&output(&mut metadata)?).context("cargo metadata printed no JSON")?;
        let target =
            metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
        let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
        let packages =
            packages.iter().filter_map(|package| Some(package["name"].as_str()?.to_owned())).collect();
        Ok(Self { root: root.to_owned(), target: target.into(), packages })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn target(&self) -> &Path {
        &self.target
    }

    pub fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package == name)
    }

    /// The packages whose tests are run with no server prepared for them.
    pub fn pure_packages(&self) -> impl Iterator<Item = &str> {
        let others = [
            EXTENSION_PACKAGE,
            "pg_durable_tests",
            "pg_durable_examples",
            "pg_durable_bench",
            "pg_durable_demo",
        ];
        self.packages.iter().map(String::as_str).filter(move |name| !others.contains(name))
    }

    /// A cargo command that builds and runs for this server.
    pub fn cargo(&self, task: &str, installation: &Installation) -> Command {
        let mut command = Command::new(cargo_path());
        command.current_dir(&self.root).arg(task);
        // The extension's build script asks this pg_config, and would look for cargo-pgrx's settings without it.
        command.env("PGRX_PG_CONFIG_PATH", installation.pg_config());
        command.env(crate::installation::PG_CONFIG_VARIABLE, installation.pg_config());
        command
    }

    /// The features with which the whole workspace compiles for this server.
    pub fn features(installation: &Installation) -> String {
        format!("{EXTENSION_PACKAGE}/pg{},pg_durable_sdk/testing-container", installation.major())
    }
}

fn cargo_path() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}
