//! Rows that somebody else has locked or moved: nobody is held up, and nothing is done twice for it.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

fn server() -> (TestServer, Session, Session) {
    let server = TestServer::builder()
        .setting("pg_durable.max_executors", "1")
        .setting("log_min_messages", "warning")
        .start()
        .expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "held");
    let admin = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let session = Session::open(&server, "held", "postgres").expect("the role gets in");
    session.run(
        "CREATE TABLE effects (step text, at timestamptz DEFAULT clock_timestamp());
         CREATE PROCEDURE pay() LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO effects VALUES ('pay'); COMMIT; PERFORM pg_advisory_xact_lock(1); END $$",
    );
    admin.run("SELECT pg_advisory_lock(1)");
    (server, admin, session)
}

/// Starts an instance of one step that has done its work and waits for the advisory lock 1; its row says that it runs.
fn start_waiting(session: &Session, step: &str) -> String {
    let id = session.start(step);
    session
        .until("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted");
    session.until(&format!("SELECT df.status('{id}') = 'running'"));
    id
}

#[test]
fn an_open_cancel_holds_up_nobody_and_the_step_is_done_once_whichever_way_it_ends() {
    let (server, admin, session) = server();
    let canceller = Session::open(&server, "held", "postgres").expect("the role gets in");
    let transactional = "'INSERT INTO effects VALUES (''step''); SELECT pg_advisory_xact_lock(1)'";
    for (step, end, status) in [
        (transactional, "ROLLBACK", "completed"),
        (transactional, "COMMIT", "cancelled"),
        ("'CALL pay()'", "ROLLBACK", "completed"),
        ("'CALL pay()'", "COMMIT", "cancelled"),
        ("'CALL pay(); '", "ROLLBACK", "completed"),
    ] {
        session.run("TRUNCATE effects");
        let id = start_waiting(&session, step);
        canceller.run(&format!("BEGIN; SELECT df.cancel('{id}')"));
        admin.run("SELECT pg_advisory_unlock(1)");
        // The one executor there is has let go of it: the next instance of the role is carried out.
        let other = session.start("'SELECT 2 AS n'");
        assert_eq!(session.end_of(&other), r#"{"rows": [{"n": 2}], "row_count": 1}"#);
        assert_eq!(session.value("SELECT count(*) FROM effects"), "1", "{step}: it is committed");
        canceller.run(end);
        session.until(&format!("SELECT df.status('{id}') = '{status}'"));
        assert_eq!(session.value("SELECT count(*) FROM effects"), "1", "{step}, {end}");
        admin.run("SELECT pg_advisory_lock(1)");
    }
}

#[test]
fn a_failure_is_recorded_once_although_a_cancel_is_open() {
    let (server, admin, session) = server();
    let canceller = Session::open(&server, "held", "postgres").expect("the role gets in");
    let id = start_waiting(&session, "'SELECT pg_advisory_xact_lock(1); SELECT 1/0'");
    canceller.run(&format!("BEGIN; SELECT df.cancel('{id}')"));
    admin.run("SELECT pg_advisory_unlock(1)");
    session.until(&format!(
        "SELECT sqlstate = '22012' AND attempt = 1 FROM df.nodes WHERE instance_id = '{id}'"
    ));
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "running");
    canceller.run("ROLLBACK");
    session.until(&format!("SELECT df.status('{id}') = 'failed'"));
    assert_eq!(session.value(&format!("SELECT sqlstate FROM df.error('{id}')")), "22012");
    assert_eq!(session.value(&format!("SELECT attempt FROM df.instance_nodes('{id}')")), "1");
}

#[test]
fn a_row_that_the_superuser_has_locked_is_written_when_it_is_free() {
    let (server, admin, session) = server();
    let locker = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    for (table, key) in [("nodes", "instance_id"), ("instances", "id")] {
        session.run("TRUNCATE effects");
        let step = "'INSERT INTO effects VALUES (''step''); SELECT pg_advisory_xact_lock(1)'";
        let id = start_waiting(&session, step);
        locker.run(&format!("BEGIN; SELECT 1 FROM df.{table} WHERE {key} = '{id}' FOR UPDATE"));
        admin.run("SELECT pg_advisory_unlock(1)");
        let other = session.start("'SELECT 2 AS n'");
        assert_eq!(session.end_of(&other), r#"{"rows": [{"n": 2}], "row_count": 1}"#, "{table}");
        locker.run("COMMIT");
        session.until(&format!("SELECT df.status('{id}') = 'completed'"));
        assert_eq!(session.value("SELECT count(*) FROM effects"), "1", "{table}");
        admin.run("SELECT pg_advisory_lock(1)");
    }
}

#[test]
fn a_table_that_is_written_anew_during_a_step_is_no_broken_disk() {
    let (server, admin, session) = server();
    // The rows of the instance come to lie behind these.
    admin.run(
        "ALTER TABLE df.nodes SET (fillfactor = 100); ALTER TABLE df.instances SET (fillfactor = 100);
         INSERT INTO df.nodes (id, instance_id, node_type, query)
             SELECT '00000000', 'padding' || n, 'SQL', repeat('x', 500) FROM generate_series(1, 5000) AS n;
         INSERT INTO df.instances (id, root_node, submitted_by, durability, status, error)
             SELECT 'padding' || n, '00000000', 'held', 'step', 'completed', repeat('x', 500) FROM generate_series(1, 5000) AS n;
         ALTER TABLE df.nodes SET (fillfactor = 40); ALTER TABLE df.instances SET (fillfactor = 70)",
    );
    // Deleted before the step begins, whose snapshot would keep them.
    session.run("BEGIN");
    let id = session.start("'CALL pay()' ~> 'SELECT 1 AS done'");
    admin.run(
        "DELETE FROM df.nodes WHERE instance_id LIKE 'padding%'; DELETE FROM df.instances WHERE id LIKE 'padding%'",
    );
    session.run("COMMIT");
    session
        .until("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted");
    session.until(&format!("SELECT df.status('{id}') = 'running'"));
    for (table, key) in [("nodes", "instance_id"), ("instances", "id")] {
        let far =
            format!("SELECT bool_and((ctid::text::point)[0] > 100) FROM df.{table} WHERE {key} = '{id}'");
        assert_eq!(admin.value(&far), "t");
    }
    admin.run("VACUUM FULL df.nodes");
    admin.run("VACUUM FULL df.instances");
    let few = "SELECT pg_relation_size('df.nodes') + pg_relation_size('df.instances') < 100 * 8192";
    assert_eq!(admin.value(few), "t");
    admin.run("SELECT pg_advisory_unlock(1)");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"done": 1}], "row_count": 1}"#);
    assert_eq!(session.value("SELECT count(*) FROM effects"), "1");
    assert!(!server.log().contains("could not read block"), "{}", server.log());
}

/// What a DBA may hang on the engine's tables, and what the rows say then.
#[test]
fn what_a_dba_adds_to_the_tables_is_kept() {
    let (_server, admin, session) = server();
    let flow = "'SELECT 1 AS a' ~> 'SELECT 2 AS b'";
    let check = |add: &str, holds: &str, remove: &str| {
        // The executor and this session have written to the tables before, and know them.
        session.end_of(&session.start(flow));
        admin.run(add);
        let id = session.start(flow);
        assert_eq!(session.end_of(&id), r#"{"rows": [{"b": 2}], "row_count": 1}"#, "{add}");
        assert_eq!(admin.value(&holds.replace("$id", &id)), "t", "{add}");
        admin.run(remove);
    };
    check(
        "ALTER TABLE df.nodes ADD COLUMN tenant text NOT NULL DEFAULT 'a'",
        "SELECT bool_and(tenant = 'a') FROM df.nodes WHERE instance_id = '$id'",
        "ALTER TABLE df.nodes DROP COLUMN tenant",
    );
    check(
        "ALTER TABLE df.nodes ADD COLUMN shown text GENERATED ALWAYS AS (status || '!') STORED",
        "SELECT bool_and(shown = status || '!' AND status = 'completed') FROM df.nodes WHERE instance_id = '$id'",
        "ALTER TABLE df.nodes DROP COLUMN shown",
    );
    for table in ["nodes", "instances"] {
        check(
            &format!(
                "CREATE TABLE seen (status text); GRANT INSERT ON seen TO PUBLIC;
                 CREATE RULE seen AS ON UPDATE TO df.{table} DO ALSO INSERT INTO seen VALUES (new.status)"
            ),
            "SELECT count(*) > 0 FROM seen",
            &format!("DROP RULE seen ON df.{table}; DROP TABLE seen"),
        );
        // Somebody else's condition is not passed by.
        admin.run(&format!(
            "ALTER TABLE df.{table} ADD CONSTRAINT strict CHECK (status <> 'completed')  NOT VALID"
        ));
        let id = session.start("'SELECT 1'");
        session.until(&format!("SELECT df.status('{id}') = 'failed'"));
        assert_eq!(session.value(&format!("SELECT sqlstate FROM df.error('{id}')")), "23514", "{table}");
        admin.run(&format!("ALTER TABLE df.{table} DROP CONSTRAINT strict"));
    }
}

#[test]
fn the_checks_of_the_tables_are_those_that_the_engine_knows() {
    let (_server, admin, _session) = server();
    let checks = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint
                  WHERE contype = 'c' AND conrelid IN ('df.instances'::regclass, 'df.nodes'::regclass)";
    assert_eq!(
        admin.value(checks),
        "instances_completed_at_chk instances_status_chk",
        "what is added here belongs into heap.rs too"
    );
}
