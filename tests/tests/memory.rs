//! What a result that is too large costs the process that runs the step.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

/// Private memory of a process that no file backs, in kB.
fn private_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}

/// Runs a step in an executor that has run another before, and says by how much its memory grew at the most.
fn growth_kb(session: &Session, step: &str) -> (String, u64) {
    let pid: u32 =
        session.value("SELECT w.pid FROM df.workers() AS w WHERE w.kind = 'executor'").parse().unwrap();
    let (before, is_over) = (private_kb(pid), AtomicBool::new(false));
    let (outcome, peak) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !is_over.load(Ordering::Relaxed) {
                peak = peak.max(private_kb(pid));
                std::thread::yield_now();
            }
            peak
        });
        let outcome = session.flow(step);
        is_over.store(true, Ordering::Relaxed);
        (outcome, watch.join().expect("it only reads"))
    });
    assert!(private_kb(pid) > 0, "the executor lives");
    (outcome, peak.saturating_sub(before))
}

#[test]
fn a_result_that_is_too_large_costs_little_more_than_what_is_allowed() {
    const MB: u64 = 1024;
    let server = TestServer::builder().setting("pg_durable.max_executors", "1").start().expect("it starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("it is installed");
    tester(&server, "hungry");
    let session = Session::open(&server, "hungry", "postgres").expect("the role gets in");
    session.run(
        "CREATE TABLE large AS SELECT repeat('x', 200000000) AS t, array_fill(0, ARRAY[20000000]) AS a;
         CREATE TABLE wide AS SELECT repeat('y', 900000) AS c FROM generate_series(1, 300)",
    );
    session.run("CREATE TABLE document AS SELECT to_jsonb(array_fill(1e1000::numeric, ARRAY[100000])) AS d");
    let columns: Vec<String> = (0..100).map(|place| format!("c AS c{place}")).collect();
    let wide = format!("'SELECT {} FROM wide LIMIT 1'", columns.join(", "));
    session.flow("'SELECT pg_sleep(0.1)'");
    for (name, step) in [
        ("many rows", "'SELECT repeat(''r'', 1000) AS r FROM generate_series(1, 1000000)'"),
        ("rows that are large", "'SELECT c FROM wide'"),
        ("a wide row", wide.as_str()),
        ("one large value", "'SELECT t FROM large'"),
        ("an array", "'SELECT a FROM large'"),
        ("a document whose text is larger than it is", "'SELECT d FROM document'"),
        ("bits", "'SELECT repeat(''1'', 2000000)::varbit'"),
    ] {
        let (outcome, growth) = growth_kb(&session, step);
        assert!(outcome.starts_with("failed 54000"), "{name}: {outcome}");
        assert!(growth <= 4 * MB + 32 * MB, "{name}: {} MB", growth / MB);
    }
    // What is allowed arrives whole.
    assert!(session.flow("'SELECT repeat(''ö'', 400000) AS t'").contains("öö"));
    assert_eq!(
        session.flow("'SELECT length(t) AS n FROM large'"),
        r#"{"rows": [{"n": 200000000}], "row_count": 1}"#
    );
}

#[test]
fn a_graph_that_is_too_long_is_refused_before_it_is_copied() {
    let server = TestServer::start().expect("it starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("it is installed");
    tester(&server, "long");
    let session = Session::open(&server, "long", "postgres").expect("the role gets in");
    for sql in [
        "SELECT length(df.sql(repeat('x', 40000000)))",
        "SELECT length(df.start(repeat('x', 40000000)))",
        "SELECT length(df.join(VARIADIC array_fill(repeat('x', 1000000), ARRAY[40])))",
        "SELECT length(repeat('x', 20000000) ?> repeat('x', 20000000))",
        "SELECT length(df.break(repeat('x', 40000000)))",
        "SELECT df.start('SELECT 1', input => to_jsonb(repeat('x', 17000000)))",
        "SELECT df.signal('00000001', 's', repeat('x', 17000000))",
    ] {
        assert_eq!(session.error(sql).sqlstate, "54000", "{sql}");
    }
    session.run("SELECT df.setvar('v', repeat('x', 30000000))");
    let graph = format!("'SELECT 1 -- {}'", "{v}".repeat(10));
    assert!(session.flow(&graph).starts_with("failed 54000"));
    let graph = format!(
        "'SELECT repeat(''x'', 900000) AS x' |=> 'r' ~> 'SELECT 1 AS one, {} AS n'",
        "''$r''||".repeat(300) + "''''"
    );
    assert!(session.flow(&graph).starts_with("failed 54000"), "{}", session.flow(&graph));
}
