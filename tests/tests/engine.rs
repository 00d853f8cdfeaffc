//! What a DBA does to the engine: databases, extensions, dumps, cancelled and terminated processes, limits.

use std::thread;
use std::time::{Duration, Instant};

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::{administer, shared, tester};
use pg_durable_tests::session::{DEADLINE, Session};

fn superuser_in(database: &str) -> Session {
    Session::open(shared(), "postgres", database).expect("the superuser gets in")
}

fn superuser() -> Session {
    superuser_in("postgres")
}

fn role(name: &str) -> Session {
    tester(shared(), name);
    Session::open(shared(), name, "postgres").expect("the role gets in")
}

/// A new database with the extension, in which a role may use it.
fn database(name: &str, role: &str) -> Session {
    administer(shared(), &format!("CREATE DATABASE {name}"));
    let superuser = superuser_in(name);
    superuser.run(&format!(
        "CREATE EXTENSION pg_durable; SELECT df.grant_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}"
    ));
    Session::open(shared(), role, name).expect("the role gets in")
}

#[test]
fn two_databases_run_workflows_at_once() {
    let here = role("eng_both");
    let there = database("eng_second", "eng_both");
    for session in [&here, &there] {
        session.run("CREATE TABLE which (d text)");
    }
    let graph = "('INSERT INTO which VALUES (current_database()) RETURNING d' |=> 'd') ~> df.sleep(0.1) ~> df.wait_for_signal('go') ~> 'SELECT current_database() = $d AS same'";
    let (a, b) = (here.start(graph), there.start(graph));
    there.run(&format!("SELECT df.signal('{b}', 'go')"));
    here.run(&format!("SELECT df.signal('{a}', 'go')"));
    let same = r#"{"rows": [{"same": true}], "row_count": 1}"#;
    assert_eq!(here.end_of(&a), same);
    assert_eq!(there.end_of(&b), same);
    assert_eq!(here.value("SELECT string_agg(d, ',') FROM which"), "postgres");
    assert_eq!(there.value("SELECT string_agg(d, ',') FROM which"), "eng_second");
    assert_eq!(here.value(&format!("SELECT df.status('{b}')")), "NULL");
    assert_eq!(there.value("SELECT df.target_database()"), "eng_second");
    administer(shared(), "GRANT EXECUTE ON FUNCTION df.cross_database() TO eng_both");
    // Steps of one database's workflow in the other, which has the extension too.
    let id = here.value("SELECT df.start('INSERT INTO which VALUES (''from afar'') RETURNING current_database() AS d', database => 'eng_second')");
    assert_eq!(here.end_of(&id), r#"{"rows": [{"d": "eng_second"}], "row_count": 1}"#);
    assert_eq!(there.value("SELECT count(*) FROM which WHERE d = 'from afar'"), "1");
}

#[test]
fn a_database_without_the_right_to_connect_is_refused() {
    administer(shared(), "CREATE DATABASE eng_closed; REVOKE CONNECT ON DATABASE eng_closed FROM PUBLIC");
    let session = role("eng_outside");
    administer(shared(), "GRANT EXECUTE ON FUNCTION df.cross_database() TO eng_outside");
    let error = session.error("SELECT df.start('SELECT 1', database => 'eng_closed')");
    assert_eq!(error.sqlstate, "42501", "{error}");
    assert!(error.hint.is_some(), "{error}");
    assert_eq!(session.value("SELECT count(*) FROM df.instances"), "0");
}

#[test]
fn a_right_to_connect_taken_away_in_flight_is_waited_for() {
    administer(shared(), "CREATE DATABASE eng_closing; REVOKE CONNECT ON DATABASE eng_closing FROM PUBLIC");
    let session = role("eng_shut_out");
    administer(
        shared(),
        "GRANT CONNECT ON DATABASE eng_closing TO eng_shut_out; GRANT EXECUTE ON FUNCTION df.cross_database() TO eng_shut_out",
    );
    let id = session.value(
        "SELECT df.start('SELECT 1' ~> df.wait_for_signal('go') ~> 'SELECT 2', database => 'eng_closing')",
    );
    session
        .until(&format!("SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL"));
    administer(shared(), "REVOKE CONNECT ON DATABASE eng_closing FROM eng_shut_out");
    session.run(&format!("SELECT df.signal('{id}', 'go')"));
    session.until("EXISTS (SELECT FROM df.workers() AS w WHERE w.note LIKE '%\"eng_shut_out\" waits: it may not connect to another database%')");
    administer(shared(), "GRANT CONNECT ON DATABASE eng_closing TO eng_shut_out");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"?column?": 2}], "row_count": 1}"#);
    // A database that is gone fails it.
    let id =
        session.value("SELECT df.start(df.wait_for_signal('go') ~> 'SELECT 2', database => 'eng_closing')");
    administer(shared(), "DROP DATABASE eng_closing WITH (FORCE)");
    session.run(&format!("SELECT df.signal('{id}', 'go')"));
    let outcome = session.end_of(&id);
    assert!(outcome.starts_with("failed "), "{outcome}");
}

#[test]
fn the_extension_is_dropped_with_what_runs_and_created_again() {
    tester(shared(), "eng_dropper");
    let user = database("eng_drop", "eng_dropper");
    let superuser = superuser_in("eng_drop");
    let waiting = user.start("df.sleep(600)");
    let running = user.start("'SELECT pg_sleep(600)'");
    user.until(&format!(
        "SELECT EXISTS (SELECT FROM df.workers() WHERE instance_id = '{running}' AND state = 'running')"
    ));
    assert_eq!(user.value(&format!("SELECT df.status('{waiting}')")), "running");
    superuser.run("SET lock_timeout = '10s'; DROP EXTENSION pg_durable");
    assert_eq!(superuser.value("SELECT to_regnamespace('df') IS NULL"), "t");
    superuser.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'eng_drop' AND query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid())");
    superuser.run("CREATE EXTENSION pg_durable; SELECT df.grant_usage('eng_dropper')");
    let user = Session::open(shared(), "eng_dropper", "eng_drop").expect("the role gets in");
    assert_eq!(user.value("SELECT count(*) FROM df.instances"), "0");
    assert_eq!(
        user.flow("'SELECT 1 AS a' ~> df.sleep(0.05) ~> 'SELECT 2 AS b'"),
        r#"{"rows": [{"b": 2}], "row_count": 1}"#
    );
    // A drop that rolls back is none.
    superuser.run("BEGIN; DROP EXTENSION pg_durable; ROLLBACK");
    assert!(user.flow("'SELECT 1'").starts_with('{'));
    // The database can be dropped although the engine is connected to it.
    drop((user, superuser));
    administer(shared(), "DROP DATABASE eng_drop WITH (FORCE)");
}

#[test]
fn a_foreign_schema_is_not_taken_over() {
    administer(shared(), "CREATE DATABASE eng_taken");
    let superuser = superuser_in("eng_taken");
    superuser.run("CREATE SCHEMA df");
    assert_eq!(superuser.error("CREATE EXTENSION pg_durable").sqlstate, "42P06");
    superuser.run("DROP SCHEMA df; CREATE FUNCTION public.seq(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1'; CREATE EXTENSION pg_durable");
    assert_eq!(superuser.error("CREATE EXTENSION pg_durable").sqlstate, "42710");
}

/// Rows are written past the SQL executor: what a DBA hangs on the tables must hold all the same.
#[test]
fn indexes_and_triggers_of_a_dba_are_kept() {
    let user = role("eng_hung");
    let there = database("eng_hung", "eng_hung");
    let superuser = superuser_in("eng_hung");
    superuser.run(
        "CREATE INDEX by_label ON df.instances (upper(label)) WHERE status = 'completed';
         CREATE INDEX by_update ON df.instances USING brin (updated_at);
         CREATE INDEX by_result ON df.nodes ((result ->> 'row_count'))",
    );
    let run = |label: &str| {
        let id = there.value(&format!(
            "SELECT df.start('SELECT 1' ~> 'SELECT 2', '{label}', idempotency_key => '{label}')"
        ));
        there.end_of(&id)
    };
    for n in 0..20 {
        run(&format!("label {n}"));
    }
    superuser.run("SET enable_seqscan = off");
    let by_label = "SELECT count(*) FROM df.instances WHERE status = 'completed' AND upper(label) LIKE 'LABEL%' AND upper(label) >= 'L'";
    assert!(superuser.value(&format!("EXPLAIN (FORMAT json) {by_label}")).contains("by_label"));
    assert_eq!(superuser.value(by_label), "20");
    assert_eq!(superuser.value("SELECT count(*) FROM df.nodes WHERE result ->> 'row_count' = '1'"), "60");
    assert_eq!(superuser.value("SELECT count(*) FROM df.instances WHERE updated_at > '2000-01-01'"), "20");
    // A trigger sees every row, first as it is started and then as it ends.
    superuser.run(
        "CREATE TABLE public.seen (id text, status text);
         CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO public.seen VALUES (NEW.id, NEW.status); RETURN NEW; END';
         CREATE TRIGGER see AFTER INSERT OR UPDATE ON df.instances FOR EACH ROW EXECUTE FUNCTION public.see()",
    );
    run("seen");
    assert_eq!(
        superuser.value("SELECT string_agg(status, ',') FROM public.seen"),
        "pending,running,completed"
    );
    drop(user);
}

#[test]
fn a_dump_carries_workflows_to_another_database() {
    let user = role("eng_dumped");
    let there = database("eng_dump", "eng_dumped");
    there.run("SELECT df.setvar('kept', 'yes')");
    let register = "SELECT df.register('dumped', df.sql('SELECT $input.a + $1 AS n', '[1]'), input_schema => '{\"type\": \"object\"}')";
    there.run(register);
    there.run("SELECT df.grant_run('dumped', 'public')");
    let done = there.start("'SELECT 5 AS five'");
    there.end_of(&done);
    let waiting = there
        .start("('SELECT 7 AS n' |=> 'n') ~> df.wait_for_signal('go') ~> 'SELECT $n AS n, ''{kept}'' AS v'");
    there.until(&format!(
        "SELECT count(*) = 1 FROM df.instance_nodes('{waiting}') WHERE waiting_for IS NOT NULL"
    ));
    there.run(&format!("SELECT df.signal('{waiting}', 'other', '1')"));
    administer(shared(), "CREATE DATABASE eng_restored");
    let server = shared();
    let program = |name: &str| server.installation().program(name).display().to_string();
    let pipe = format!(
        "{} -d '{}' | {} -X -q -v ON_ERROR_STOP=1 -d '{}'",
        program("pg_dump"),
        server.dsn("postgres", "eng_dump"),
        program("psql"),
        server.dsn("postgres", "eng_restored"),
    );
    let output =
        std::process::Command::new("bash").args(["-o", "pipefail", "-c", &pipe]).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let restored = Session::open(server, "eng_dumped", "eng_restored").expect("the role gets in");
    // Nothing of a copy runs before it is adopted.
    let note = "SELECT note LIKE 'held: a copy%' FROM df.workers() WHERE kind = 'scheduler' AND database = current_database()";
    restored.until(note);
    assert_eq!(superuser_in("eng_restored").value("SELECT df.adopt()"), "1");
    // Registered is what was registered: the same once more is the same version.
    assert_eq!(restored.value(register), "1");
    let run = restored.value("SELECT df.run('dumped', '{\"a\": 2}')");
    assert_eq!(restored.end_of(&run), r#"{"rows": [{"n": 3}], "row_count": 1}"#);
    assert_eq!(superuser_in("eng_restored").value("SELECT grantee FROM df.workflow_grants"), "-");
    assert_eq!(
        restored.value(&format!("SELECT df.result('{done}')")),
        r#"{"rows": [{"five": 5}], "row_count": 1}"#
    );
    assert_eq!(restored.value("SELECT df.getvar('kept')"), "yes");
    assert_eq!(restored.value("SELECT count(*) FROM df.signals"), "1");
    restored.run(&format!("SELECT df.signal('{waiting}', 'go')"));
    assert_eq!(restored.end_of(&waiting), r#"{"rows": [{"n": 7, "v": "yes"}], "row_count": 1}"#);
    let new = restored.start("'SELECT 1'");
    assert!(new != done && new != waiting, "the sequence of ids goes on");
    assert!(restored.end_of(&new).starts_with('{'));
    drop(user);
}

#[test]
fn metrics_count_what_exists() {
    tester(shared(), "eng_counted");
    let user = database("eng_metrics", "eng_counted");
    let superuser = superuser_in("eng_metrics");
    let metrics = "SELECT concat_ws(' ', total_instances, running_instances, completed_instances, failed_instances, total_executions) FROM df.metrics()";
    assert_eq!(superuser.value(metrics), "0 0 0 0 0");
    user.run("BEGIN; SELECT df.start('SELECT 1') FROM generate_series(1, 10); ROLLBACK");
    assert_eq!(superuser.value(metrics), "0 0 0 0 0");
    user.flow("'SELECT 1'");
    user.flow("'SELECT 1/0'");
    user.flow("df.loop('SELECT 1', 'SELECT count(*) < 2 FROM df.instances')");
    let waiting = user.start("df.sleep(600)");
    user.until(&format!("df.status('{waiting}') = 'running'"));
    assert_eq!(superuser.value(metrics), "4 1 2 1 4");
    user.run(&format!("SELECT df.cancel('{waiting}')"));
    assert_eq!(superuser.value(metrics), "4 0 2 2 4");
}

#[test]
fn one_idempotency_key_from_two_sessions_is_one_instance() {
    let first = role("eng_keys");
    let second = Session::open(shared(), "eng_keys", "postgres").expect("the role gets in");
    let start = "SELECT df.start('SELECT 1', idempotency_key => 'k')";
    // The second waits for the first and then sees its instance.
    first.run("BEGIN");
    let id = first.value(start);
    thread::scope(|scope| {
        let other = scope.spawn(|| second.value(start));
        superuser().until(
            "EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'eng_keys' AND wait_event_type = 'Lock')",
        );
        first.run("COMMIT");
        assert_eq!(other.join().expect("the second session starts"), id);
    });
    // It starts its own where the first rolls back.
    let start = start.replace("'k'", "'k2'");
    first.run("BEGIN");
    let id = first.value(&start);
    thread::scope(|scope| {
        let other = scope.spawn(|| second.value(&start));
        superuser().until(
            "EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'eng_keys' AND wait_event_type = 'Lock')",
        );
        first.run("ROLLBACK");
        assert_ne!(other.join().expect("the second session starts"), id);
    });
    // In one snapshot it cannot be seen: an error, not a second instance.
    second.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    first.run("SELECT df.start('SELECT 1', idempotency_key => 'k3')");
    let error = second.error("SELECT df.start('SELECT 1', idempotency_key => 'k3')");
    assert!(["25000", "40001"].contains(&error.sqlstate.as_str()), "{error}");
    second.run("ROLLBACK");
    assert_eq!(first.value("SELECT count(*) FROM df.instances"), "3");
}

/// As a service that starts one workflow for each row of a table does: keys take nothing that there is little of.
#[test]
fn one_transaction_starts_under_any_number_of_keys() {
    let user = role("eng_many_keys");
    user.run("BEGIN");
    let start = "SELECT count(DISTINCT df.start('SELECT 1', idempotency_key => n::text)) FROM generate_series(1, 60000) AS n";
    assert_eq!(user.value(start), "60000");
    user.run("ROLLBACK");
    assert_eq!(user.value("SELECT count(*) FROM df.instances"), "0");
}

#[test]
fn a_cancelled_backend_fails_its_step() {
    let user = role("eng_cancelled");
    let id = user.start("'SELECT pg_sleep(600)' ~> 'SELECT 1'");
    let busy = format!("SELECT pid FROM df.workers() WHERE instance_id = '{id}' AND node_id IS NOT NULL");
    user.until(&format!("EXISTS ({busy})"));
    user.until(&format!("SELECT state = 'active' FROM pg_stat_activity WHERE pid = ({busy})"));
    // The role itself may do it: the executor is one of its own processes.
    assert_eq!(user.value(&format!("SELECT pg_cancel_backend(({busy}))")), "t");
    let outcome = user.end_of(&id);
    assert!(
        outcome.starts_with("failed 57014 at 00000001\nmessage: canceling statement due to user request"),
        "{outcome}"
    );
    assert!(user.flow("'SELECT 1'").starts_with('{'));
}

#[test]
fn a_terminated_backend_loses_nothing() {
    let user = role("eng_terminated");
    user.run("CREATE TABLE effects (i int)");
    let id = user.start("'INSERT INTO effects VALUES (1)' ~> 'INSERT INTO effects VALUES (2); SELECT pg_sleep(2)' ~> 'SELECT 9 AS nine'");
    let busy = format!("SELECT pid FROM df.workers() WHERE instance_id = '{id}' AND node_id IS NOT NULL");
    for _ in 0..2 {
        user.until(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ({busy}) AND wait_event = 'PgSleep')"
        ));
        assert_eq!(user.value(&format!("SELECT pg_terminate_backend(({busy}), 5000)")), "t");
    }
    assert_eq!(user.end_of(&id), r#"{"rows": [{"nine": 9}], "row_count": 1}"#);
    assert_eq!(user.value("SELECT string_agg(i::text, ',' ORDER BY i) FROM effects"), "1,2");
    // Nor do the engine's own processes.
    let superuser = superuser();
    let waiting = user.start("df.sleep(1) ~> 'SELECT 8 AS eight'");
    user.until(&format!("df.status('{waiting}') = 'running'"));
    for kind in ["scheduler", "launcher"] {
        let pid = format!(
            "SELECT pid FROM df.workers() WHERE kind = '{kind}' AND (database = 'postgres' OR database IS NULL)"
        );
        let before = superuser.value(&pid);
        superuser.run(&format!("SELECT pg_terminate_backend({before})"));
        superuser.until(&format!("({pid}) <> {before}"));
    }
    assert_eq!(user.end_of(&waiting), r#"{"rows": [{"eight": 8}], "row_count": 1}"#);
}

#[test]
fn starts_in_their_own_transaction_are_limited() {
    let user = role("eng_limited");
    user.run("CREATE TABLE held (i int)");
    // Two launches hang on the key of an uncommitted start; the third finds no place.
    user.run("BEGIN; SELECT df.start('SELECT 1', idempotency_key => 'held')");
    let launch = "SELECT df.start('SELECT 1', idempotency_key => 'held', transaction_mode => 'new')";
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let session =
                        Session::open(shared(), "eng_limited", "postgres").expect("the role gets in");
                    session.value(launch)
                })
            })
            .collect();
        superuser().until("SELECT count(*) = 2 FROM pg_stat_activity WHERE usename = 'eng_limited' AND wait_event_type = 'Lock'");
        let third = Session::open(shared(), "eng_limited", "postgres").expect("the role gets in");
        let began = Instant::now();
        let error = third.error("SELECT df.start('SELECT 1', transaction_mode => 'new')");
        assert_eq!(error.sqlstate, "53400", "{error}");
        assert!(error.message.contains("max_new_transaction_starts=2"), "{error}");
        assert!(error.message.contains("Timed out after 2s waiting for a launch slot"), "{error}");
        assert!(began.elapsed() >= Duration::from_secs(2));
        user.run("COMMIT");
        for thread in waiting {
            thread.join().expect("the launch ends");
        }
        assert!(third.value("SELECT df.start('SELECT 1', transaction_mode => 'new') IS NOT NULL") == "t");
    });
    assert_eq!(user.value("SELECT count(*) FROM df.instances WHERE idempotency_key = 'held'"), "1");
    // A launch that is cancelled gives its place back.
    user.run("SET statement_timeout = '300ms'; BEGIN; SELECT df.start('SELECT 1', idempotency_key => 'held again')");
    for _ in 0..3 {
        let other = Session::open(shared(), "eng_limited", "postgres").expect("the role gets in");
        let error = other.error("SET statement_timeout = '300ms'; SELECT df.start('SELECT 1', idempotency_key => 'held again', transaction_mode => 'new')");
        assert_eq!(error.sqlstate, "57014", "{error}");
    }
    user.run("ROLLBACK");
    assert_eq!(user.value("SELECT df.start('SELECT 1', transaction_mode => 'new') IS NOT NULL"), "t");
}

#[test]
fn waiters_are_interrupted_as_any_statement_is() {
    let user = role("eng_waiter");
    let id = user.start("df.sleep(600)");
    let error = user.error(&format!("SET statement_timeout = '200ms'; SELECT df.await_instance('{id}')"));
    assert_eq!(error.sqlstate, "57014", "{error}");
    user.run("RESET statement_timeout");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let other = Session::open(shared(), "eng_waiter", "postgres").expect("the role gets in");
            other.value(&format!("SELECT df.await_instance('{id}')"))
        });
        superuser().until("EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'eng_waiter' AND query LIKE 'SELECT df.await_instance%' AND wait_event IS NOT NULL)");
        user.run(&format!("SELECT df.cancel('{id}')"));
        let began = Instant::now();
        assert_eq!(waiting.join().expect("the wait ends"), "cancelled");
        assert!(began.elapsed() < DEADLINE / 10);
    });
}

#[test]
fn who_waits_is_told_of_an_end_that_a_failure_brings() {
    let user = role("eng_settled");
    for failing in ["'SELECT 1/0'", "df.sleep(0.05) ~> 'SELECT 1/0'"] {
        let id = user.start(&format!("df.join_settled('SELECT 1', {failing})"));
        // Whoever waits is told, or waits until its time is over.
        assert_eq!(user.value(&format!("SELECT df.await_instance('{id}', 6)")), "completed");
    }
}

#[test]
fn terminal_instances_go_when_their_time_has_come() {
    let server = TestServer::builder()
        .setting("pg_durable.retention_days", "0")
        .setting("pg_durable.reconcile_interval", "1")
        .start()
        .expect("the server starts");
    server
        .psql("postgres", "CREATE EXTENSION pg_durable; CREATE ROLE u LOGIN; SELECT df.grant_usage('u')")
        .expect("the extension is created");
    let user = Session::open(&server, "u", "postgres").expect("the role gets in");
    let done = user.start("'SELECT 1'");
    let failed = user.start("'SELECT 1/0'");
    let waiting = user.start("df.sleep(600)");
    user.run(&format!("SELECT df.signal('{waiting}', 'kept')"));
    user.until(&format!("NOT EXISTS (SELECT FROM df.instances WHERE id IN ('{done}', '{failed}'))"));
    assert_eq!(user.value("SELECT count(*) FROM df.nodes"), "1");
    assert_eq!(user.value("SELECT count(*) FROM df.signals"), "1");
    assert_eq!(user.value(&format!("SELECT df.status('{waiting}')")), "running");
}

#[test]
fn a_superusers_steps_leave_nothing_for_the_next() {
    let server = TestServer::builder()
        .setting("pg_durable.enable_superuser_instances", "on")
        .start()
        .expect("the server starts");
    server
        .psql("postgres", "CREATE EXTENSION pg_durable; CREATE ROLE other LOGIN; CREATE ROLE third LOGIN SUPERUSER; SELECT df.grant_usage('third')")
        .expect("the extension is created");
    let superuser = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let clean = r#"{"rows": [{"c": "postgres", "p": "\"$user\", public", "s": "postgres", "m": ""}], "row_count": 1}"#;
    let look = "SELECT session_user AS s, current_user AS c, current_setting('search_path') AS p, coalesce(current_setting('my.x', true), '') AS m";
    for step in [
        "SET SESSION AUTHORIZATION other",
        "SET LOCAL SESSION AUTHORIZATION other",
        "SET ROLE other",
        "SET SESSION AUTHORIZATION other; SET ROLE none",
        "SET search_path = pg_temp; SET my.x = '1'; SET allow_system_table_mods = on",
        "SET session_replication_role = replica; SET ROLE third",
        "SET SESSION AUTHORIZATION third; SET ROLE other",
        "SELECT set_config('session_authorization', 'other', false)",
    ] {
        let graph = format!("$g${step}$g$ ~> $g${look}$g$");
        let outcome = superuser.flow(&graph);
        let (found, wanted) = (sorted(&outcome), sorted(clean));
        assert_eq!(found, wanted, "{step}\n{outcome}");
        assert_eq!(
            superuser.flow("'SELECT current_setting(''session_replication_role'') AS r, session_user AS s'"),
            r#"{"rows": [{"r": "origin", "s": "postgres"}], "row_count": 1}"#,
            "{step}"
        );
    }
}

fn sorted(text: &str) -> Vec<char> {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters
}

#[test]
fn without_the_preload_the_extension_is_refused() {
    let server = TestServer::builder().preload(None).start().expect("the server starts");
    let superuser = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let error = superuser.error("CREATE EXTENSION pg_durable");
    assert_eq!(error.sqlstate, "55000", "{error}");
    assert!(error.message.contains("must be loaded via shared_preload_libraries"), "{error}");
    assert!(error.hint.is_some(), "{error}");
    assert_eq!(superuser.value("SELECT to_regnamespace('df') IS NULL"), "t");
}

#[test]
fn many_roles_and_databases_do_not_starve_each_other() {
    let long = role("eng_long");
    // More long steps than the role may have executors.
    long.run("SELECT df.start('SELECT pg_sleep(600)', 'long') FROM generate_series(1, 60)");
    superuser().until("SELECT count(*) > 3 FROM df.workers() WHERE role = 'eng_long' AND state = 'running'");
    let short = role("eng_short");
    let began = Instant::now();
    assert!(short.flow("'SELECT 1' ~> 'SELECT 2'").starts_with('{'));
    assert!(began.elapsed() < DEADLINE / 3, "{:?}", began.elapsed());
    long.run("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')");
    long.until("NOT EXISTS (SELECT FROM df.instances WHERE status IN ('pending', 'running'))");
}

/// More work than shared memory has places for: the rest is found again in the tables.
#[test]
fn more_work_than_the_board_holds_is_all_done() {
    let user = role("eng_flood");
    user.run("CREATE TABLE flood (n int)");
    // The board holds 32,768 items.
    let ids = user.value(
        "SELECT count(df.start(format('INSERT INTO flood VALUES (%s)', n), 'flood')) FROM generate_series(1, 34000) AS n",
    );
    assert_eq!(ids, "34000");
    user.until("NOT EXISTS (SELECT FROM df.instances WHERE status IN ('pending', 'running'))");
    assert_eq!(user.value("SELECT count(*) FROM df.instances WHERE status = 'completed'"), "34000");
    assert_eq!(user.value("SELECT count(*) || ' ' || count(DISTINCT n) FROM flood"), "34000 34000");
}

#[test]
fn executors_do_not_count_towards_a_connection_limit() {
    let user = role("eng_one_connection");
    administer(shared(), "ALTER ROLE eng_one_connection CONNECTION LIMIT 1");
    let branches = ["'SELECT pg_backend_pid() AS pid, pg_sleep(0.05)'"; 4].join(", ");
    let id = user.start(&format!("df.join({branches})"));
    assert_eq!(user.value(&format!("SELECT df.await_instance('{id}')")), "completed");
    let refused = Session::open(shared(), "eng_one_connection", "postgres").err().expect("one is the limit");
    assert_eq!(refused.sqlstate, "53300", "{refused}");
}

#[test]
fn the_log_holds_no_values_of_steps_unless_it_is_asked_to() {
    let server = TestServer::builder().setting("pg_durable.log_workflow_sql", "off").start();
    let server = server.expect("a server of our own starts");
    administer(&server, "CREATE EXTENSION pg_durable");
    tester(&server, "eng_logged");
    let user = Session::open(&server, "eng_logged", "postgres").expect("the role gets in");
    let outcome = user.flow("'SELECT ''eng-secret''::integer'");
    assert!(outcome.starts_with("failed 22P02") && outcome.contains("eng-secret"), "{outcome}");
    let log = server.log();
    assert!(log.contains("failed at node 00000000 (22P02)"), "{log}");
    assert!(!log.contains("eng-secret"), "{log}");
}

/// A DBA's event trigger fires in the step, once, as in any session, and undoes with it.
#[test]
fn event_triggers_see_what_steps_do_and_nothing_of_the_engine() {
    let user = role("eng_events");
    let there = database("eng_events", "eng_events");
    superuser_in("eng_events").run(
        "CREATE TABLE public.ddl (tag text, who text);
         GRANT ALL ON public.ddl TO PUBLIC;
         CREATE FUNCTION public.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO public.ddl VALUES (tg_tag, current_user); END';
         CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION public.note_ddl()",
    );
    let id = there.start("'CREATE TABLE made (i int)' ~> 'INSERT INTO made VALUES (1)' ~> 'SELECT 1/0'");
    let outcome = there.end_of(&id);
    assert!(outcome.starts_with("failed 22012"), "{outcome}");
    let failed = there.start("'CREATE TABLE undone (i int); SELECT 1/0'");
    there.end_of(&failed);
    assert_eq!(
        there.value("SELECT string_agg(tag || ' ' || who, ',') FROM public.ddl"),
        "CREATE TABLE eng_events"
    );
    drop(user);
}
