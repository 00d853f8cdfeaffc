//! The extension's install script, put together from one file an area.

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Joins `sql/parts/*.sql` in the order of their names.
pub fn assemble(sql: &Path) -> Result<String> {
    let parts = files_in(&sql.join("parts"), "sql")?;
    ensure!(!parts.is_empty(), "{} holds no parts of the install script", sql.join("parts").display());
    // Without it, a script that is given to psql would spread its objects over the current schema.
    let mut script = String::from("\\echo Use \"CREATE EXTENSION pg_durable\" to load this file. \\quit\n");
    for part in parts {
        let text = fs::read_to_string(&part).with_context(|| format!("could not read {}", part.display()))?;
        let name = part.file_name().unwrap_or_default().to_string_lossy();
        script.push_str(&format!("\n-- From sql/parts/{name}\n\n{}\n", text.trim_end()));
    }
    Ok(script)
}

/// The `default_version` of a control file.
pub fn default_version(control: &str) -> Option<&str> {
    let value = control.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "default_version").then_some(value)
    })?;
    Some(value.split('#').next()?.trim().trim_matches('\''))
}

/// The files of a folder with this extension, by name; none where there is no folder.
pub fn files_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("could not list {}", folder.display()))?.path();
        if path.is_file() && path.extension().is_some_and(|it| it == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::default_version;

    #[test]
    fn the_default_version_is_found_in_any_spelling() {
        for (control, version) in [
            ("default_version = '0.1.0'\n", Some("0.1.0")),
            ("comment = 'x'\ndefault_version='1.2' # now\n", Some("1.2")),
            ("relocatable = false\n", None),
        ] {
            assert_eq!(default_version(control), version, "{control}");
        }
    }
}
