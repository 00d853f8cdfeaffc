//! A server with many roles in several databases.

use std::fs;

use pg_durable_sdk::testing::{TestServer, TestServerBuilder};
use pg_durable_tests::session::Session;

/// A server whose log tells what the tests look for.
pub fn builder() -> TestServerBuilder {
    TestServer::builder()
        .setting("max_worker_processes", "60")
        .setting("max_connections", "150")
        .setting("pg_durable.reconcile_interval", "0")
        .setting("pg_durable.log_workflow_sql", "off")
        .setting("log_min_messages", "warning")
}

/// Starts it with `roles` roles, `r1` and so on, who may use the extension in each of these databases.
pub fn start(builder: TestServerBuilder, databases: &[&str], roles: usize) -> TestServer {
    let server = builder.start().expect("the server starts");
    let make = "SELECT format('CREATE ROLE r%s LOGIN', n) FROM generate_series(1, {}) AS n"
        .replace("{}", &roles.to_string());
    run(&server, "postgres", &format!("{make} \\gexec"));
    for database in databases {
        if *database != "postgres" {
            run(&server, "postgres", &format!("CREATE DATABASE {database}"));
        }
        run(&server, database, "CREATE EXTENSION pg_durable");
        let grant = format!("SELECT df.grant_usage('r' || n) FROM generate_series(1, {roles}) AS n");
        run(&server, database, &grant);
    }
    server
}

/// Runs SQL as the superuser.
pub fn run(server: &TestServer, database: &str, sql: &str) {
    if let Err(error) = server.psql(database, sql) {
        panic!("{sql}\n{error}");
    }
}

/// Opens a session.
pub fn open(server: &TestServer, role: &str, database: &str) -> Session {
    Session::open(server, role, database).unwrap_or_else(|error| panic!("{role} in {database}: {error}"))
}

/// Private memory of each process of the engine that no file backs, in kB, largest first.
pub fn engine_memory_kb(admin: &Session) -> Vec<(u64, String)> {
    let rows = admin
        .rows("SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type LIKE 'pg_durable%'")
        .unwrap_or_else(|error| panic!("{error}"));
    let mut memory: Vec<_> = rows
        .into_iter()
        .filter_map(|row| {
            let [Some(pid), Some(kind)] = &row[..] else { return None };
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
            Some((line.trim().split(' ').next()?.parse().ok()?, kind.clone()))
        })
        .collect();
    memory.sort_unstable_by(|left, right| right.cmp(left));
    memory
}
