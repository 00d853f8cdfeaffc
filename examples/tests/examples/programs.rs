//! The programs themselves, as somebody would run them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use pg_durable_examples::database::DATABASE_URL;

use super::kit::{Kit, run};

/// What a program prints.
fn printed_by(program: &mut Command) -> String {
    let output = program.output().expect("it can be run");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// Runs a program twice in one database: what the first leaves does not stop the second.
fn check(program: &str, expected: &str) {
    run(async |kit: &Kit| {
        for _ in 0..2 {
            let printed = printed_by(Command::new(program).env(DATABASE_URL, kit.url()));
            assert!(printed.contains(expected), "{printed}");
        }
    });
}

#[test]
fn order_approval_runs_in_a_database() {
    check(env!("CARGO_BIN_EXE_order_approval"), r#"Receipt { state: "declined", decided_by: Some("Ada") }"#);
}

#[test]
fn order_approval_runs_on_a_throwaway_server() {
    let printed = printed_by(Command::new(env!("CARGO_BIN_EXE_order_approval")).env_remove(DATABASE_URL));
    assert!(printed.contains(r#"Receipt { state: "expired", decided_by: None }"#), "{printed}");
}

#[test]
fn from_psql_runs_on_a_throwaway_server() {
    let printed = printed_by(Command::new(env!("CARGO_BIN_EXE_from_psql")).env_remove(DATABASE_URL));
    assert!(printed.contains(r#"{"state": "shipped", "decided_by": "Ada"}"#), "{printed}");
}

#[test]
fn ingest_runs_in_a_database() {
    check(env!("CARGO_BIN_EXE_ingest"), "Loaded { staged: 110000, duplicates: 10000, published: 100000 }");
}

#[test]
fn nightly_runs_in_a_database() {
    check(env!("CARGO_BIN_EXE_nightly"), ": 40000 sales, 200020000 cents");
}

#[test]
fn maintenance_runs_in_a_database() {
    check(env!("CARGO_BIN_EXE_maintenance"), "upkeep.visits: vacuumed, indexes rebuilt");
}

#[test]
fn service_runs_in_a_database() {
    run(async |kit: &Kit| {
        let mut service = Command::new(env!("CARGO_BIN_EXE_service"))
            .env(DATABASE_URL, kit.url())
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let mut line = String::new();
        BufReader::new(service.stdout.take().expect("it prints")).read_line(&mut line).expect("it prints");
        service.kill().expect("it runs until it is stopped");
        service.wait().expect("it ends");
        assert!(line.contains(" http://127.0.0.1:"), "{line}");
    });
}
