//! What is taken back in a savepoint has no consequence, and what is released has.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

/// A server, the superuser, who holds the lock that a `pay` waits for behind its effect, and a role.
fn server() -> (TestServer, Session, Session) {
    let server = TestServer::builder().start().expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "undone");
    let admin = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let session = Session::open(&server, "undone", "postgres").expect("the role gets in");
    admin.run("SELECT pg_advisory_lock(1)");
    session.run(
        "CREATE TABLE effects (at timestamptz DEFAULT clock_timestamp());
         CREATE PROCEDURE pay() LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO effects DEFAULT VALUES; COMMIT; PERFORM pg_advisory_xact_lock(1); END $$",
    );
    (server, admin, session)
}

#[test]
fn a_cancel_that_is_taken_back_interrupts_nothing() {
    let (_server, admin, session) = server();
    let id = session.start("'CALL pay()' ~> 'SELECT 1 AS done'");
    session.until("SELECT count(*) = 1 FROM effects");
    let taken_back = [
        format!("BEGIN; SAVEPOINT s; SELECT df.cancel('{id}'); ROLLBACK TO s; COMMIT"),
        format!(
            "BEGIN; SAVEPOINT a; SAVEPOINT b; SELECT df.cancel('{id}'); RELEASE b; ROLLBACK TO a; COMMIT"
        ),
        format!(
            "DO $$ BEGIN PERFORM df.cancel('{id}'); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$"
        ),
        format!("BEGIN; SELECT df.cancel('{id}'); ROLLBACK"),
    ];
    for taken_back in &taken_back {
        session.run(taken_back);
    }
    admin.run("SELECT pg_advisory_unlock(1)");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"done": 1}], "row_count": 1}"#);
    assert_eq!(session.value("SELECT count(*) FROM effects"), "1");
}

#[test]
fn a_drop_that_is_taken_back_interrupts_nothing() {
    let (_server, admin, session) = server();
    let id = session.start("'CALL pay()' ~> 'SELECT 1 AS done'");
    session.until("SELECT count(*) = 1 FROM effects");
    admin.run("BEGIN; SAVEPOINT s; DROP EXTENSION pg_durable CASCADE; ROLLBACK TO s; COMMIT");
    admin.run("SELECT pg_advisory_unlock(1)");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"done": 1}], "row_count": 1}"#);
    assert_eq!(session.value("SELECT count(*) FROM effects"), "1");
}

#[test]
fn a_cancel_in_a_released_savepoint_interrupts_at_the_commit() {
    let (_server, _admin, session) = server();
    let id = session.start("'CALL pay()' ~> 'SELECT 1 AS done'");
    session.until("SELECT count(*) = 1 FROM effects");
    session.run(&format!(
        "BEGIN; SAVEPOINT a; SAVEPOINT b; SELECT df.cancel('{id}'); RELEASE b; SAVEPOINT c; SELECT 1; ROLLBACK TO c; RELEASE a"
    ));
    let waits = "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    assert_eq!(session.value(waits), "t", "nothing happens before the commit");
    session.run("COMMIT");
    session.until("SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "cancelled");
    assert_eq!(session.value("SELECT count(*) FROM effects"), "1");
}

#[test]
fn a_signal_that_is_taken_back_is_not_received_and_the_next_one_is() {
    let (_server, _admin, session) = server();
    let id = session.start("df.wait_for_signal('go') |=> 'got' ~> 'SELECT $got.data AS data'");
    session
        .until(&format!("SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL"));
    session.run(&format!(
        "BEGIN; SAVEPOINT s; SELECT df.signal('{id}', 'go', '1'); ROLLBACK TO s;
         SAVEPOINT t; SELECT df.signal('{id}', 'go', '2'); RELEASE t; COMMIT"
    ));
    assert_eq!(session.end_of(&id), r#"{"rows": [{"data": 2}], "row_count": 1}"#);
}
