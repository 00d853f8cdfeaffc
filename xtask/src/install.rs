//! Builds the extension and puts it where a server finds it.

use crate::{
    Server,
    command::{is_root, privileged, run as run_command, say},
    installation::Installation,
    script, setup,
    workspace::{EXTENSION_PACKAGE, VERSION, Workspace},
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
};

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    server: Server,
    /// Builds with optimisations (the default)
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Builds without optimisations, with assertions
    #[arg(long)]
    debug: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Release,
    Debug,
}

pub fn run(options: &Options) -> Result<()> {
    let installation = setup::run(&options.server)?;
    let profile = if options.debug && !options.release { Profile::Debug } else { Profile::Release };
    install(&Workspace::load()?, &installation, profile)
}

/// Builds for this server and installs into it.
pub fn install(workspace: &Workspace, installation: &Installation, profile: Profile) -> Result<()> {
    say(format!("building the extension for {}", installation.version()));
    let library = build(workspace, installation, profile)?;
    let files = files(workspace)?;
    let extension_dir = installation.extension_dir();
    say(format!("installing into {} and {}", installation.library_dir().display(), extension_dir.display()));
    place(&library, &installation.library_dir().join("pg_durable.so"), 0o755)?;
    for file in files {
        let name = file.file_name().context("a file of the extension has no name")?;
        place(&file, &extension_dir.join(name), 0o644)?;
    }
    Ok(())
}

/// Compiles the library and returns where cargo put it.
pub fn build(workspace: &Workspace, installation: &Installation, profile: Profile) -> Result<PathBuf> {
    let mut cargo = workspace.cargo("build", installation);
    cargo.args(["-p", EXTENSION_PACKAGE, "--features", &format!("pg{}", installation.major())]);
    let folder = match profile {
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
        Profile::Debug => "debug",
    };
    run_command(&mut cargo)?;
    let library = workspace.target().join(folder).join("libpg_durable.so");
    ensure!(library.is_file(), "cargo built no {}", library.display());
    Ok(library)
}

/// The control file and all scripts; the install script of this version is written first.
pub fn files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let sql = workspace.root().join("sql");
    let control = sql.join("pg_durable.control");
    let text =
        fs::read_to_string(&control).with_context(|| format!("could not read {}", control.display()))?;
    let version = script::default_version(&text).context("the control file has no default_version")?;
    ensure!(version == VERSION, "the control file says {version}, the workspace {VERSION}");

    let assembled = workspace.target().join(format!("pg_durable--{VERSION}.sql"));
    fs::write(&assembled, script::assemble(&sql)?)
        .with_context(|| format!("could not write {}", assembled.display()))?;

    let mut files = vec![control, assembled];
    // Upgrade steps, and the install scripts of released versions, from which upgrades start.
    for folder in [sql.clone(), sql.join("upgrade"), sql.join("install")] {
        files.extend(script::files_in(&folder, "sql")?);
    }
    Ok(files)
}

/// Copies under another name and renames: a running server may have the old file mapped.
fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let mut new = to.as_os_str().to_owned();
    new.push(format!(".{}", process::id()));
    let new = PathBuf::from(new);
    let context = || format!("could not install {}", to.display());
    let copy = || {
        fs::copy(from, &new)?;
        fs::set_permissions(&new, Permissions::from_mode(mode))?;
        fs::rename(&new, to)
    };
    match copy() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !is_root() => {}
        result => return result.with_context(context),
    }
    let script = r#"install -m "$1" "$2" "$3" && mv -f "$3" "$4""#;
    let mut install = privileged("sh").with_context(context)?;
    install.args(["-c", script, "install", &format!("{mode:o}")]).args([from, &new, to]);
    run_command(&mut install).with_context(context)
}
