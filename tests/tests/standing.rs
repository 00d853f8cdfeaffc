//! What an executor finds changed of its role, its rights and its settings, and who may run where.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

/// A server of its own: what these tests change concerns everybody on it.
fn server() -> TestServer {
    let builder = TestServer::builder().setting("max_worker_processes", "24");
    // The one that idles is the one that is asked.
    let server = builder.setting("pg_durable.max_executors", "1").start().expect("it starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    server
}

fn open(server: &TestServer, user: &str) -> Session {
    Session::open(server, user, "postgres").expect("the role gets in")
}

/// The process of the one executor of a role that idles.
fn idle_executor(superuser: &Session, role: &str) -> String {
    superuser.until(&format!(
        "SELECT count(*) = 1 FROM df.workers() AS w WHERE w.kind = 'executor' AND w.role = '{role}' AND w.state = 'idle'"
    ));
    superuser.value(&format!("SELECT w.pid FROM df.workers() AS w WHERE w.role = '{role}'"))
}

/// Changes a setting of the whole server.
fn alter_system(superuser: &Session, change: &str) {
    superuser.run(&format!("ALTER SYSTEM {change}"));
    superuser.run("SELECT pg_reload_conf()");
}

/// What the nodes of an instance say of what is tried again.
fn hindered(superuser: &Session, id: &str) -> String {
    superuser.value(&hindered_sql(id))
}

fn hindered_sql(id: &str) -> String {
    format!(
        "SELECT string_agg(concat_ws(' | ', n.attempt >= 1, n.error, n.sqlstate), '; ')
         FROM df.instance_nodes('{id}') AS n WHERE n.next_attempt_at IS NOT NULL"
    )
}

fn note(text: &str) -> String {
    format!("EXISTS (SELECT FROM df.workers() AS w WHERE w.kind = 'scheduler' AND w.note LIKE '%{text}%')")
}

#[test]
fn a_dropped_roles_idle_executor_runs_nothing() {
    let server = server();
    let superuser = open(&server, "postgres");
    superuser.run("CREATE TABLE public.effects (who text); GRANT INSERT ON public.effects TO PUBLIC");
    tester(&server, "leaver");
    let session = open(&server, "leaver");
    // Warm, and told of everything there is to tell.
    session.flow("'SELECT 1'");
    let pid = idle_executor(&superuser, "leaver");
    let id = session.start("df.sleep(1.5) ~> 'INSERT INTO public.effects VALUES (session_user)'");
    session.until(&format!("SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE wake_at IS NOT NULL"));
    drop(session);
    superuser.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'leaver' AND backend_type = 'client backend')");
    superuser.run("DROP OWNED BY leaver; DROP ROLE leaver");
    let is_there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    assert_eq!(superuser.value(&is_there), "1", "the executor is the one that was born as the role");
    superuser.until(&format!("df.status('{id}') = 'failed'"));
    assert!(superuser.outcome(&id).starts_with("failed 42704"), "{}", superuser.outcome(&id));
    assert_eq!(superuser.value("SELECT count(*) FROM public.effects"), "0");
    superuser.until(&format!("({is_there}) = 0"));
}

#[test]
fn a_role_dropped_between_two_steps_does_not_go_on() {
    let server = server();
    let superuser = open(&server, "postgres");
    superuser.run("CREATE TABLE public.effects (n int); GRANT INSERT ON public.effects TO PUBLIC");
    tester(&server, "leaver");
    let session = open(&server, "leaver");
    let id = session.start(
        "'SELECT pg_advisory_xact_lock_shared(1), pg_sleep(2)' ~> 'INSERT INTO public.effects VALUES (2)'",
    );
    drop(session);
    superuser.until("EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')");
    superuser.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'leaver' AND backend_type = 'client backend')");
    superuser.run("DROP OWNED BY leaver; DROP ROLE leaver");
    superuser.until(&format!("df.status('{id}') = 'failed'"));
    assert_eq!(superuser.value("SELECT count(*) FROM public.effects"), "0");
}

#[test]
fn what_a_role_may_not_do_for_an_hour_is_waited_out() {
    let server = server();
    let superuser = open(&server, "postgres");
    superuser.run("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
    tester(&server, "guest");
    superuser.run("GRANT CONNECT ON DATABASE postgres TO guest");
    let session = open(&server, "guest");
    session.flow("'SELECT 1'");
    idle_executor(&superuser, "guest");

    superuser.run("REVOKE CONNECT ON DATABASE postgres FROM guest");
    let id = session.start("'SELECT 7 AS seven'");
    superuser.until(&note("role \"guest\" waits: it may not connect"));
    assert_eq!(hindered(&superuser, &id), "t | it may not connect to the database | 42501");
    let ended = session.start("'SELECT 9'");
    superuser
        .until(&format!("({}) = 't | it may not connect to the database | 42501'", hindered_sql(&ended)));
    superuser.run(&format!("SELECT df.cancel('{ended}')"));
    assert_eq!(hindered(&superuser, &ended), "NULL", "nothing of what has ended is tried again");
    assert_eq!(session.value(&format!("SELECT df.status('{id}')")), "pending");
    superuser.run("GRANT CONNECT ON DATABASE postgres TO guest");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"seven": 7}], "row_count": 1}"#);
    superuser.until(&format!("NOT {}", note("guest")));

    alter_system(&superuser, "SET pg_durable.require_login = on");
    superuser.until("current_setting('pg_durable.require_login') = 'on'");
    let id = session.start("df.sleep(0.5) ~> 'SELECT 8 AS eight'");
    superuser.run("ALTER ROLE guest NOLOGIN");
    superuser.until(&note("role \"guest\" waits: it may not log in"));
    assert_eq!(hindered(&superuser, &id), "t | it may not log in | 28000");
    let error = session.error("SELECT df.start('SELECT 1')");
    assert_eq!(error.sqlstate, "42501", "{error}");
    superuser.run("ALTER ROLE guest LOGIN");
    assert_eq!(session.end_of(&id), r#"{"rows": [{"eight": 8}], "row_count": 1}"#);
}

#[test]
fn settings_of_a_role_reach_an_executor_that_is_never_idle() {
    let server = server();
    let superuser = open(&server, "postgres");
    tester(&server, "busy");
    let session = open(&server, "busy");
    superuser.run("ALTER ROLE busy SET work_mem = '5MB'");
    let work_mem = "'SELECT current_setting(''work_mem'') AS m'";
    assert!(session.flow(work_mem).contains("5MB"));
    let pid = idle_executor(&superuser, "busy");
    superuser.run("ALTER ROLE busy SET work_mem = '6MB'");
    assert!(session.flow(work_mem).contains("6MB"));
    superuser.run("ALTER ROLE busy RESET work_mem; ALTER DATABASE postgres SET work_mem = '7MB'");
    assert!(session.flow(work_mem).contains("7MB"));
    // What concerns others keeps nobody from going on.
    let last = idle_executor(&superuser, "busy");
    assert_ne!(last, pid);
    superuser.run("ALTER ROLE postgres SET work_mem = '8MB'; CREATE TABLE public.noise (i int)");
    assert!(session.flow(work_mem).contains("7MB"));
    assert_eq!(idle_executor(&superuser, "busy"), last);
}

#[test]
fn a_switchovers_read_only_default_is_waited_out() {
    let server = server();
    let superuser = open(&server, "postgres");
    superuser.run("CREATE TABLE public.effects (n int); GRANT INSERT ON public.effects TO PUBLIC");
    superuser.run("CREATE DATABASE other");
    server
        .psql("other", "CREATE TABLE public.effects (n int); GRANT INSERT ON public.effects TO PUBLIC")
        .expect("it is made");
    tester(&server, "writer");
    superuser.run("GRANT EXECUTE ON FUNCTION df.cross_database() TO writer");
    let session = open(&server, "writer");
    let waiting = session.start("df.wait_for_signal('go') ~> 'INSERT INTO public.effects VALUES (1)'");
    let elsewhere =
        session.value("SELECT df.start(df.wait_for_signal('go') ~> 'INSERT INTO public.effects VALUES (1)', database => 'other')");
    let reads = session.start("df.wait_for_signal('go') ~> 'SELECT 1 AS one'");
    let own = session.start(
        "df.wait_for_signal('go') ~> 'SET TRANSACTION READ ONLY; INSERT INTO public.effects VALUES (2)'",
    );
    alter_system(&superuser, "SET default_transaction_read_only = on");
    superuser.until("current_setting('default_transaction_read_only') = 'on'");
    for id in [&waiting, &elsewhere, &reads] {
        session.run(&format!("BEGIN READ WRITE; SELECT df.signal('{id}', 'go'); COMMIT"));
    }
    superuser.until(&note("role \"writer\" waits: transactions are read only by default"));
    assert_eq!(session.end_of(&reads), r#"{"rows": [{"one": 1}], "row_count": 1}"#);
    superuser.until(&format!("(SELECT status FROM df.instances WHERE id = '{waiting}') = 'running'"));
    alter_system(&superuser, "RESET default_transaction_read_only");
    for id in [&waiting, &elsewhere] {
        let outcome = session.end_of(id);
        assert!(outcome.starts_with('{'), "{outcome}");
    }
    assert_eq!(superuser.value("SELECT count(*) FROM public.effects"), "1");
    // A step that wants to be read only has made its own error.
    session.run(&format!("BEGIN READ WRITE; SELECT df.signal('{own}', 'go'); COMMIT"));
    assert!(session.end_of(&own).starts_with("failed 25006"));
}

#[test]
fn another_database_is_for_those_who_were_let() {
    let server = server();
    let superuser = open(&server, "postgres");
    superuser.run("CREATE DATABASE hr");
    tester(&server, "clerk");
    let session = open(&server, "clerk");
    let start = "SELECT df.start('SELECT current_database() AS d', database => 'hr')";
    let there = r#"{"rows": [{"d": "hr"}], "row_count": 1}"#;
    let refused = |hint: &str| {
        let error = session.error(start);
        assert_eq!(error.sqlstate, "42501", "{error}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{error}");
    };
    let set = |value: &str| {
        alter_system(&superuser, &format!("SET pg_durable.cross_database = {value}"));
        superuser.until(&format!("current_setting('pg_durable.cross_database') = '{value}'"));
        session.until(&format!("current_setting('pg_durable.cross_database') = '{value}'"));
    };
    refused("GRANT EXECUTE ON FUNCTION df.cross_database() TO clerk");
    // This database is no other.
    assert!(session.value("SELECT df.start('SELECT 1', database => 'postgres')").len() >= 8);
    superuser.run("GRANT EXECUTE ON FUNCTION df.cross_database() TO clerk");
    assert_eq!(session.end_of(&session.value(start)), there);
    let later = session.value("SELECT df.start(df.wait_for_signal('go') ~> 'SELECT 1', database => 'hr')");
    // A right that is taken away is gone for the next step.
    superuser.run("REVOKE EXECUTE ON FUNCTION df.cross_database() FROM clerk");
    session.run(&format!("SELECT df.signal('{later}', 'go')"));
    assert!(session.end_of(&later).starts_with("failed 42501"));
    set("on");
    assert_eq!(session.end_of(&session.value(start)), there);
    superuser.run("GRANT EXECUTE ON FUNCTION df.cross_database() TO clerk");
    set("off");
    refused("cross_database");
    // An administrator of the extension gives what grant_usage gives, which is not this.
    set("granted");
    superuser.run("REVOKE EXECUTE ON FUNCTION df.cross_database() FROM clerk; SELECT df.grant_usage('clerk', with_grant => true)");
    refused("df.cross_database()");
}
