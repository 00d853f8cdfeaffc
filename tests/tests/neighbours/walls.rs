//! What is of a fixed size says so when it is full, and keeps nobody waiting for good.

use std::time::{Duration, Instant};

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::session::Session;
use tokio::runtime::Builder;
use tokio_postgres::NoTls;

use super::town::{self, open};

/// A wall was met, and the log, `df.walls()`, `df.workers()` and `df.metrics()` say so.
#[track_caller]
fn assert_said(server: &TestServer, admin: &Session, wall: &str, text: &str) {
    let row = format!(
        "SELECT crossings >= 1 AND met_at IS NOT NULL AND note LIKE '{text}%' FROM df.walls() WHERE wall = '{wall}'"
    );
    admin.until(&format!("({row})"));
    let end = Instant::now() + Duration::from_secs(10);
    while !server.log().contains(&format!("WARNING:  pg_durable: {text}")) {
        assert!(Instant::now() < end, "the log does not say: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let note = admin.value("SELECT note FROM df.workers() WHERE kind = 'launcher'");
    assert!(note.contains(text), "{note}");
    assert_eq!(admin.value("SELECT walls_met >= 1 FROM df.metrics()"), "t");
}

/// Each of so many roles starts something, all with one commit.
fn start_of_each(admin: &Session, roles: usize, starts: &str) {
    admin.run(&format!(
        "DO $$ BEGIN FOR n IN 1..{roles} LOOP
             EXECUTE format('SET LOCAL ROLE r%s', n);
             PERFORM {starts};
         END LOOP; END $$"
    ));
}

/// Waits until a question has this answer: longer than for one workflow.
#[track_caller]
fn wait_for_answer(admin: &Session, question: &str, expected: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while admin.value(question) != expected {
        assert!(Instant::now() < end, "{} instead of {expected}: {question}", admin.value(question));
        std::thread::sleep(Duration::from_millis(50));
    }
}

const COMPLETED: &str = "SELECT count(*) FROM df.instances WHERE status = 'completed'";

#[test]
fn more_roles_than_there_are_queues_have_turns() {
    const ROLES: usize = 300;
    let server = town::start(town::builder(), &["postgres"], ROLES);
    let admin = open(&server, "postgres", "postgres");
    // All at the same moment.
    start_of_each(&admin, ROLES, "df.start('SELECT 1'), df.start('SELECT 2')");
    assert_said(&server, &admin, "queues", "too many roles have work at once");
    wait_for_answer(&admin, COMPLETED, &(2 * ROLES).to_string());
    // Once, for all of them.
    assert_eq!(server.log().matches("pg_durable: too many roles have work at once").count(), 1);
}

#[test]
fn a_role_that_is_dropped_while_its_work_is_in_the_tables_has_it_fail() {
    const ROLES: usize = 300;
    let server = town::start(town::builder(), &["postgres"], ROLES);
    let admin = open(&server, "postgres", "postgres");
    admin.run("ALTER SYSTEM SET pg_durable.enabled = off");
    admin.run("SELECT pg_reload_conf()");
    admin.until("(SELECT note LIKE 'held: switched off%' FROM df.workers() WHERE kind = 'scheduler')");
    start_of_each(&admin, ROLES, "df.start('SELECT 1')");
    admin.run(&format!("DROP OWNED BY r{ROLES}; DROP ROLE r{ROLES}"));
    admin.run("ALTER SYSTEM RESET pg_durable.enabled");
    admin.run("SELECT pg_reload_conf()");
    let ended = "SELECT string_agg(format('%s %s', status, n), ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM df.instances GROUP BY status) AS s";
    wait_for_answer(&admin, ended, &format!("completed {}, failed 1", ROLES - 1));
}

#[test]
fn of_more_roles_whose_work_waits_than_can_be_noted_it_is_said_that_there_are_more() {
    const ROLES: usize = 70;
    let server = town::start(town::builder(), &["postgres"], ROLES);
    let admin = open(&server, "postgres", "postgres");
    admin.run("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
    start_of_each(&admin, ROLES, "df.start('SELECT 1')");
    assert_said(&server, &admin, "hindrances", "the work of too many roles waits");
    admin.run("GRANT CONNECT ON DATABASE postgres TO PUBLIC");
    wait_for_answer(&admin, COMPLETED, &ROLES.to_string());
}

#[test]
fn who_waits_beyond_the_places_for_waiters_looks_once_a_second() {
    const WAITERS: usize = 2_048;
    let builder = town::builder().setting("max_connections", "2200").setting("shared_buffers", "64MB");
    let server = town::start(builder, &["postgres"], 1);
    let admin = open(&server, "postgres", "postgres");
    let app = open(&server, "r1", "postgres");
    let id = app.start("df.wait_for_signal('go') ~> 'SELECT 1 AS n'");
    let (dsn, wait) = (server.dsn("r1", "postgres"), format!("SELECT df.await_instance('{id}', 120)"));
    let runtime =
        Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts");
    let waits: Vec<_> = (0..WAITERS + 5)
        .map(|_| {
            let (client, connection) =
                runtime.block_on(tokio_postgres::connect(&dsn, NoTls)).expect("there is a connection");
            runtime.spawn(connection);
            let wait = wait.clone();
            runtime.spawn(async move { client.simple_query(&wait).await.map(|_| ()) })
        })
        .collect();
    assert_said(&server, &admin, "waiters", "too many sessions wait for instances");
    assert_eq!(admin.value("SELECT used FROM df.walls() WHERE wall = 'waiters'"), WAITERS.to_string());
    app.run(&format!("SELECT df.signal('{id}', 'go')"));
    for wait in waits {
        runtime.block_on(wait).expect("it ends").expect("nobody is refused");
    }
    assert_eq!(app.end_of(&id), r#"{"rows": [{"n": 1}], "row_count": 1}"#);
}
