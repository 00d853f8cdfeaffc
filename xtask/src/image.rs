//! A container image of PostgreSQL with the extension.

use crate::{
    Server,
    apt::Apt,
    command::{on_path, output, say},
    debootstrap,
    docker::{Docker, Unavailable},
    install::{self, Profile},
    installation::Installation,
    servers, setup,
    workspace::{VERSION, Workspace},
};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// The tag where none is named, which is also the one that `TestServer::container` starts from.
const DEFAULT_TAG: &str = "pg_durable:dev";

#[derive(Args)]
pub struct Options {
    /// A Debian image of PostgreSQL, such as postgres:17 [default: one made with debootstrap of this system's release]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// The name of the image
    #[arg(long, default_value = DEFAULT_TAG)]
    tag: String,
    /// Builds the extension without optimisations, with assertions
    #[arg(long)]
    debug: bool,
    #[command(flatten)]
    server: Server,
}

pub fn run(options: &Options) -> Result<()> {
    let profile = if options.debug { Profile::Debug } else { Profile::Release };
    let workspace = Workspace::load()?;
    let named = servers::named(&options.server)?;
    build(&workspace, options.base.as_deref(), &options.tag, profile, named.as_ref())?;
    println!("run it with:\n\n  docker run --rm -e POSTGRES_PASSWORD=secret -p 5432:5432 {}\n", options.tag);
    Ok(())
}

/// Why there can be no image on this machine; `None` where the error is one of the build.
pub fn unavailable(error: &anyhow::Error) -> Option<&Unavailable> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// Builds the image and starts a server from it, which must have the extension.
///
/// The extension is compiled with `preferred` where that is of the base's major version.
pub fn build(
    workspace: &Workspace,
    base: Option<&str>,
    tag: &str,
    profile: Profile,
    preferred: Option<&Installation>,
) -> Result<()> {
    let started = Instant::now();
    let docker = Docker::find()?;
    let apt = Apt::default();
    let base = match base {
        Some(base) => {
            if !docker.has_image(base) {
                docker.pull(base)?;
            }
            base.to_owned()
        }
        None => debootstrap::base(workspace, &docker, &apt)?,
    };
    let major = major_of(&docker, &base)?;
    let installation = installation(major, preferred, &apt)?;
    say(format!("building the extension for {}", installation.version()));
    let library = install::build(workspace, &installation, profile)?;
    let context = context(workspace, &library)?;
    say(format!("building {tag} from {base}"));
    docker.build(&workspace.root().join("docker/Dockerfile"), &context, &base, tag)?;
    let sql = "SELECT extversion FROM pg_extension WHERE extname = 'pg_durable'";
    let version = docker.ask_server(tag, sql).context(
        "the image does not work; a library that was compiled on a newer system than the base's does not load there",
    )?;
    ensure!(
        version == VERSION,
        "a server from {tag} has version {version:?} of the extension, not {VERSION}"
    );
    let size = docker.size(tag)? / 1_000_000;
    say(format!("{tag}: PostgreSQL {major}, {size} MB, after {} s", started.elapsed().as_secs()));
    Ok(())
}

fn major_of(docker: &Docker, base: &str) -> Result<u32> {
    let major = docker.variable(base, "PG_MAJOR")?;
    major.and_then(|major| major.parse().ok()).with_context(|| {
        format!("{base} sets no PG_MAJOR: a base is a Debian image of PostgreSQL, as the official ones are")
    })
}

/// A server of this machine for which the extension is compiled, its headers installed where they are missing.
fn installation(major: u32, preferred: Option<&Installation>, apt: &Apt) -> Result<Installation> {
    setup::tools(apt)?;
    if let Some(preferred) = preferred.filter(|it| it.major() == major) {
        return Ok(preferred.clone());
    }
    let find = || Installation::all().into_iter().find(|it| it.major() == major && it.has_headers());
    if let Some(found) = find() {
        return Ok(found);
    }
    let installed = setup::install_packages(major, apt);
    match (find(), installed) {
        (Some(found), _) => Ok(found),
        (None, Ok(())) => bail!("PostgreSQL {major} was installed, yet no server with headers is found"),
        (None, Err(error)) => Err(error.context(format!(
            "the base has PostgreSQL {major}, whose headers are missing here (try `cargo xtask server build {major}`)"
        ))),
    }
}

/// Collects what goes into the image, and nothing else.
fn context(workspace: &Workspace, library: &Path) -> Result<PathBuf> {
    let folder = workspace.target().join("image/context");
    let fill = || -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let stripped = folder.join("pg_durable.so");
        fs::copy(library, &stripped)?;
        // Half the size; a machine without strip gets the whole.
        if on_path("strip").is_some() {
            output(Command::new("strip").arg("--strip-debug").arg(&stripped))?;
        }
        place(&stripped, 0o755)?;
        for file in install::files(workspace)? {
            copy(&file, &folder, 0o644)?;
        }
        for script in ["create-extension.sh", "pg_durable-entrypoint.sh"] {
            copy(&workspace.root().join("docker").join(script), &folder, 0o755)?;
        }
        Ok(())
    };
    fill().with_context(|| format!("could not fill {}", folder.display()))?;
    Ok(folder)
}

fn copy(file: &Path, folder: &Path, mode: u32) -> Result<()> {
    let to = folder.join(file.file_name().with_context(|| format!("{} has no name", file.display()))?);
    fs::copy(file, &to)?;
    place(&to, mode)
}

/// The umask of whoever builds must not get into the image.
fn place(file: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(file, Permissions::from_mode(mode))?)
}
