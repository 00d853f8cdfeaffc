//! The unprivileged user that runs a test server.

use super::{TestServerError, process};
use std::{
    env, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

/// Who runs the server's programs: ourselves, or `postgres` where we are root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: u32,
    /// Set where the user has to change.
    switch_to: Option<(u32, u32)>,
}

impl Account {
    pub(super) fn find() -> Result<Self, TestServerError> {
        let ourselves = process::effective_uid();
        if ourselves != 0 {
            return Ok(Self { uid: ourselves, switch_to: None });
        }
        let (uid, gid) = (id_of_postgres("-u")?, id_of_postgres("-g")?);
        Ok(Self { uid, switch_to: Some((uid, gid)) })
    }

    /// A command that runs as this user in a folder that it may enter, free of our `PG*` variables.
    pub(super) fn command(&self, program: impl AsRef<Path>, folder: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(folder).stdin(Stdio::null());
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if let Some((uid, gid)) = self.switch_to {
            // The standard library drops root's supplementary groups along with the uid.
            command.uid(uid).gid(gid).env("HOME", folder);
        }
        command
    }

    /// Hands a file or folder over to this user.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        match self.switch_to {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}

fn id_of_postgres(option: &str) -> Result<u32, TestServerError> {
    let output = Command::new("id")
        .args([option, "postgres"])
        .output()
        .map_err(TestServerError::system("run id to find the user postgres"))?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| TestServerError::NoAccount)
}

/// Runs a program to its end and returns what it printed; what it complained of becomes the error.
pub(super) fn run(command: &mut Command) -> Result<String, TestServerError> {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.output().map_err(TestServerError::system(format!("run {program}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(TestServerError::Program { program, message })
}
