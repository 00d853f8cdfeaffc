//! Ends a test server with the test process, also where no destructor runs.
//!
//! A server in a `static` is never dropped, and a test process may be killed. So a shell waits at a pipe
//! whose other end is ours: when we end, in whatever way, it reads the end of the file, stops the postmaster
//! whose pid stands in the data folder, and removes the folder.

use super::TestServerError;
use std::{
    ffi::OsStr,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// `$1` is the server's folder, `$2` is `keep` where it must stay.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r order && exit 0
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
ours() { tr '\0' '\n' < "/proc/$pid/cmdline" 2>/dev/null | grep -qxF "$1/data"; }
if [ -n "$pid" ] && ours "$1"; then
    kill -QUIT "$pid"
    tries=0
    while ours "$1" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    if ours "$1"; then kill -KILL "$pid"; fi
fi
[ "$2" = keep ] || rm -rf "$1"
"#;

/// `$1` is the container's name.
#[cfg(feature = "testing-container")]
const CONTAINER_SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r order && exit 0
exec docker rm --force --volumes "$1"
"#;

/// The waiting shell; it does nothing once it was dismissed.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    pub(super) fn over(folder: &Path, keep_folder: bool) -> Result<Self, TestServerError> {
        Self::spawn(SCRIPT, &[folder.as_os_str(), OsStr::new(if keep_folder { "keep" } else { "remove" })])
    }

    /// Watches over a container, which only the `docker` program can remove from a shell.
    #[cfg(feature = "testing-container")]
    pub(super) fn over_container(name: &str) -> Result<Self, TestServerError> {
        Self::spawn(CONTAINER_SCRIPT, &[OsStr::new(name)])
    }

    fn spawn(script: &str, arguments: &[&OsStr]) -> Result<Self, TestServerError> {
        let child = Command::new("sh")
            .args(["-c", script, "pg_durable-watchdog"])
            .args(arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(TestServerError::system("run sh to watch over the server"))?;
        Ok(Self(child))
    }

    pub(super) fn dismiss(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(b"dismissed\n");
        }
        let _ = self.0.wait();
    }

    /// Does what the end of this process would do, and waits until the shell is through.
    #[cfg(test)]
    pub(super) fn abandon(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
