//! One `initdb` for all test servers of an installation: its result is kept and copied.

use super::{
    Installation, TestServerError,
    account::{Account, run},
    folder::PARENT,
    process::wait_until,
};
use std::{
    fs::{self, File, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// Makes a fresh cluster at `data`.
pub(super) fn copy_to(
    data: &Path,
    installation: &Installation,
    account: &Account,
) -> Result<(), TestServerError> {
    let templates = templates(account)?;
    let template = templates.join(key(installation)?);
    // Held while copying too: a template is never seen half made, nor changed under a copy.
    let _lock = lock(&templates, account)?;
    if !template.is_dir() {
        let unfinished = templates.join("unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        initdb(&unfinished, installation, account)?;
        fs::rename(&unfinished, &template).map_err(TestServerError::system("name the new template"))?;
    }
    let mut copy = account.command("cp", &templates);
    run(copy.args(["--archive", "--reflink=auto"]).arg(&template).arg(data)).map(drop)
}

/// The folder of all templates, which must be the server user's own: its name is no secret.
fn templates(account: &Account) -> Result<PathBuf, TestServerError> {
    let folder = Path::new(PARENT).join(format!("pg_durable-templates-{}", account.uid));
    if fs::DirBuilder::new().mode(0o700).create(&folder).is_ok() {
        account.give(&folder).map_err(TestServerError::system("hand the templates' folder over"))?;
    }
    let owner = || fs::symlink_metadata(&folder).map(|metadata| metadata.uid());
    // Another process may just have made it, as root, and be about to hand it over.
    wait_until(Duration::from_secs(2), || owner().is_ok_and(|uid| uid == account.uid));
    let uid = owner().map_err(TestServerError::system("look at the templates' folder"))?;
    if uid != account.uid {
        return Err(TestServerError::ForeignTemplates { folder, owner: uid, expected: account.uid });
    }
    Ok(folder)
}

fn lock(templates: &Path, account: &Account) -> Result<File, TestServerError> {
    let locked = || {
        let path = templates.join("lock");
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        account.give(&path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(TestServerError::system("lock the templates' folder"))
}

/// Changes when the server does: a rebuilt one may have another catalogue under the same version.
fn key(installation: &Installation) -> Result<String, TestServerError> {
    let initdb =
        fs::metadata(installation.program("initdb")).map_err(TestServerError::system("look at initdb"))?;
    let mut hasher = DefaultHasher::new();
    (installation.version(), installation.program(""), initdb.mtime(), initdb.size()).hash(&mut hasher);
    Ok(format!("{}-{:016x}", installation.major(), hasher.finish()))
}

fn initdb(data: &Path, installation: &Installation, account: &Account) -> Result<(), TestServerError> {
    let folder = data.parent().unwrap_or(Path::new("/"));
    let with_locale = |locale| {
        let mut command = account.command(installation.program("initdb"), folder);
        command.arg("-D").arg(data);
        run(command.args(["--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", locale])).map(drop)
    };
    with_locale("--locale=C.UTF-8").or_else(|_| {
        let _ = fs::remove_dir_all(data);
        with_locale("--no-locale")
    })
}
