//! What a DBA sees of the steps: as much as of any client's statements.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

fn server() -> (TestServer, bool) {
    let builder =
        TestServer::builder().setting("log_statement", "all").setting("log_min_duration_statement", "0");
    let server = builder.setting("max_worker_processes", "24").start().expect("it starts");
    let has_statistics = server.installation().has_library("pg_stat_statements");
    if has_statistics {
        server
            .psql("postgres", "ALTER SYSTEM SET shared_preload_libraries = pg_durable, pg_stat_statements")
            .expect("a superuser may");
        server.restart().expect("it starts again");
        server.psql("postgres", "CREATE EXTENSION pg_stat_statements").expect("it is installed");
    } else {
        println!("skipped: pg_stat_statements is not installed");
    }
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("it is installed");
    (server, has_statistics)
}

#[test]
fn steps_are_seen_as_clients_statements_are() {
    let (server, has_statistics) = server();
    tester(&server, "seen");
    let session = Session::open(&server, "seen", "postgres").expect("the role may log in");

    let id = session.start("'SELECT 42 AS seen_in_the_log' ~> 'SELECT pg_sleep(60)'");
    let of_executor =
        "FROM pg_stat_activity WHERE backend_type = 'pg_durable executor' AND wait_event = 'PgSleep'";
    session.until(&format!("SELECT count(*) = 1 {of_executor}"));
    let columns = "usename || ' ' || datname || ' ' || application_name || ' ' || state || ' ' || query";
    assert_eq!(
        session.value(&format!("SELECT {columns} {of_executor}")),
        format!("seen postgres pg_durable:{id} active SELECT pg_sleep(60)")
    );
    let worker = "SELECT role || ' ' || state || ' ' || instance_id || ' ' || node_id FROM df.workers() WHERE instance_id IS NOT NULL";
    assert_eq!(session.value(worker), format!("seen running {id} 00000002"));
    let node = format!("SELECT status FROM df.instance_nodes('{id}') WHERE node_id = '00000002'");
    assert_eq!(session.value(&node), "running");
    session.run(&format!("SELECT df.cancel('{id}')"));

    let log = server.log();
    assert!(log.contains("statement: SELECT 42 AS seen_in_the_log"), "log_statement shows the step");
    let with_duration = |line: &str| line.contains("duration: ") && line.contains("seen_in_the_log");
    assert!(log.lines().any(with_duration), "log_min_duration_statement shows the step");

    if has_statistics {
        let counted = "SELECT calls || ' ' || userid::regrole FROM pg_stat_statements WHERE query LIKE '%seen_in_the_log' AND toplevel";
        assert_eq!(server.psql("postgres", counted).expect("a superuser may").trim(), "1 seen");
    }
}
