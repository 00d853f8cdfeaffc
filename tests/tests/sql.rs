//! SQL behaviour: every file of `tests/sql`.

use std::collections::BTreeSet;
use std::fs;

use pg_durable_tests::script::check;

macro_rules! files {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

files! { bound, builders, checks, control, errors, failure, fleet, hygiene, input, monitoring, references, registry, signals, spans, start, steps, values }

#[test]
fn every_file_is_run() {
    let entries = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sql")).expect("the folder can be read");
    let found: BTreeSet<String> = entries
        .map(|entry| entry.expect("the entry can be read").file_name().to_string_lossy().replace(".slt", ""))
        .collect();
    assert_eq!(found, FILES.iter().map(|name| (*name).to_owned()).collect());
}
