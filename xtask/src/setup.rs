//! Brings a machine to where the extension can be built and run.

use crate::{
    Server,
    apt::Apt,
    command::{self, is_root, on_path, output, privileged, say},
    installation::{Installation, SUPPORTED_MAJORS},
    servers,
};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's policy file: with it, installing a server makes and starts no cluster.
const CLUSTER_POLICY: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs what is missing and returns the server to work with. Says nothing where all is there.
pub fn run(server: &Server) -> Result<Installation> {
    let apt = Apt::default();
    let tools = missing_tools();
    if !tools.is_empty() {
        apt.install(&tools).context("could not install the build tools")?;
    }
    let installation = match servers::named(server)?.or_else(servers::newest_with_headers) {
        Some(installation) => installation,
        None => install_server(&apt)?,
    };
    create_user()?;
    Ok(installation)
}

fn missing_tools() -> Vec<&'static str> {
    let mut packages = Vec::new();
    if on_path("cc").is_none() {
        packages.extend(["gcc", "libc6-dev"]);
    }
    if on_path("pkg-config").is_none() {
        packages.push("pkg-config");
    }
    if !has_libclang() {
        packages.push("libclang-dev");
    }
    packages
}

/// pgrx reads the server's headers with libclang.
fn has_libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let mut folders: Vec<PathBuf> = ["/usr/lib", "/usr/local/lib", "/usr/lib64"].map(PathBuf::from).into();
    let llvm = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.extend(llvm.filter(|path| name_of(path).starts_with("llvm-")).map(|path| path.join("lib")));
    folders.push(format!("/usr/lib/{}-linux-gnu", env::consts::ARCH).into());
    folders.iter().any(|folder| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        files.into_iter().any(|path| {
            // libclang.so, libclang-14.so.1; not libclang-cpp.so.14.
            let name = name_of(&path);
            let rest = name.strip_prefix("libclang").unwrap_or_default();
            name.contains(".so") && rest.starts_with(['.', '-']) && !rest.starts_with("-cpp")
        })
    })
}

fn install_server(apt: &Apt) -> Result<Installation> {
    // A server that only lacks its headers is completed; else the distribution's own is installed.
    let without_headers =
        Installation::all().into_iter().find(|it| it.pg_config().starts_with("/usr/lib/postgresql"));
    let major = match without_headers {
        Some(installation) => installation.major(),
        None => apt.postgresql_major().context("found no PostgreSQL server and none to install")?,
    };
    if !SUPPORTED_MAJORS.contains(&major) {
        bail!(
            "this system ships PostgreSQL {major}; 15 to 18 are supported (see `cargo xtask server build`)"
        );
    }
    say(format!("installing PostgreSQL {major}"));
    forbid_default_cluster()?;
    apt.install(&[format!("postgresql-{major}"), format!("postgresql-server-dev-{major}")])?;
    servers::newest_with_headers().context("PostgreSQL was installed, yet no server with headers is found")
}

fn forbid_default_cluster() -> Result<()> {
    let policy = Path::new(CLUSTER_POLICY);
    if policy.exists() {
        return Ok(());
    }
    say(format!("writing {CLUSTER_POLICY}: no default cluster is made or started"));
    let script = format!(
        r#"mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" > {CLUSTER_POLICY}"#
    );
    run_privileged_script(&script)
}

/// PostgreSQL does not run as root: root's servers run as `postgres`.
fn create_user() -> Result<()> {
    if !is_root() || output(Command::new("id").arg("postgres")).is_ok() {
        return Ok(());
    }
    say("creating the user postgres");
    run_privileged_script(
        "useradd --system --user-group --no-create-home --home-dir /var/lib/postgresql --shell /bin/false postgres",
    )
}

fn run_privileged_script(script: &str) -> Result<()> {
    command::run(privileged("sh")?.args(["-c", script]))
}

fn name_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
