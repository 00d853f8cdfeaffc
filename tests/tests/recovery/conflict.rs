//! Steps that are in each other's way are tried again by themselves.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

fn server() -> (TestServer, Session) {
    let server = TestServer::builder().setting("deadlock_timeout", "50ms").start().expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "conflict");
    let session = Session::open(&server, "conflict", "postgres").expect("the role gets in");
    session.run(
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
         INSERT INTO accounts VALUES (1, 0), (2, 0);
         CREATE SEQUENCE tries",
    );
    (server, session)
}

#[test]
fn branches_that_deadlock_both_complete() {
    let (_server, session) = server();
    let branch = |first: u32, second: u32| {
        format!(
            "'UPDATE accounts SET balance = balance + 1 WHERE id = {first}; SELECT pg_sleep(0.2);
              UPDATE accounts SET balance = balance + 1 WHERE id = {second}'"
        )
    };
    let id = session.start(&format!("df.join({}, {})", branch(1, 2), branch(2, 1)));
    session.until(&format!("SELECT df.status('{id}') IN ('completed', 'failed')"));
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "completed", "{}", session.outcome(&id));
    assert_eq!(session.value("SELECT string_agg(balance::text, ' ') FROM accounts"), "2 2");
    let left = format!(
        "SELECT count(*) FROM df.instance_nodes('{id}') WHERE attempt IS NOT NULL OR error IS NOT NULL"
    );
    assert_eq!(session.value(&left), "0");
}

/// A step that fails in this way until it has been tried so often. Sequences keep what was rolled back.
fn failing(sqlstate: &str, times: u32) -> String {
    format!(
        "'DO $b$ BEGIN IF nextval(''tries'') <= {times} THEN RAISE ''again'' USING ERRCODE = ''{sqlstate}''; END IF; END $b$'"
    )
}

#[test]
fn conflicts_are_tried_again_as_often_as_the_role_says() {
    let (_server, session) = server();
    for (sqlstate, times, expected, tries) in [
        ("40001", 5, "completed", 6),
        ("40P01", 5, "completed", 6),
        ("40001", 6, "failed", 6),
        ("40002", 1, "failed", 1),
        ("P0001", 1, "failed", 1),
    ] {
        session.run("ALTER SEQUENCE tries RESTART");
        let id = session.start(&failing(sqlstate, times));
        session.until(&format!("SELECT df.status('{id}') = '{expected}'"));
        assert_eq!(session.value("SELECT last_value FROM tries"), tries.to_string(), "{sqlstate} {times}");
    }
    session.run("ALTER ROLE conflict SET pg_durable.retry_conflicts = 0");
    session.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_durable executor'",
    );
    session.run("ALTER SEQUENCE tries RESTART");
    let id = session.start(&failing("40001", 1));
    session.until(&format!("SELECT df.status('{id}') = 'failed'"));
    assert_eq!(session.value(&format!("SELECT sqlstate FROM df.error('{id}')")), "40001");
}

#[test]
fn what_has_committed_inside_is_not_done_again_for_a_conflict() {
    let (_server, session) = server();
    session.run(
        "CREATE TABLE effects (at timestamptz);
         CREATE PROCEDURE pay() LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO effects VALUES (now()); COMMIT; RAISE 'x' USING ERRCODE = '40001'; END $$",
    );
    let id = session.start("'CALL pay()'");
    session.until(&format!("SELECT df.status('{id}') = 'failed'"));
    assert_eq!(session.value("SELECT count(*) FROM effects"), "1");
}

#[test]
fn a_statement_that_finds_no_room_is_tried_again_and_says_so() {
    let (_server, session) = server();
    let id = session.start(&failing("53100", 1));
    let shown = format!(
        "SELECT attempt = 1 AND sqlstate = '53100' AND error = 'again' AND next_attempt_at > now()
         FROM df.instance_nodes('{id}')"
    );
    session.until(&shown);
    session.until(&format!("SELECT df.status('{id}') = 'completed'"));
    let left = format!(
        "SELECT attempt IS NULL AND sqlstate IS NULL AND error IS NULL AND next_attempt_at IS NULL
         FROM df.instance_nodes('{id}')"
    );
    assert_eq!(session.value(&left), "t");
}
