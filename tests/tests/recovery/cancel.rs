//! Nothing of an instance commits behind its cancel, whichever way the cancel comes.

use std::thread;
use std::time::Duration;

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

use super::cluster::wait_for;

fn server(settings: &[(&str, &str)]) -> (TestServer, Session, Session) {
    let mut builder = TestServer::builder().setting("pg_durable.sweep_interval", "1");
    for (name, value) in settings {
        builder = builder.setting(*name, *value);
    }
    let server = builder.start().expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "canceller");
    let admin = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let session = Session::open(&server, "canceller", "postgres").expect("the role gets in");
    session.run("CREATE TABLE effects (step text, at timestamptz DEFAULT clock_timestamp())");
    (server, admin, session)
}

/// The wait of an executor for the advisory lock 1, which the superuser holds.
const WAITS: &str =
    "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted";

#[test]
fn nothing_follows_a_cancel_that_was_prepared_before_it_was_committed() {
    let (_server, admin, session) = server(&[("max_prepared_transactions", "2")]);
    admin.run("SELECT pg_advisory_lock(1)");
    let id = session.start(
        "'INSERT INTO effects VALUES (''a''); SELECT pg_advisory_xact_lock(1)'
         ~> 'INSERT INTO effects VALUES (''b'')' ~> 'INSERT INTO effects VALUES (''c'')'",
    );
    session.until(WAITS);
    session.run(&format!("BEGIN; SELECT df.cancel('{id}'); PREPARE TRANSACTION 'c'"));
    session.run("COMMIT PREPARED 'c'");
    admin.run("SELECT pg_advisory_unlock(1)");
    let idle = "SELECT count(*) = 0 FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL";
    admin.until(idle);
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "cancelled");
    assert_eq!(session.value("SELECT string_agg(step, '') FROM effects"), "NULL");
}

#[test]
fn a_step_that_swallows_its_interruption_does_not_commit_behind_the_cancel() {
    let (_server, admin, session) = server(&[]);
    admin.run("SELECT pg_advisory_lock(1)");
    session.run(
        "CREATE FUNCTION stubborn() RETURNS void LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_advisory_xact_lock(1); EXCEPTION WHEN query_canceled THEN NULL; END $$;
         CREATE PROCEDURE persistent() LANGUAGE plpgsql AS $$
             BEGIN PERFORM stubborn(); INSERT INTO effects VALUES ('inside'); COMMIT; END $$",
    );
    let idle = "SELECT count(*) = 0 FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL";
    for step in ["'SELECT stubborn(); INSERT INTO effects VALUES (''behind'')'", "'CALL persistent()'"] {
        let id = session.start(&format!("{step} ~> 'INSERT INTO effects VALUES (''next'')'"));
        session.until(WAITS);
        session.run(&format!("SELECT df.cancel('{id}')"));
        admin.until(idle);
        assert_eq!(session.value("SELECT count(*) FROM effects"), "0", "{step}");
        assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "cancelled");
    }
}

#[test]
fn no_effect_appears_after_a_cancel_has_returned() {
    let (server, admin, session) = server(&[("max_worker_processes", "24")]);
    session.run(
        "CREATE PROCEDURE twice() LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO effects VALUES ('p'); COMMIT; INSERT INTO effects VALUES ('p'); END $$",
    );
    let graphs = [
        "df.loop('INSERT INTO effects VALUES (''{sys_instance_id}'')', 'SELECT true')",
        "df.loop(df.join('INSERT INTO effects VALUES (''{sys_instance_id}'')',
                         'INSERT INTO effects VALUES (''{sys_instance_id}'')'), 'SELECT true')",
        "df.loop('CALL twice()', 'SELECT true')",
    ];
    thread::scope(|scope| {
        for (number, graph) in graphs.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let session = Session::open(server, "canceller", "postgres").expect("the role gets in");
                for round in 0..40 {
                    let mark = format!("{number}-{round}");
                    let graph = graph.replace("{sys_instance_id}", &mark).replace("twice()", &format!("twice_{number}('{mark}')").replace('\'', "''"));
                    session.run(&format!(
                        "CREATE OR REPLACE PROCEDURE twice_{number}(mark text) LANGUAGE plpgsql AS
                         $$ BEGIN INSERT INTO effects VALUES (mark); COMMIT; INSERT INTO effects VALUES (mark); END $$"
                    ));
                    let count = format!("SELECT count(*) FROM effects WHERE step = '{mark}'");
                    let id = session.start(&graph);
                    session.until(&format!("({count}) > {}", round % 5));
                    session.run(&format!("SELECT df.cancel('{id}')"));
                    let at_once = session.value(&count);
                    // Time enough for what was under way to appear.
                    for _ in 0..5 {
                        thread::sleep(Duration::from_millis(2));
                        assert_eq!(session.value(&count), at_once, "{graph}");
                    }
                }
            });
        }
    });
    admin.until("SELECT count(*) = 0 FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL");
}

#[test]
fn a_step_may_cancel_its_own_instance_and_that_is_its_end() {
    let (_server, _admin, session) = server(&[]);
    for graph in [
        "'INSERT INTO effects VALUES (''own''); SELECT df.cancel(''{sys_instance_id}'')'",
        "'INSERT INTO effects VALUES (''own''); SELECT df.cancel(''{sys_instance_id}'')' ~> 'INSERT INTO effects VALUES (''next'')'",
    ] {
        let id = session.start(graph);
        session.until(&format!("SELECT df.status('{id}') = 'cancelled'"));
    }
    session
        .until("SELECT count(*) = 0 FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL");
    assert_eq!(session.value("SELECT string_agg(step, ' ') FROM effects"), "own own");
}

#[test]
fn a_cancel_ends_nobodys_wait_for_a_standby() {
    let (primary, admin, session) = server(&[]);
    let standby = primary.standby().expect("the standby starts");
    admin.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    admin.run("SELECT pg_reload_conf()");
    session.run("INSERT INTO effects VALUES ('both have this')");
    admin.run("SELECT pg_advisory_lock(1)");
    let id = session
        .start("'SELECT 1' ~> 'INSERT INTO effects VALUES (''a''); SELECT pg_advisory_xact_lock(1)' ~> df.sleep(3600)");
    session.until(WAITS);
    // The standby hears nothing more, and the step comes to its commit.
    standby.stop(pg_durable_sdk::testing::StopMode::Fast).expect("the standby stops");
    admin.run("SET synchronous_commit = local");
    session.run("SET synchronous_commit = local");
    admin.run("SELECT pg_advisory_unlock(1)");
    let waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_durable executor' AND wait_event = 'SyncRep'";
    session.until(waits);
    // It returns, although the executor has not come to the end of its commit.
    session.run(&format!("SELECT df.cancel('{id}')"));
    let visible = "SELECT count(*) FROM effects WHERE step = 'a'";
    assert_eq!(session.value(visible), "0");
    assert_eq!(session.value(waits), "t");
    assert!(!primary.log().contains("canceling wait for synchronous replication"), "{}", primary.log());
    standby.start_again().expect("the standby comes back");
    wait_for("the step's commit is seen", || session.value(visible) == "1");
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "cancelled");
}

#[test]
fn an_instance_with_barriers_stops_when_its_standby_is_gone() {
    let (primary, admin, session) = server(&[]);
    let standby = primary.standby().expect("the standby starts");
    admin.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    admin.run("SELECT pg_reload_conf()");
    let id = session.start(
        "df.loop('INSERT INTO effects VALUES (''b'')', 'SELECT count(*) < 20000 FROM effects'), durability => 'barrier'",
    );
    session.until("SELECT count(*) > 10 FROM effects");
    standby.kill_postmaster().expect("the standby is gone");
    let waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_durable executor' AND wait_event = 'SyncRep'";
    session.until(waits);
    let effects = session.value("SELECT count(*) FROM effects");
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "running");
    assert_eq!(session.value(waits), "t");
    let note = "SELECT note FROM df.workers() WHERE kind = 'executor' AND note IS NOT NULL";
    assert_eq!(session.value(note), "its commit waits for the synchronous standby");
    assert_eq!(session.value("SELECT count(*) FROM effects"), effects);
    standby.start_again().expect("the standby comes back");
    session.until(&format!("SELECT count(*) > {effects} FROM effects"));
}
