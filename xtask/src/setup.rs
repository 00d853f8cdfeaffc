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
    tools(&apt)?;
    let installation = match servers::named(server)?.or_else(servers::newest_with_headers) {
        Some(installation) => installation,
        None => install_server(&apt)?,
    };
    create_user()?;
    pooler(&apt);
    Ok(installation)
}

/// The tests of the SDK look at it through a pgbouncer. Those tests are skipped where there is none.
fn pooler(apt: &Apt) {
    if on_path("pgbouncer").is_some() || Path::new("/usr/sbin/pgbouncer").is_file() {
        return;
    }
    if let Err(error) = apt.install(&["pgbouncer"]) {
        say(format!("could not install pgbouncer, so that its tests are skipped: {error:#}"));
    }
}

/// Installs what compiling the extension takes, servers aside.
pub fn tools(apt: &Apt) -> Result<()> {
    let tools = missing_tools();
    if tools.is_empty() {
        return Ok(());
    }
    apt.install(&tools).context("could not install the build tools")
}

/// Installs a server of this major version and its headers.
pub fn install_packages(major: u32, apt: &Apt) -> Result<()> {
    say(format!("installing PostgreSQL {major}"));
    forbid_default_cluster()?;
    apt.install(&[format!("postgresql-{major}"), format!("postgresql-server-dev-{major}")])
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

/// pgrx reads the server's headers with libclang, which needs the compiler's own headers beside it.
fn has_libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let llvm: Vec<PathBuf> =
        entries("/usr/lib").into_iter().filter(|path| name_of(path).starts_with("llvm-")).collect();
    let mut folders: Vec<PathBuf> = llvm.iter().map(|llvm| llvm.join("lib")).collect();
    folders.extend(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
    let has_headers = folders.iter().any(|folder| {
        entries(folder.join("clang")).iter().any(|version| version.join("include/stddef.h").is_file())
    });
    folders.push(format!("/usr/lib/{}-linux-gnu", env::consts::ARCH).into());
    has_headers && folders.iter().any(|folder| entries(folder).iter().any(|path| is_libclang(&name_of(path))))
}

/// `libclang.so` and `libclang-14.so.1` are; `libclang-cpp.so.14` is something else.
fn is_libclang(name: &str) -> bool {
    let rest = name.strip_prefix("libclang").unwrap_or_default();
    name.contains(".so") && rest.starts_with(['.', '-']) && !rest.starts_with("-cpp")
}

fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
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
    install_packages(major, apt)?;
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

#[cfg(test)]
mod tests {
    use super::is_libclang;

    #[test]
    fn libclang_is_told_from_its_neighbours() {
        for name in ["libclang.so", "libclang-14.so.1", "libclang.so.1"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclangAST.a", "libc.so", "libclang-14"] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
