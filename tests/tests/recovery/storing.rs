//! Outcomes that the server does not store: what it will never take fails at once, the rest is tried again, not for ever.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

fn server() -> (TestServer, Session) {
    let server =
        TestServer::builder().setting("pg_durable.test_clock", "on").start().expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "storing");
    let session = Session::open(&server, "storing", "postgres").expect("the role gets in");
    (server, session)
}

/// A table whose rows make their transaction fail at its commit, in a way that says more about the server.
const TRAP: &str = "CREATE TABLE trap (at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$;
    CREATE CONSTRAINT TRIGGER no_room AFTER INSERT ON trap DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION no_room()";

#[test]
fn what_the_tables_never_take_fails_at_once_and_after_one_effect() {
    let (_server, session) = server();
    session.run(
        "CREATE TABLE effects (at timestamptz DEFAULT clock_timestamp());
         CREATE PROCEDURE pay(INOUT receipt json DEFAULT NULL) LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO effects DEFAULT VALUES; COMMIT; receipt := '{\"text\": \"a\\u0000b\"}'; END $$",
    );
    for (graph, sqlstate) in [
        ("'SELECT ''{\"$serde_json::private::Number\": \"1\"}''::jsonb AS j'", "22032"),
        ("'SELECT (repeat(''['', 130) || repeat('']'', 130))::jsonb AS j'", "22032"),
        ("'SELECT ''{\"a\": \"\\ud800\"}''::json AS j'", "22032"),
        ("df.loop('SELECT 1' ~> df.break('{\"a\": \"\\u0000\"}'))", "22P05"),
        ("'CALL pay()'", "22P05"),
    ] {
        let id = session.start(graph);
        session.until(&format!("SELECT df.status('{id}') = 'failed'"));
        let found = format!(
            "SELECT sqlstate || ' ' || attempt FROM df.nodes WHERE instance_id = '{id}' AND status = 'failed'"
        );
        assert_eq!(session.value(&found), format!("{sqlstate} 1"), "{graph}");
    }
    assert_eq!(session.value("SELECT count(*) FROM effects"), "1");
}

#[test]
fn what_may_pass_is_tried_again_until_it_passes() {
    let (_server, session) = server();
    session.run(TRAP);
    let id = session.start("'INSERT INTO trap DEFAULT VALUES' ~> 'SELECT 1 AS done'");
    let attempt = format!("FROM df.nodes WHERE instance_id = '{id}' AND query LIKE 'INSERT%'");
    session.until(&format!("SELECT tries >= 2 {attempt}"));
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "pending");
    session.run("DROP TRIGGER no_room ON trap");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"done": 1}], "row_count": 1}"#);
    assert_eq!(session.value("SELECT count(*) FROM trap"), "1");
    assert_eq!(session.value(&format!("SELECT tries IS NULL AND attempt IS NULL {attempt}")), "t");
}

#[test]
fn what_cannot_be_stored_is_given_up_after_ten_tries() {
    let (server, session) = server();
    session.run(TRAP);
    let id = session.start("'INSERT INTO trap DEFAULT VALUES'");
    for tries in 1..10 {
        let noted = format!("SELECT tries = {tries} FROM df.nodes WHERE instance_id = '{id}'");
        session.until(&noted);
        if tries == 5 {
            // The next executor takes the count up where this one has left it.
            let executors = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_durable executor'";
            server.psql("postgres", executors).expect("they are ended");
        }
        session.run("SELECT df.advance_clock('5 minutes')");
    }
    session.until(&format!("SELECT df.status('{id}') = 'failed'"));
    let found = format!(
        "SELECT sqlstate || ' ' || message || ' ' || attempt FROM df.nodes WHERE instance_id = '{id}'"
    );
    assert_eq!(session.value(&found), "53100 no room 10");
}
