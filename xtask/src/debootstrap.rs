//! A base image where no registry is reached: this system's own release with its own PostgreSQL.
//!
//! The host's release and not some other, for the extension is compiled on the host and needs its C library.

use crate::{
    apt::{self, Apt},
    command::{on_path, output, privileged, run, say},
    docker::{Docker, Unavailable},
    script,
    workspace::Workspace,
};
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

/// What the image does without: caches, documents, what the packages made for the machine that they thought they
/// were on (a cluster, a TLS key, device files), and the just-in-time compiler, a third of all bytes.
const EXCLUDED: [&str; 19] = [
    "./dev/*",
    "./etc/hostname",
    "./etc/postgresql/*",
    "./etc/resolv.conf",
    "./etc/ssl/private/*",
    "./proc/*",
    "./sys/*",
    "./usr/lib/*/libLLVM*",
    "./usr/lib/*/libz3*",
    "./usr/lib/postgresql/*/lib/bitcode",
    "./usr/lib/postgresql/*/lib/llvmjit*",
    "./usr/share/doc/*",
    "./usr/share/i18n/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/*",
    "./var/lib/apt/lists/*",
    "./var/lib/postgresql/*",
    "./var/log/*",
];

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_secs(5);

/// The release of Debian or Ubuntu that runs here.
struct Release {
    /// As apt calls it: `Debian` or `Ubuntu`.
    origin: &'static str,
    codename: String,
}

/// The name of the base image, which is made where the engine lacks it; what was fetched stays in `target/`.
pub fn base(workspace: &Workspace, docker: &Docker, apt: &Apt) -> Result<String> {
    let release = release()?;
    let folder = workspace.target().join("image");
    let (major, tarball) = match made(&folder, &release)? {
        Some(made) => made,
        None => make(&release, &folder, apt)?,
    };
    let tag = format!("pg_durable-base:{}-postgresql-{major}", release.codename);
    if !docker.has_image(&tag) {
        say(format!("importing {}", tarball.display()));
        docker.import(&tarball, &changes(major), &tag)?;
    }
    Ok(tag)
}

/// What an earlier run left, with the major version of its PostgreSQL.
fn made(folder: &Path, release: &Release) -> Result<Option<(u32, PathBuf)>> {
    let prefix = format!("{}-postgresql-", release.codename);
    let major = |path: &Path| path.file_stem()?.to_str()?.strip_prefix(&prefix)?.parse().ok();
    Ok(script::files_in(folder, "tar")?.into_iter().find_map(|path| Some((major(&path)?, path))))
}

/// The settings of the official image that others rely on.
fn changes(major: u32) -> Vec<String> {
    let path = format!(
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/{major}/bin"
    );
    vec![
        format!("ENV PG_MAJOR={major} PGDATA=/var/lib/postgresql/data LANG=C.UTF-8 PATH={path}"),
        "VOLUME /var/lib/postgresql/data".to_owned(),
    ]
}

fn release() -> Result<Release> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let neither = "this is neither Debian nor Ubuntu, of which a base could be made (name one with --base)";
    Ok(release_in(&text).ok_or_else(|| Unavailable(neither.to_owned()))?)
}

fn release_in(os_release: &str) -> Option<Release> {
    let value = |name| {
        let assigned =
            |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').to_owned());
        os_release.lines().find_map(assigned)
    };
    let origin = match value("ID")?.as_str() {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        _ => return None,
    };
    Some(Release { origin, codename: value("VERSION_CODENAME")? })
}

fn make(release: &Release, folder: &Path, apt: &Apt) -> Result<(u32, PathBuf)> {
    let started = Instant::now();
    let unavailable = |error: anyhow::Error| Unavailable(format!("{error:#}"));
    let major = apt.postgresql_major().map_err(unavailable)?;
    if on_path("debootstrap").is_none() && !Path::new("/usr/sbin/debootstrap").is_file() {
        apt.install(&["debootstrap"]).map_err(unavailable)?;
    }
    let mirror = apt::mirror(release.origin).map_err(unavailable)?;
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    let root = Root(folder.join("root"));
    root.remove();
    say(format!("making a base of {} with PostgreSQL {major} (about two minutes)", release.codename));
    bootstrap(release, &mirror, major, &root.0, &folder.join("debootstrap.log")).map_err(unavailable)?;
    let tarball = folder.join(format!("{}-postgresql-{major}.tar", release.codename));
    let unfinished = tarball.with_extension("unfinished");
    let mut tar = privileged("tar")?;
    tar.arg("--create").arg("--file").arg(&unfinished).arg("--directory").arg(&root.0);
    run(tar
        .args(["--numeric-owner", "--one-file-system"])
        .args(EXCLUDED.map(|it| format!("--exclude={it}")))
        .arg("."))?;
    fs::rename(&unfinished, &tarball).with_context(|| format!("could not write {}", tarball.display()))?;
    say(format!("{} took {} s", tarball.display(), started.elapsed().as_secs()));
    Ok((major, tarball))
}

/// Runs debootstrap; what it says goes into the log, and now and then to our terminal.
fn bootstrap(release: &Release, mirror: &str, major: u32, root: &Path, log: &Path) -> Result<()> {
    let mut command = privileged("debootstrap")?;
    command.args(["--variant=minbase", &format!("--include=postgresql-{major}"), &release.codename]);
    command.arg(root).arg(mirror);
    // Its errors come on the standard error, which is put into the same pipe.
    let (reader, writer) = std::io::pipe()?;
    let child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn();
    // The command holds the pipe's other end, too.
    drop(command);
    let mut child: Child = child.context("could not run debootstrap")?;
    let mut file = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    let (mut errors, mut shown) = (Vec::new(), Instant::now());
    for line in BufReader::new(reader).lines() {
        let line = line?;
        writeln!(file, "{line}")?;
        if let Some(step) = line.strip_prefix("I: ").filter(|_| shown.elapsed() >= SHOW_EVERY) {
            say(format!("debootstrap: {step}"));
            shown = Instant::now();
        } else if line.starts_with("E: ") || line.starts_with("W: ") {
            errors.push(line);
        }
    }
    let status = child.wait()?;
    anyhow::ensure!(
        status.success(),
        "debootstrap could make no base ({status}, see {}): {}",
        log.display(),
        errors.join("; ")
    );
    Ok(())
}

/// The unpacked root file system, which belongs to root and goes with the value.
struct Root(PathBuf);

impl Root {
    fn remove(&self) {
        if self.0.exists() {
            let removed = self.unmount().and_then(|()| {
                output(privileged("rm")?.args(["--recursive", "--force", "--one-file-system"]).arg(&self.0))
            });
            if let Err(error) = removed {
                say(format!("{error:#}"));
            }
        }
    }

    /// Takes out what debootstrap has mounted and, where namespaces are nested, does not take out itself: whoever copied
    /// or deleted `target/` would copy or delete the machine's `/proc`.
    fn unmount(&self) -> Result<()> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        // The innermost were mounted last.
        for place in mounts_below(&mounts, &self.0).into_iter().rev() {
            output(privileged("umount")?.arg("--lazy").arg(place))?;
        }
        Ok(())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.remove();
    }
}

fn mounts_below(mounts: &str, root: &Path) -> Vec<PathBuf> {
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    places.filter(|place| place.starts_with(root)).collect()
}

#[cfg(test)]
mod tests {
    use super::{mounts_below, release_in};
    use std::path::{Path, PathBuf};

    #[test]
    fn only_what_is_mounted_below_the_root_is_taken_out() {
        let mounts = "proc /proc proc rw 0 0\nproc /x/root/proc proc rw 0 0\nsys /x/root/sys sysfs rw 0 0\nd /x/rootless d rw 0 0\n";
        let below = mounts_below(mounts, Path::new("/x/root"));
        assert_eq!(below, ["/x/root/proc", "/x/root/sys"].map(PathBuf::from));
    }

    #[test]
    fn the_release_is_read_from_either_system() {
        for (text, expected) in [
            (
                "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n",
                Some(("Debian", "bookworm")),
            ),
            ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=\"noble\"\n", Some(("Ubuntu", "noble"))),
            ("ID=fedora\nVERSION_CODENAME=\"\"\n", None),
            ("", None),
        ] {
            let found = release_in(text).map(|it| (it.origin, it.codename));
            assert_eq!(found, expected.map(|(origin, name)| (origin, name.to_owned())), "{text}");
        }
    }
}
