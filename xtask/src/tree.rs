//! What a crate brings in that depends on the SDK as it is, without any of its features.

use crate::command::output;
use anyhow::{Result, bail, ensure};
use std::{collections::BTreeMap, process::Command};

/// With the SDK itself. Each is time in a clean build and something to be audited: a new one has to be worth it.
const CRATES_MAX: usize = 90;

/// What changes how all of a user's program reads and writes JSON.
const JSON_FEATURES: [&str; 5] =
    ["arbitrary_precision", "float_roundtrip", "preserve_order", "raw_value", "unbounded_depth"];

/// What would want a C compiler.
const COMPILERS: [&str; 3] = ["bindgen", "cc", "cmake"];

/// Checks what `cargo tree` says; the command is `cargo tree` and no more.
pub fn check(tree: &mut Command) -> Result<()> {
    tree.args(["--offline", "--package", "pg_durable_sdk", "--edges", "normal,build", "--prefix", "none"]);
    // One target, so that everybody counts the same.
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}|{f}"]);
    let printed = output(tree)?;
    let crates = crates(&printed);
    ensure!(
        crates.len() <= CRATES_MAX,
        "a user of pg_durable_sdk has {} crates, more than {CRATES_MAX}: {}",
        crates.len(),
        crates.keys().copied().collect::<Vec<_>>().join(", ")
    );
    for name in crates.keys().filter_map(|package| package.split(' ').next()) {
        if COMPILERS.contains(&name) {
            bail!("a user of pg_durable_sdk needs a C compiler, for {name}");
        }
    }
    let json = crates.iter().filter(|(package, _)| package.starts_with("serde_json "));
    if let Some(feature) =
        json.flat_map(|(_, features)| features).find(|feature| JSON_FEATURES.contains(feature))
    {
        bail!("pg_durable_sdk forces the feature {feature} of serde_json on its users");
    }
    println!("{} crates for a user of pg_durable_sdk", crates.len());
    Ok(())
}

/// The crates with the features that they are built with: name and version, once each.
fn crates(tree: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut crates: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        // Behind the version may be where it comes from, behind the features `(*)` for what was printed before.
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let package = package.split(" (").next().unwrap_or(package);
        let features =
            features.split(" (").next().unwrap_or(features).split(',').filter(|name| !name.is_empty());
        crates.entry(package).or_default().extend(features);
    }
    crates
}

#[cfg(test)]
mod tests {
    use super::crates;

    #[test]
    fn a_crate_counts_once_with_all_features_of_its_builds() {
        let tree = "\
            pg_durable_sdk v0.1.0 (/src/pg_durable_sdk)|\n\
            serde v1.0.229|default,derive,std\n\
            serde_derive v1.0.229 (proc-macro)|default\n\
            serde v1.0.229|default,derive,std (*)\n\
            syn v2.0.119|full\n\
            syn v3.0.9|\n";
        let crates = crates(tree);
        assert_eq!(
            crates.keys().copied().collect::<Vec<_>>(),
            [
                "pg_durable_sdk v0.1.0",
                "serde v1.0.229",
                "serde_derive v1.0.229",
                "syn v2.0.119",
                "syn v3.0.9"
            ]
        );
        assert!(crates["serde v1.0.229"].contains(&"derive"));
        assert!(crates["syn v3.0.9"].is_empty());
    }
}
