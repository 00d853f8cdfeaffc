//! Databases are served, whatever is done to them, and nothing that one user or duty does stops the shared processes.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pg_durable_sdk::testing::{StopMode, TestServer};
use pg_durable_tests::session::Session;

/// A server of its own, with the extension in `postgres` and these roles.
fn server(settings: &[(&str, &str)], roles: &[&str]) -> TestServer {
    let builder = TestServer::builder()
        .setting("pg_durable.reconcile_interval", "0")
        .setting("pg_durable.sweep_interval", "1");
    let builder = settings.iter().fold(builder, |builder, (name, value)| builder.setting(*name, *value));
    let server = builder.start().expect("the server starts");
    for role in roles {
        server.psql("postgres", &format!("CREATE ROLE {role} LOGIN")).expect("the role is made");
    }
    install(&server, "postgres", roles);
    server
}

/// Creates the extension in a database, for these roles.
fn install(server: &TestServer, database: &str, roles: &[&str]) {
    server.psql(database, "CREATE EXTENSION pg_durable").expect("the extension is created");
    for role in roles {
        let grant = format!("SELECT df.grant_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}");
        server.psql(database, &grant).expect("the role is let in");
    }
}

fn open(server: &TestServer, role: &str, database: &str) -> Session {
    Session::open(server, role, database).unwrap_or_else(|error| panic!("{role} in {database}: {error}"))
}

/// What `df.workers()` says of the scheduler of the current database.
const NOTE: &str = "SELECT coalesce(string_agg(coalesce(note, '-'), '; '), 'none') FROM df.workers()
                    WHERE kind = 'scheduler' AND database = current_database()";
const SCHEDULER: &str = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_durable scheduler' AND datname = current_database()";

/// The process that serves the session's database, when it has come.
fn scheduler_of(session: &Session) -> String {
    session.until(&format!("EXISTS ({SCHEDULER})"));
    session.value(SCHEDULER)
}

fn one(result: i32) -> String {
    format!(r#"{{"rows": [{{"n": {result}}}], "row_count": 1}}"#)
}

#[test]
fn a_database_is_served_again_after_its_maintenance_window() {
    let server = server(&[], &["app"]);
    let admin = open(&server, "postgres", "postgres");
    admin.run("CREATE DATABASE window_one");
    admin.run("CREATE DATABASE window_two");
    for (database, says_so) in [("window_one", true), ("window_two", false)] {
        install(&server, database, &["app"]);
        let app = open(&server, "app", database);
        let sleeper = app.start("df.sleep(2) ~> 'SELECT 1 AS n'");
        app.until(&format!("df.status('{sleeper}') = 'running'"));
        drop(app);
        admin.run(&format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"));
        let ours = format!("FROM pg_stat_activity WHERE datname = '{database}'");
        admin.run(&format!("SELECT pg_terminate_backend(pid) {ours}"));
        admin.until(&format!("NOT EXISTS (SELECT {ours})"));
        if says_so {
            // Nobody starts anything there: the sleeper wakes all the same.
            admin.run(&format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"));
        } else {
            // Past all statements; whoever starts something says so.
            admin.run(&format!("UPDATE pg_database SET datallowconn = true WHERE datname = '{database}'"));
            let app = open(&server, "app", database);
            assert_eq!(app.flow("'SELECT 2 AS n'"), one(2));
        }
        let app = open(&server, "app", database);
        assert_eq!(app.end_of(&sleeper), one(1), "{database}");
        assert_eq!(app.value(NOTE), "-");
    }
}

#[test]
fn a_row_that_somebody_holds_stops_nobody_else() {
    let server = server(&[], &["holder", "other"]);
    let (holder, other) = (open(&server, "holder", "postgres"), open(&server, "other", "postgres"));
    let admin = open(&server, "postgres", "postgres");
    let scheduler = scheduler_of(&admin);
    for end in ["ROLLBACK", "PREPARE TRANSACTION 'held'"] {
        let id = holder.start("'SELECT pg_sleep(600)'");
        holder.run(&format!("BEGIN; SELECT df.cancel('{id}')"));
        if end.starts_with("PREPARE") {
            holder.run(end);
        }
        // It runs, and its row cannot say so.
        admin.until(
            "EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'holder' AND wait_event = 'PgSleep')",
        );
        let began = Instant::now();
        assert_eq!(other.flow("df.sleep(1) ~> 'SELECT 1 AS n'"), one(1));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_durable scheduler' AND wait_event_type = 'Lock'";
        assert_eq!(admin.value(waits), "0");
        assert_eq!(admin.value(&format!("SELECT status FROM df.instances WHERE id = '{id}'")), "pending");
        holder.run(if end == "ROLLBACK" { end } else { "ROLLBACK PREPARED 'held'" });
        // What could not be said is said when the row is free.
        admin.until(&format!("(SELECT status FROM df.instances WHERE id = '{id}') = 'running'"));
        holder.run(&format!("SELECT df.cancel('{id}')"));
    }
    assert_eq!(admin.value(SCHEDULER), scheduler);
}

#[test]
fn instances_of_a_dropped_role_fail_but_for_those_that_somebody_holds() {
    let server = server(&[("pg_durable.executor_idle_timeout", "1")], &["leaver", "other"]);
    let (leaver, other) = (open(&server, "leaver", "postgres"), open(&server, "other", "postgres"));
    let admin = open(&server, "postgres", "postgres");
    let ids = [0, 1].map(|_| leaver.start("df.sleep(2) ~> 'SELECT 1 AS n'"));
    admin.until("(SELECT count(*) FROM df.instances WHERE status = 'running') = 2");
    admin.until("NOT EXISTS (SELECT FROM df.workers() WHERE kind = 'executor')");
    drop(leaver);
    // As a superuser, who holds the row while the role goes.
    admin.run(&format!("BEGIN; SELECT df.cancel('{}')", ids[0]));
    let dba = open(&server, "postgres", "postgres");
    dba.run("DROP OWNED BY leaver; DROP ROLE leaver");
    dba.until(&format!("(SELECT status FROM df.instances WHERE id = '{}') = 'failed'", ids[1]));
    assert_eq!(other.flow("df.sleep(0.1) ~> 'SELECT 1 AS n'"), one(1));
    assert_eq!(dba.value(&format!("SELECT status FROM df.instances WHERE id = '{}'", ids[0])), "running");
    admin.run("ROLLBACK");
    dba.until(&format!("(SELECT status FROM df.instances WHERE id = '{}') = 'failed'", ids[0]));
}

#[test]
fn a_table_that_somebody_rebuilds_stops_one_duty_only() {
    let server = server(&[], &["app"]);
    let app = open(&server, "app", "postgres");
    let admin = open(&server, "postgres", "postgres");
    let scheduler = scheduler_of(&admin);
    let sleeper = app.start("df.sleep(1) ~> 'SELECT 1 AS n'");
    admin.until(&format!("df.status('{sleeper}') = 'running'"));
    let dba = open(&server, "postgres", "postgres");
    dba.run("BEGIN; LOCK TABLE df.instances IN ACCESS EXCLUSIVE MODE");
    // Asked to look at the tables again, it cannot; and says so.
    server.psql("postgres", "SELECT df._look_home()").expect("the scheduler is woken");
    app.run("SELECT df.run()");
    admin.until(&format!("({NOTE}) LIKE '%looking for unfinished instances has failed % times with 55P03%'"));
    dba.run("ROLLBACK");
    assert_eq!(app.end_of(&sleeper), one(1));
    admin.until(&format!("({NOTE}) = '-'"));
    assert_eq!(admin.value(SCHEDULER), scheduler);
}

#[test]
fn retention_goes_on_beside_what_cannot_be_deleted() {
    let server =
        server(&[("pg_durable.retention_days", "0"), ("pg_durable.reconcile_interval", "1")], &["app"]);
    let app = open(&server, "app", "postgres");
    let admin = open(&server, "postgres", "postgres");
    let scheduler = scheduler_of(&admin);
    admin.run("CREATE TABLE public.jobs (id varchar(16) REFERENCES df.instances); GRANT INSERT, SELECT ON public.jobs TO app");
    let kept = app.value(
        "WITH s AS (SELECT df.start('SELECT 1 AS n') AS id) INSERT INTO jobs SELECT id FROM s RETURNING id",
    );
    for _ in 0..3 {
        app.start("'SELECT 1'");
    }
    admin.until(&format!("(SELECT array_agg(id::text) FROM df.instances) = '{{{kept}}}'"));
    admin.until(&format!("({NOTE}) LIKE 'retention has failed % times with 23503%'"));
    // One that ends while that is so goes too, and nothing else is held up.
    assert_eq!(app.start("df.sleep(0.2) ~> 'SELECT 1'").len(), 8);
    admin.until(&format!("(SELECT array_agg(id::text) FROM df.instances) = '{{{kept}}}'"));
    assert!(server.log().contains(&format!("instance {kept} cannot be deleted")));
    admin.run("DROP TABLE public.jobs");
    admin.until("NOT EXISTS (SELECT FROM df.instances)");
    admin.until(&format!("({NOTE}) = '-'"));
    assert_eq!(admin.value(SCHEDULER), scheduler);
}

#[test]
fn a_cancelled_scheduler_goes_on() {
    let server = server(&[], &["app"]);
    let (admin, app) = (open(&server, "postgres", "postgres"), open(&server, "app", "postgres"));
    let scheduler = scheduler_of(&admin);
    let id = app.start("df.sleep(0.5) ~> 'SELECT 1 AS n'");
    admin.run(&format!("SELECT pg_cancel_backend({scheduler})"));
    assert_eq!(app.end_of(&id), one(1));
    assert_eq!(admin.value(SCHEDULER), scheduler);
}

#[test]
fn a_sweep_pushes_only_what_is_new() {
    let server = server(&[], &["app"]);
    let (admin, app) = (open(&server, "postgres", "postgres"), open(&server, "app", "postgres"));
    app.run("SELECT df.start(df.sleep(3600)) FROM generate_series(1, 1000)");
    admin.until("(SELECT count(*) FROM df.instances WHERE status = 'running') = 1000");
    let waiting = app.start("df.wait_for_signal('go') ~> 'SELECT 2 AS n'");
    admin.until(&format!(
        "(SELECT count(*) = 1 FROM df.nodes WHERE instance_id = '{waiting}' AND waiting_for = 'signal go')"
    ));
    let executors = "SELECT coalesce(sum(xact_commit), 0) FROM pg_stat_database WHERE datname = 'postgres'";
    app.run("BEGIN; SELECT df.start('SELECT 1'); PREPARE TRANSACTION 'orphan'");
    // The first sweep cannot know what is new.
    wait_until_quiet(&admin, executors);
    let before: i64 = admin.value(executors).parse().expect("a number");
    thread::sleep(Duration::from_secs(5));
    admin.run("SELECT pg_stat_clear_snapshot()");
    let after: i64 = admin.value(executors).parse().expect("a number");
    assert!(after - before < 100, "{} transactions in five seconds", after - before);
    // What prepared transactions start and signal is found all the same, and their cancels are told.
    let id = app.value("BEGIN; SELECT df.start('SELECT 1 AS n'); PREPARE TRANSACTION 'start'");
    app.run("COMMIT PREPARED 'start'");
    assert_eq!(app.end_of(&id), one(1));
    app.run(&format!("BEGIN; SELECT df.signal('{waiting}', 'go'); PREPARE TRANSACTION 'signal'"));
    app.run("COMMIT PREPARED 'signal'");
    assert_eq!(app.end_of(&waiting), one(2));
    let cancelled = app.value("SELECT id FROM df.instances WHERE status = 'running' LIMIT 1");
    app.run(&format!("BEGIN; SELECT df.cancel('{cancelled}'); PREPARE TRANSACTION 'cancel'"));
    thread::scope(|scope| {
        let awaited = scope.spawn(|| {
            let other = open(&server, "app", "postgres");
            other.value(&format!("SELECT df.await_instance('{cancelled}')"))
        });
        admin.until("EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT df.await_instance%' AND wait_event = 'Extension' AND pid <> pg_backend_pid())");
        app.run("COMMIT PREPARED 'cancel'");
        assert_eq!(awaited.join().expect("the wait ends"), "cancelled");
    });
}

/// Waits until hardly anything commits any more.
fn wait_until_quiet(admin: &Session, commits: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    let mut last: i64 = -1;
    loop {
        admin.run("SELECT pg_stat_clear_snapshot()");
        let now: i64 = admin.value(commits).parse().expect("a number");
        if last >= 0 && now - last < 20 {
            return;
        }
        assert!(Instant::now() < end, "it does not become quiet");
        last = now;
        thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn a_database_is_dropped_renamed_and_copied_as_if_nobody_served_it() {
    let server = server(&[], &["app"]);
    let admin = open(&server, "postgres", "postgres");
    admin.run("CREATE DATABASE wanted");
    install(&server, "wanted", &["app"]);
    let app = open(&server, "app", "wanted");
    assert_eq!(app.flow("'SELECT 1 AS n'"), one(1));
    let sleeper = app.start("df.sleep(3) ~> 'SELECT 2 AS n'");
    app.until(&format!("df.status('{sleeper}') = 'running'"));
    drop(app);
    let is_served = "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_durable scheduler' AND datname = '{}')";
    let is_served = |database: &str| is_served.replace("{}", database);
    admin.run("CREATE DATABASE copy TEMPLATE wanted");
    admin.until(&is_served("wanted"));
    admin.run("ALTER DATABASE wanted RENAME TO renamed");
    admin.until(&is_served("renamed"));
    // One that is refused brings it back, too; and one who may not do it sends nobody away.
    let refused = open(&server, "app", "postgres").error("DROP DATABASE renamed");
    assert_eq!(refused.sqlstate, "42501", "{refused}");
    let app = open(&server, "app", "renamed");
    admin.error("DROP DATABASE renamed");
    assert_eq!(app.end_of(&sleeper), one(2));
    assert_eq!(app.flow("'SELECT 3 AS n'"), one(3));
    drop(app);
    admin.run("DROP DATABASE renamed");
    admin.run("DROP DATABASE copy");
}

#[test]
fn the_engine_leaves_a_database_when_it_is_told_to_until_the_next_start() {
    let server = server(&[], &["app"]);
    let (admin, app) = (open(&server, "postgres", "postgres"), open(&server, "app", "postgres"));
    assert_eq!(app.flow("'SELECT 1 AS n'"), one(1));
    assert_eq!(app.error("SELECT df.release()").sqlstate, "42501");
    admin.run("SELECT df.release()");
    admin.until(
        "NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type ~ 'pg_durable (scheduler|executor)')",
    );
    assert!(admin.value(NOTE).contains("released with df.release()"), "{}", admin.value(NOTE));
    assert_eq!(admin.value(&format!("SELECT count(*) FROM ({SCHEDULER}) AS s")), "0", "asking brings nobody");
    assert_eq!(app.flow("'SELECT 2 AS n'"), one(2));
}

#[test]
fn switched_off_nothing_begins_and_what_runs_is_drained() {
    let server = server(&[("pg_durable.drain_timeout", "3")], &["app"]);
    let (admin, app) = (open(&server, "postgres", "postgres"), open(&server, "app", "postgres"));
    app.run("CREATE TABLE effects (n int)");
    assert_eq!(admin.error("SELECT df.drain()").sqlstate, "55000");
    let short = app.start("'SELECT pg_sleep(1)' ~> 'SELECT 1 AS n'");
    let endless = app.start("'INSERT INTO effects VALUES (3); SELECT pg_sleep(4)' ~> 'SELECT 3 AS n'");
    let timer = app.start("df.sleep(1) ~> 'SELECT 4 AS n'");
    admin.until(&format!("(SELECT count(*) FROM df.workers() WHERE instance_id IN ('{short}', '{endless}') AND node_id IS NOT NULL) = 2"));
    admin.run("ALTER SYSTEM SET pg_durable.enabled = off");
    admin.run("SELECT pg_reload_conf()");
    admin.until(&format!("({NOTE}) LIKE 'held: switched off%'"));
    let later = app.start("'SELECT 5 AS n'");
    assert_eq!(app.error("SELECT df.drain()").sqlstate, "42501");
    assert_eq!(admin.error("SELECT df.drain('-1 s')").sqlstate, "22023");
    assert_ne!(admin.value("SELECT df.drain('0 s')"), "0");
    // The short one finishes its step; the one that takes longer is interrupted, and leaves nothing.
    assert_eq!(admin.value("SELECT df.drain('30 s')"), "0");
    admin.until("NOT EXISTS (SELECT FROM df.workers() WHERE kind = 'executor')");
    assert_eq!(app.value("SELECT count(*) FROM effects WHERE n = 3"), "0");
    let statuses = format!(
        "SELECT string_agg(status, ',') FROM df.instances WHERE id IN ('{short}', '{endless}', '{timer}', '{later}') AND status NOT IN ('pending', 'running')"
    );
    assert_eq!(app.value(&statuses), "NULL");
    // Nothing runs, and nothing looks whether it may.
    let commits = "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = 'postgres'";
    wait_until_quiet(&admin, commits);
    admin.run("ALTER SYSTEM RESET pg_durable.enabled");
    admin.run("SELECT pg_reload_conf()");
    for (id, n) in [(&short, 1), (&endless, 3), (&timer, 4), (&later, 5)] {
        assert_eq!(app.end_of(id), one(n));
    }
    assert_eq!(app.value("SELECT count(*) FROM effects WHERE n = 3"), "1");
}

#[test]
fn a_copy_is_held_until_it_is_adopted() {
    let server = server(&[], &["app"]);
    let admin = open(&server, "postgres", "postgres");
    admin.run("CREATE DATABASE source");
    install(&server, "source", &["app"]);
    let app = open(&server, "app", "source");
    app.run("CREATE TABLE effects (n int)");
    let ids = [0, 1].map(|n| {
        app.start(&format!("df.wait_for_signal('go') ~> 'INSERT INTO effects VALUES ({n}) RETURNING n'"))
    });
    app.until("(SELECT count(*) = 2 FROM df.nodes WHERE waiting_for IS NOT NULL)");
    app.run(&format!("SELECT df.signal('{}', 'go')", ids[0]));
    assert_eq!(app.end_of(&ids[0]), one(0));
    drop(app);
    for name in ["adopted", "discarded", "by_run"] {
        admin.run(&format!("CREATE DATABASE {name} TEMPLATE source"));
    }
    for name in ["adopted", "by_run"] {
        let (app, dba) = (open(&server, "app", name), open(&server, "postgres", name));
        dba.until(&format!("({NOTE}) LIKE 'held: a copy (restored from a dump, or made from a template)%'"));
        // Starts and signals are accepted, and nothing runs.
        let new = app.start("'SELECT 9 AS n'");
        app.run(&format!("SELECT df.signal('{}', 'go')", ids[1]));
        for sql in ["SELECT df.adopt()", "SELECT df.run()"] {
            let error = app.error(sql);
            assert_eq!((error.sqlstate.as_str(), error.hint.is_some()), ("42501", true), "{error}");
        }
        assert_eq!(
            dba.value(
                "SELECT count(*) FROM df.workers() WHERE kind = 'executor' AND database = current_database()"
            ),
            "0"
        );
        assert_eq!(app.value(&format!("SELECT df.status('{new}')")), "pending");
        if name == "adopted" {
            // Behind every id, wherever the sequence was.
            dba.run("SELECT setval('df.instance_number', 1, false)");
            assert_eq!(dba.value("SELECT df.adopt()"), "2");
            assert_eq!(dba.value("SELECT df.adopt()"), "0", "once is enough");
        } else {
            dba.run("SELECT df.run()");
        }
        assert_eq!(app.end_of(&new), one(9));
        assert_eq!(app.end_of(&ids[1]), one(1));
        assert_eq!(app.flow("'SELECT 10 AS n'"), one(10), "its id is a new one");
        dba.until(&format!("({NOTE}) = '-'"));
    }
    let dba = open(&server, "postgres", "discarded");
    dba.until(&format!("({NOTE}) LIKE 'held: %'"));
    assert_eq!(dba.value("SELECT df.adopt(discard => true)"), "1");
    assert_eq!(dba.value(&format!("SELECT df.status('{}')", ids[1])), "cancelled");
    assert_eq!(dba.value(&format!("SELECT df.status('{}')", ids[0])), "completed");
    // The source has been at home all the while, and discards nothing by mistake.
    let dba = open(&server, "postgres", "source");
    assert_eq!(dba.value("SELECT df.adopt(true)"), "0");
    assert_eq!(dba.value(&format!("SELECT df.status('{}')", ids[1])), "running");
}

/// pg_upgrade keeps rows and oids and gives the system another identifier, a physical copy keeps all: told by changing
/// the stored identifier and the configured name, which is what the engine goes by.
#[test]
fn an_upgraded_or_cloned_cluster_goes_on_where_its_name_says_so() {
    let server = server(&[], &["app"]);
    let admin = open(&server, "postgres", "postgres");
    let note = |expected: &str| {
        let admin = open(&server, "postgres", "postgres");
        admin.until(&format!("({NOTE}) LIKE '{expected}'"));
    };
    note("-");
    // Upgraded without a name.
    admin.run("UPDATE df._home SET system_identifier = 1");
    note("held: a copy (of another system%");
    admin.run("SELECT df.adopt()");
    note("-");
    drop(admin);
    let name = |name: &str| {
        let set = format!("ALTER SYSTEM SET pg_durable.cluster_name = '{name}'");
        server.psql("postgres", &set).expect("the name is set");
        server.restart().expect("the server restarts");
    };
    // The home takes the name that it is given.
    name("prod");
    note("-");
    open(&server, "postgres", "postgres").until("(SELECT cluster_name FROM df._home) = 'prod'");
    // Upgraded with it.
    open(&server, "postgres", "postgres").run("UPDATE df._home SET system_identifier = 1");
    server.restart().expect("the server restarts");
    note("-");
    // A clone with another name, and back.
    name("staging");
    note("held: a copy (of a cluster with another%");
    assert!(server.log().contains("held: a copy (of a cluster with another pg_durable.cluster_name)"));
    let app = open(&server, "app", "postgres");
    let id = app.start("'SELECT 1 AS n'");
    drop(app);
    name("prod");
    note("-");
    assert_eq!(open(&server, "app", "postgres").end_of(&id), one(1));
}

#[test]
fn databases_of_any_encoding_are_served() {
    let server = server(&[], &["app"]);
    let admin = open(&server, "postgres", "postgres");
    let here = open(&server, "app", "postgres");
    admin.run("GRANT EXECUTE ON FUNCTION df.cross_database() TO app");
    for (encoding, letter) in [("LATIN1", "é"), ("EUC_JP", "語"), ("SQL_ASCII", "é")] {
        let name = format!("in_{}", encoding.to_lowercase());
        admin.run(&format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"));
        install(&server, &name, &["app"]);
        let app = open(&server, "app", &name);
        assert_eq!(app.flow("'SELECT 1 AS n'"), one(1), "{encoding}");
        assert_eq!(app.value(NOTE), "-", "{encoding}");
        // Letters that the encoding has, in rows, parameters and results.
        app.run(&format!("CREATE TABLE words (w text); INSERT INTO words VALUES ('{letter}')"));
        assert_eq!(
            app.flow(
                "'SELECT w FROM words' |=> 'w' ~> df.sleep(0.05) ~> 'SELECT $w AS w, length($w) > 0 AS n'"
            ),
            format!(r#"{{"rows": [{{"n": true, "w": "{letter}"}}], "row_count": 1}}"#),
            "{encoding}"
        );
        // The same in texts, labels, signals, variables and input.
        app.run(&format!("SELECT df.setvar('letter', '{letter}')"));
        let id = app.start(&format!(
            "('SELECT ''{letter}{{letter}}'' || ($input #>> ''{{}}'') AS w' |=> 'w') ~> (df.wait_for_signal('{letter}') |=> 's')
              ~> 'SELECT $w || $s.data AS w', 'label {letter}', input => '\"{letter}\"'"
        ));
        app.run(&format!("SELECT df.signal('{id}', '{letter}', '{letter}')"));
        let four = letter.repeat(4);
        assert_eq!(
            app.end_of(&id),
            format!(r#"{{"rows": [{{"w": "{four}"}}], "row_count": 1}}"#),
            "{encoding}"
        );
        assert_eq!(
            app.value("SELECT label FROM df.instances WHERE label IS NOT NULL"),
            format!("label {letter}")
        );
        assert_eq!(
            app.value(&format!("SELECT label FROM df.instance_info('{id}')")),
            format!("label {letter}")
        );
        let outputs = format!("SELECT output FROM df.instance_executions('{id}')");
        assert!(app.value(&outputs).contains(&four), "{encoding}");
        // What looks at graphs, and what is registered.
        let nodes =
            format!("SELECT string_agg(query || coalesce(result, ''), ' ') FROM df.instance_nodes('{id}')");
        assert!(app.value(&nodes).contains(&four), "{encoding}: {}", app.value(&nodes));
        let step = format!("'SELECT ''{letter}'' AS w'");
        for explained in [format!("'{id}'"), step.clone()] {
            let text = app.value(&format!("SELECT df.explain({explained})"));
            assert!(text.contains(&format!("'{letter}")), "{encoding}: {text}");
        }
        assert_eq!(app.value(&format!("SELECT count(*) FROM df.check({step})")), "0", "{encoding}");
        app.run(&format!("SELECT df.register('w_{letter}', {step}, description => 'of {letter}')"));
        let described = app.value("SELECT name || ': ' || description FROM df.workflows");
        assert_eq!(described, format!("w_{letter}: of {letter}"), "{encoding}");
        let id = app.value(&format!("SELECT df.run('w_{letter}', '{{}}', label => 'by {letter}')"));
        assert_eq!(
            app.end_of(&id),
            format!(r#"{{"rows": [{{"w": "{letter}"}}], "row_count": 1}}"#),
            "{encoding}"
        );
        assert!(app.value(&format!("SELECT df.explain('w_{letter}')")).contains(letter), "{encoding}");
        app.run(&format!("SELECT df.unregister('w_{letter}')"));
        let error = app.flow(&format!("'SELECT ''{letter}''::integer'"));
        assert!(error.starts_with("failed 22P02"), "{error}");
        // As the target of another database's steps.
        let id = here.value(&format!("SELECT df.start('SELECT w FROM words', database => '{name}')"));
        let expected = format!(r#"{{"rows": [{{"w": "{letter}"}}], "row_count": 1}}"#);
        assert_eq!(here.end_of(&id), expected, "{encoding}");
    }
}

#[test]
fn a_standby_says_that_it_is_one_and_sees_the_ends_of_others_work() {
    let primary = server(&[], &["app"]);
    let standby = primary.standby().expect("the standby starts");
    let (app, reader) = (open(&primary, "app", "postgres"), open(&standby, "app", "postgres"));
    let id = app.start("df.wait_for_signal('go') ~> 'SELECT 1 AS n'");
    reader.until(&format!("df.status('{id}') = 'running'"));
    let note = "SELECT string_agg(note, '; ') FROM df.workers()";
    assert_eq!(reader.value(note), "a standby: nothing runs before it is promoted");
    for sql in [
        "SELECT df.start('SELECT 1', transaction_mode => 'new')",
        "SELECT df.start('SELECT 1')",
        &format!("SELECT df.signal('{id}', 'go')"),
        &format!("SELECT df.cancel('{id}')"),
    ] {
        let error = reader.error(sql);
        assert_eq!(error.sqlstate, "25006", "{sql}: {error}");
    }
    thread::scope(|scope| {
        let awaited = scope.spawn(|| {
            let other = open(&standby, "app", "postgres");
            let any = other.value(&format!("SELECT status FROM df.await_any(ARRAY['{id}'], 30)"));
            (any, other.value(&format!("SELECT df.await_instance('{id}', 30)")))
        });
        app.run(&format!("SELECT df.signal('{id}', 'go')"));
        assert_eq!(awaited.join().expect("the wait ends"), ("completed".to_owned(), "completed".to_owned()));
    });
}

#[test]
fn a_server_that_serves_an_upgrade_runs_nothing() {
    let server = server(&[], &["app"]);
    open(&server, "app", "postgres").start("'SELECT 1'");
    server.stop(StopMode::Fast).expect("the server stops");
    let owner = std::fs::metadata(server.data_dir()).expect("the data is there");
    let mut postmaster = Command::new(server.installation().program("postgres"));
    postmaster.arg("-D").arg(server.data_dir()).arg("-k").arg(server.socket_dir()).args(["-b", "-h", ""]);
    postmaster.args(["-p", &server.port().to_string()]).uid(owner.uid()).gid(owner.gid());
    let mut postmaster = postmaster.spawn().expect("the postmaster starts");
    let end = Instant::now() + Duration::from_secs(30);
    let admin = loop {
        match Session::open(&server, "postgres", "postgres") {
            Ok(session) => break session,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        thread::sleep(Duration::from_millis(50));
    };
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_durable%'";
    assert_eq!(admin.value(ours), "0");
    assert_eq!(admin.value("SELECT note FROM df.workers()"), "the server serves an upgrade");
    drop(admin);
    let pid = postmaster.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    postmaster.wait().expect("the postmaster ends");
}

#[test]
fn a_clients_settings_stay_for_the_length_of_its_statement() {
    let server = server(&[], &["app"]);
    let (admin, app) = (open(&server, "postgres", "postgres"), open(&server, "app", "postgres"));
    let id = app.start("df.wait_for_signal('go')");
    thread::scope(|scope| {
        let seen = scope.spawn(|| {
            let other = open(&server, "app", "postgres");
            let rows = other
                .rows(&format!(
                    "SELECT current_setting('pg_durable.retention_days'), df.await_instance('{id}', 30),
                            current_setting('pg_durable.retention_days')"
                ))
                .expect("the wait ends");
            let after = other.value("SHOW pg_durable.retention_days");
            (rows[0].clone(), after)
        });
        admin.until("EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%df.await_instance%' AND wait_event = 'Extension' AND pid <> pg_backend_pid())");
        admin.run("ALTER SYSTEM SET pg_durable.retention_days = 7");
        admin.run("SELECT pg_reload_conf()");
        // Woken again, it has had the chance to take it.
        admin.until("current_setting('pg_durable.retention_days') = '7'");
        app.flow("'SELECT 1'");
        app.run(&format!("SELECT df.signal('{id}', 'go')"));
        let (row, after) = seen.join().expect("the session ends");
        assert_eq!((row[0].as_deref(), row[2].as_deref()), (Some("30"), Some("30")));
        assert_eq!(after, "7");
    });
}

#[test]
fn databases_without_the_extension_take_no_place_and_no_line_of_the_log() {
    let server = server(&[], &["app"]);
    let admin = open(&server, "postgres", "postgres");
    for n in 0..12 {
        admin.run(&format!("CREATE DATABASE other_{n} TEMPLATE template0 STRATEGY file_copy"));
    }
    server.restart().expect("the server restarts");
    let before = server.log().lines().count();
    let app = open(&server, "app", "postgres");
    assert_eq!(app.flow("'SELECT 1 AS n'"), one(1));
    let admin = open(&server, "postgres", "postgres");
    admin.until("(SELECT count(*) FROM df.workers() WHERE kind = 'scheduler') = 1 AND (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_durable scheduler') = 1");
    // A broken one is not tried.
    admin.run("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'other_0'");
    admin.run("CREATE DATABASE one_more");
    admin.until("(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_durable scheduler') = 1");
    let log = server.log();
    let ours: Vec<_> = log
        .lines()
        .skip(before)
        .filter(|line| line.contains("pg_durable") || line.contains("invalid database"))
        .collect();
    assert!(ours.iter().all(|line| line.contains("max_worker_processes is")), "{ours:#?}");
}

/// Dumps a database and restores it into another one of the same server, as `pg_restore --no-owner` does; what failed.
fn restore(server: &TestServer, dump: &[&str], from: &str, to: &str) -> String {
    let program = |name: &str| server.installation().program(name).display().to_string();
    let pipe = format!(
        "{} {} --no-owner --no-acl -d '{}' | {} -X -q -d '{}'",
        program("pg_dump"),
        dump.join(" "),
        server.dsn("postgres", from),
        program("psql"),
        server.dsn("postgres", to),
    );
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &pipe]).output().expect("bash runs");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_role_that_is_missing_costs_only_its_own_workflows() {
    let server = server(&[], &["stays", "leaves"]);
    let admin = open(&server, "postgres", "postgres");
    admin.run("CREATE DATABASE source");
    admin.run("CREATE DATABASE target");
    install(&server, "source", &["stays", "leaves"]);
    let ids = ["stays", "leaves"].map(|role| {
        let session = open(&server, role, "source");
        session.run("SELECT df.setvar('mine', 'yes')");
        session.run("SELECT df.register('of_' || current_user, 'SELECT 1')");
        let id = session.start("df.wait_for_signal('go') ~> 'SELECT 1 AS n'");
        session.run(&format!("SELECT df.signal('{id}', 'early')"));
        id
    });
    open(&server, "postgres", "source")
        .until("(SELECT count(*) = 2 FROM df.nodes WHERE waiting_for IS NOT NULL)");
    // In the dump it has its name, at the target nobody has.
    let program = server.installation().program("pg_dump");
    let dump = Command::new(program).args(["--no-acl", "-d", &server.dsn("postgres", "source")]).output();
    let dump = String::from_utf8(dump.expect("pg_dump runs").stdout).expect("text");
    admin.run("ALTER ROLE leaves RENAME TO \"Someone Else\"");
    server.psql("target", &dump).expect("everything is restored");
    let dba = open(&server, "postgres", "target");
    dba.run("SELECT df.grant_usage('stays'), df.grant_usage('Someone Else')");
    assert_eq!(dba.value("SELECT count(*) FROM df.instances"), "2");
    let stays = open(&server, "stays", "target");
    assert_eq!(stays.value("SELECT string_agg(id, ',') FROM df.instances"), ids[0]);
    assert_eq!(open(&server, "Someone Else", "target").value("SELECT count(*) FROM df.instances"), "0");
    dba.run("SELECT df.adopt()");
    stays.run(&format!("SELECT df.signal('{}', 'go')", ids[0]));
    assert_eq!(stays.end_of(&ids[0]), one(1));
    dba.until(&format!("({NOTE}) LIKE '%workflows of roles that do not exist here%'"));
    assert_eq!(dba.value(&format!("SELECT status FROM df.instances WHERE id = '{}'", ids[1])), "running");
    // A dump of that names it by a number, which is the same role's.
    admin.run("CREATE DATABASE again");
    assert_eq!(restore(&server, &[], "target", "again"), "");
    admin.run("ALTER ROLE \"Someone Else\" RENAME TO leaves");
    for name in ["target", "again"] {
        let dba = open(&server, "postgres", name);
        dba.run("SELECT df.grant_usage('leaves')");
        dba.run("SELECT df.adopt()");
        let leaves = open(&server, "leaves", name);
        leaves.run(&format!("SELECT df.signal('{}', 'go')", ids[1]));
        assert_eq!(leaves.end_of(&ids[1]), one(1), "{name}");
        assert_eq!(leaves.value("SELECT df.getvar('mine')"), "yes");
        assert_eq!(leaves.value("SELECT owner FROM df.workflows WHERE name = 'of_leaves'"), "leaves");
        dba.until(&format!("({NOTE}) = '-'"));
    }
}

#[test]
fn the_owner_of_a_database_dumps_it_with_and_without_workflows() {
    let server = server(&[], &["boss", "app"]);
    let admin = open(&server, "postgres", "postgres");
    admin.run("CREATE DATABASE owned OWNER boss");
    install(&server, "owned", &["app"]);
    let boss = open(&server, "boss", "owned");
    boss.run("CREATE TABLE things (n int); INSERT INTO things VALUES (42)");
    open(&server, "app", "owned").start("df.wait_for_signal('go')");
    let dump = |arguments: &[&str]| {
        let program = server.installation().program("pg_dump");
        let output = Command::new(program)
            .args(arguments)
            .args(["-d", &server.dsn("boss", "owned")])
            .output()
            .expect("pg_dump runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let without = dump(&["-N", "df"]);
    assert!(without.contains("42") && !without.contains("COPY df.instances"));
    let dba = open(&server, "postgres", "owned");
    dba.run("ALTER ROLE boss BYPASSRLS");
    dba.run("GRANT USAGE ON SCHEMA df TO boss; GRANT SELECT ON ALL TABLES IN SCHEMA df TO boss; GRANT SELECT ON ALL SEQUENCES IN SCHEMA df TO boss");
    let with = dump(&[]);
    assert!(with.contains("42") && with.contains("COPY df.instances"), "{with}");
}
