//! Lists and counts over many instances: what they read, that they find the right ones, and that they count them all.

use pg_durable_sdk::testing::{TestServer, TestServerBuilder};
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

fn server(configure: impl FnOnce(TestServerBuilder) -> TestServerBuilder) -> (TestServer, Session) {
    let builder = TestServer::builder().setting("autovacuum", "off").setting("timezone", "UTC");
    let server = configure(builder).start().expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    let admin = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    (server, admin)
}

fn open(server: &TestServer, role: &str) -> Session {
    tester(server, role);
    Session::open(server, role, "postgres").expect("the role gets in")
}

#[test]
fn a_page_reads_little_wherever_it_is_and_whoever_asks() {
    const COUNT: i64 = 20_000;
    /// Five statuses, fifty rows each, and a look ahead; of attributes and conditions that few rows fit, more.
    const READ_MAX: i64 = 700;
    let (server, admin) = server(|builder| builder);
    let (big, small, caller) = (open(&server, "big"), open(&server, "small"), open(&server, "caller"));
    admin.run(&format!(
        "INSERT INTO df.instances (id, root_node, submitted_by, called_by, durability, label, workflow, version, attributes,
                                   status, sqlstate, error, created_at, started_at, completed_at)
         SELECT lpad(to_hex(n * 7919), 8, '0'), '00000000', (CASE WHEN n % 400 = 0 THEN 'small' ELSE 'big' END)::regrole,
                CASE WHEN n % 300 = 0 THEN 'caller'::regrole END, 'step',
                'label ' || n % 100, CASE WHEN n % 3 = 0 THEN 'w' || n % 5 END, CASE WHEN n % 3 = 0 THEN n % 2 + 1 END,
                CASE WHEN n % 500 = 0 THEN jsonb_build_object('n', n) END, s.status,
                CASE WHEN s.status = 'failed' THEN '22012' END, CASE WHEN s.status = 'failed' THEN 'division by zero' END, t, t, t
         FROM generate_series(1, {COUNT}) AS n,
              LATERAL (SELECT CASE WHEN n % 50 = 0 THEN 'failed' WHEN n % 77 = 0 THEN 'cancelled' ELSE 'completed' END) AS s (status),
              LATERAL (SELECT now() - n * interval '1 minute') AS x (t);
         INSERT INTO df.nodes (instance_id, id, node_type, query, status, submitted_by, result)
         SELECT id, '00000000', 'SQL', 'SELECT 1', 'completed', submitted_by, '{{\"rows\": []}}' FROM df.instances"
    ));
    admin.run("VACUUM ANALYZE df.instances, df.nodes, df._waits");
    let fleet = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let middle = "to_char(now() - interval '10000 minutes', 'YYYY-MM-DD HH24:MI:SS')";
    for (who, session) in [("fleet", &fleet), ("big", &big), ("small", &small), ("caller", &caller)] {
        for (sort, filter) in [
            ("-created_at", "'{}'".to_owned()),
            ("created_at", "'{}'".to_owned()),
            ("id", "'{}'".to_owned()),
            ("-completed_at", "'{}'".to_owned()),
            ("-created_at", format!("jsonb_build_object('created_before', {middle})")),
            ("-completed_at", format!("jsonb_build_object('ended_before', {middle})")),
            ("-created_at", "'{\"label\": \"label 7\"}'".to_owned()),
            ("-created_at", "'{\"label\": \"none\"}'".to_owned()),
            ("-created_at", "'{\"status\": [\"failed\"]}'".to_owned()),
            ("-created_at", "'{\"status\": [\"running\"]}'".to_owned()),
            ("-created_at", "'{\"not\": {\"status\": [\"completed\"]}}'".to_owned()),
            ("-created_at", "'{\"sqlstate\": \"22012\"}'".to_owned()),
            ("-created_at", "'{\"workflow\": \"w3\", \"version\": 2}'".to_owned()),
            ("-created_at", "'{\"role\": \"small\"}'".to_owned()),
            ("-created_at", "'{\"attr\": {\"n\": 5000}}'".to_owned()),
            ("-created_at", "'{\"waiting\": \"signal x\"}'".to_owned()),
            ("-created_at", "'{\"id\": \"0000f0\"}'".to_owned()),
        ] {
            for (what, call) in [
                ("a page", format!("df.list({filter}, '{sort}', 50)")),
                (
                    "the next page",
                    format!(
                        "(SELECT cursor FROM df.list({filter}, '{sort}', 50) OFFSET 49) AS l, df.list({filter}, '{sort}', 50, l.cursor)"
                    ),
                ),
            ] {
                let read = rows_read(session, &format!("SELECT count(*) FROM {call}"));
                let most = if what == "a page" { READ_MAX } else { 2 * READ_MAX };
                assert!(read <= most, "{what} of {filter} by {sort} as {who} reads {read} rows");
            }
        }
        for call in [
            "df.list_instances()",
            "df.list_instances('completed', 50)",
            "df.list_instances('failed', 50, NULL)",
        ] {
            let read = rows_read(session, &format!("SELECT count(*) FROM {call}"));
            assert!(read <= READ_MAX, "{call} as {who} reads {read} rows");
        }
        // From the middle on, by the cursor of the shorter list.
        let read = rows_read(
            session,
            &format!(
                "SELECT count(*) FROM df.list(jsonb_build_object('created_before', {middle}), '-created_at', 1) AS l, df.list_instances(NULL, 50, NULL, l.cursor)"
            ),
        );
        assert!(read <= READ_MAX, "a page in the middle as {who} reads {read} rows");
    }
    // Retention that finds nothing, as the scheduler asks.
    let read = rows_read(
        &admin,
        "SELECT count(*) FROM df.instances WHERE completed_at < now() - interval '100 years'",
    );
    assert_eq!(read, 0);
}

/// How many rows of `df.instances` a query reads. The statistics of earlier transactions may not have been handed in.
fn rows_read(session: &Session, query: &str) -> i64 {
    const READ: &str = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_all_tables
                        WHERE relid = 'df.instances'::regclass";
    session.run("BEGIN");
    let before: i64 = session.value(READ).parse().expect("a number");
    session.run(query);
    let after: i64 = session.value(READ).parse().expect("a number");
    session.run("COMMIT");
    after - before
}

#[test]
fn a_filter_finds_what_a_look_at_every_row_finds() {
    let (server, admin) = server(|builder| builder);
    let (alice, _bob) = (open(&server, "alice"), open(&server, "bob"));
    // Many of one moment, so that ids decide the order.
    admin.run(
        "SELECT setseed(0.25);
         INSERT INTO df.instances (id, root_node, submitted_by, called_by, durability, label, workflow, version, attributes,
                                   status, sqlstate, error, failed_node, created_at, started_at, completed_at)
         SELECT lpad(to_hex((random() * 4294967295)::bigint), 8, '0'), '00000000',
                (CASE WHEN random() < 0.5 THEN 'alice' ELSE 'bob' END)::regrole,
                CASE WHEN random() < 0.2 THEN (CASE WHEN random() < 0.5 THEN 'alice' ELSE 'bob' END)::regrole END, 'step',
                'l' || (random() * 3)::int, CASE WHEN random() < 0.5 THEN 'w' || (random() * 2)::int END, (random() * 2)::int,
                CASE WHEN random() < 0.3 THEN jsonb_build_object('a', (random() * 2)::int) END, s.status,
                CASE WHEN s.status = 'failed' THEN '2201' || (random() * 2)::int END,
                CASE WHEN s.status = 'failed' THEN 'error ' || (random() * 2)::int END,
                CASE WHEN s.status = 'failed' THEN '00000000' END, t, t, t + random() * interval '2 hours'
         FROM generate_series(1, 600) AS n,
              LATERAL (SELECT (ARRAY['failed', 'cancelled', 'completed'])[1 + floor(random() * 3 + n * 0)::int]) AS s (status),
              LATERAL (SELECT date_trunc('hour', now()) - (random() * 20 + n * 0)::int * interval '1 hour') AS x (t);
         ANALYZE df.instances",
    );
    let visible = "(submitted_by = 'alice'::regrole OR called_by = 'alice'::regrole)";
    let scan = "\"scan\": true, \"created_after\": \"2000-01-01\"";
    for (filter, condition) in [
        ("".to_owned(), "true"),
        ("\"status\": [\"failed\", \"cancelled\"]".to_owned(), "status IN ('failed', 'cancelled')"),
        ("\"status\": []".to_owned(), "false"),
        ("\"label\": \"l1\", \"status\": \"completed\"".to_owned(), "label = 'l1' AND status = 'completed'"),
        (format!("\"label\": \"l*\", \"version\": 1, {scan}"), "version = 1"),
        ("\"workflow\": \"w1\", \"version\": 1".to_owned(), "workflow = 'w1' AND version = 1"),
        ("\"role\": \"bob\"".to_owned(), "submitted_by = 'bob'::regrole"),
        ("\"attr\": {\"a\": 1}".to_owned(), "attributes @> '{\"a\": 1}'"),
        ("\"sqlstate\": \"22011\"".to_owned(), "sqlstate = '22011'"),
        ("\"sqlstate\": \"22*\", \"label\": \"l2\"".to_owned(), "sqlstate LIKE '22%' AND label = 'l2'"),
        (format!("\"error\": \"or 1\", {scan}"), "strpos(error, 'or 1') > 0"),
        (format!("\"longer_than\": \"1 hour\", {scan}"), "completed_at - started_at > '1 hour'"),
        ("\"created_after\": \"yesterday\"".to_owned(), "created_at >= 'yesterday'"),
        (
            format!("\"not\": {{\"label\": \"l1\", \"attr\": {{\"a\": 1}}}}, {scan}"),
            "label <> 'l1' AND attributes @> '{\"a\": 1}' IS NOT TRUE",
        ),
        (
            format!("\"not\": {{\"role\": \"bob\", \"status\": [\"failed\"]}}, {scan}"),
            "submitted_by <> 'bob'::regrole AND status <> 'failed'",
        ),
        (format!("\"id\": \"a\", {scan}"), "id LIKE 'a%'"),
        ("\"children\": false".to_owned(), "true"),
    ] {
        for (session, of) in [(&admin, "true"), (&alice, visible)] {
            for (sort, order) in [
                ("-created_at", "created_at DESC, id"),
                ("created_at", "created_at, id DESC"),
                ("-completed_at", "completed_at DESC, id"),
                ("-id", "id DESC"),
            ] {
                let expected = admin.value(&format!(
                    "SELECT coalesce(string_agg(id, ' ' ORDER BY {order}), '') FROM df.instances WHERE {of} AND {condition}"
                ));
                let found = in_pages(session, &format!("{{{filter}}}"), sort);
                assert_eq!(found, expected, "{filter} by {sort}");
            }
            let counted = session.value(&format!("SELECT count FROM df.count('{{{filter}}}')"));
            let there = admin.value(&format!("SELECT count(*) FROM df.instances WHERE {of} AND {condition}"));
            assert_eq!(counted, there, "{filter}");
        }
    }
}

/// The ids of all pages, joined.
fn in_pages(session: &Session, filter: &str, sort: &str) -> String {
    let (mut ids, mut after) = (Vec::new(), "NULL".to_owned());
    loop {
        let page = session
            .rows(&format!("SELECT id, cursor FROM df.list('{filter}', '{sort}', 70, {after})"))
            .unwrap_or_else(|error| panic!("{filter} by {sort}: {error}"));
        let Some(last) = page.last() else { return ids.join(" ") };
        after = format!("'{}'", last[1].as_deref().expect("a cursor"));
        ids.extend(page.into_iter().map(|row| row[0].clone().expect("an id")));
    }
}

#[test]
fn metrics_count_all_whoever_brings_instances_and_takes_them_away() {
    let (server, admin) = server(|builder| builder.setting("pg_durable.reconcile_interval", "1"));
    let user = open(&server, "counted");
    let metrics = "SELECT ROW(total_instances, running_instances, completed_instances, failed_instances, total_executions,
            total_events)::text FROM df.metrics()";
    let by_hand = "SELECT ROW(count(*), count(*) FILTER (WHERE status = 'running'), count(*) FILTER (WHERE status = 'completed'),
            count(*) FILTER (WHERE status IN ('failed', 'cancelled')),
            coalesce(sum((SELECT greatest(max(n.iteration), 1) FROM df.nodes AS n
                          WHERE n.instance_id = i.id AND n.id = i.root_node AND n.node_type = 'LOOP')), 0),
            (SELECT count(*) FROM df.nodes WHERE status IN ('completed', 'failed')))::text FROM df.instances AS i";
    // Of one snapshot, as retention goes on.
    let check = |when: &str| {
        let anew = metrics.replace("df.metrics()", "df.metrics(exact => true)");
        let counted = admin.rows(&format!("SELECT ({metrics}), ({by_hand}), ({anew})"));
        let counted = counted.expect("they are counted").remove(0);
        assert_eq!(counted[0], counted[1], "{when}");
        assert_eq!(counted[2], counted[1], "{when}, read anew");
    };
    let bring = |from: i32, to: i32| {
        admin.run(&format!(
            "INSERT INTO df.instances (id, root_node, submitted_by, durability, status, created_at, completed_at)
             SELECT lpad(to_hex(n), 8, '0'), '00000000', 'counted'::regrole, 'step',
                    (ARRAY['completed', 'failed', 'cancelled'])[1 + n % 3], t, CASE WHEN n % 7 > 0 THEN t END
             FROM generate_series({from}, {to}) AS n, LATERAL (SELECT now() - '1 day'::interval - (n % 1000) * '1 s'::interval) AS x (t);
             INSERT INTO df.nodes (instance_id, id, node_type, query, status, iteration)
             SELECT lpad(to_hex(n), 8, '0'), lpad(k::text, 8, '0'), CASE WHEN n % 5 = 0 AND k = 0 THEN 'LOOP' ELSE 'SQL' END, '',
                    (ARRAY['completed', 'failed', 'pending'])[1 + (n + k) % 3], n % 4
             FROM generate_series({from}, {to}) AS n, generate_series(0, 2) AS k"
        ));
    };
    let counted = |least: i32| {
        admin.until(&format!("SELECT completed + failed + cancelled >= {least} FROM df._tally"));
        check("when the scheduler has counted");
    };
    check("before there is anything");
    user.flow("'SELECT 1'");
    let waiting = user.start("df.sleep(600)");
    user.until(&format!("df.status('{waiting}') = 'running'"));
    check("with what runs");
    bring(1, 12_000);
    check("with what has been brought");
    counted(12_000);
    // What has been counted is of the past: this lies before it.
    bring(20_001, 20_500);
    check("with what was brought later");
    counted(12_500);
    admin.run("BEGIN");
    bring(30_001, 30_010);
    admin.run("ROLLBACK");
    check("with what was taken back");
    admin.run(
        "DELETE FROM df.nodes WHERE instance_id < '00000100'; DELETE FROM df.instances WHERE id < '00000100'",
    );
    check("without what was deleted");
    counted(12_000);
    admin.run("UPDATE df.instances SET status = 'failed' WHERE id = '00001000'");
    check("with what was changed");
    counted(12_000);
    // Retention takes off what it deletes, and the rest stays counted.
    admin.run("ALTER SYSTEM SET pg_durable.retention_days = 1");
    admin.run("SELECT pg_reload_conf()");
    admin.until("SELECT count(*) < 12000 FROM df.instances");
    check("while retention deletes");
    admin.until("SELECT count(*) = 2 FROM df.instances");
    check("when retention has deleted");
    admin.run("TRUNCATE df.instances, df.nodes");
    check("when there is nothing");
}

#[test]
fn a_column_with_a_default_is_added_to_the_tables() {
    let (server, admin) = server(|builder| builder);
    let user = open(&server, "widened");
    let before = user.start("'SELECT 1 AS a'");
    user.end_of(&before);
    let waiting = user.start("df.wait_for_signal('go') ~> 'SELECT 2 AS a'");
    user.until("SELECT count(*) = 1 FROM df.waiting()");
    for table in ["instances", "nodes", "signals", "_waits", "_tally"] {
        admin.run(&format!("ALTER TABLE df.{table} ADD COLUMN note text DEFAULT 'none'"));
    }
    user.run(&format!("SELECT df.signal('{waiting}', 'go')"));
    assert_eq!(user.end_of(&waiting), r#"{"rows": [{"a": 2}], "row_count": 1}"#);
    assert_eq!(user.flow("'SELECT 3 AS a'"), r#"{"rows": [{"a": 3}], "row_count": 1}"#);
    assert_eq!(user.value("SELECT string_agg(DISTINCT note, ' ') FROM df.instances"), "none");
    assert_eq!(user.value("SELECT count(*) FROM df.waiting()"), "0");
    for call in ["df.list()", "df.list_instances()", "df.list_instances(NULL, 5, NULL)"] {
        assert_eq!(user.value(&format!("SELECT count(*) FROM {call}")), "3", "{call}");
    }
    assert_eq!(
        user.value(&format!("SELECT output FROM df.instance_info('{before}')")),
        r#"{"rows": [{"a": 1}], "row_count": 1}"#
    );
    assert_eq!(admin.value("SELECT total_instances FROM df.metrics()"), "3");
}

#[test]
fn partial_indexes_hold_what_their_conditions_say() {
    let (server, admin) = server(|builder| builder);
    let user = open(&server, "indexed");
    admin.run("CREATE INDEX dba_open ON df.instances (id) WHERE completed_at IS NULL");
    admin.run("CREATE INDEX dba_failed ON df.instances (id) WHERE failed_node IS NOT NULL");
    admin.run("CREATE INDEX dba_running ON df.instances (id) WHERE status = 'running'");
    admin.run("CREATE UNIQUE INDEX dba_unique ON df.instances (id) WHERE completed_at IS NULL");
    // Rows of nodes are written several at once, and these differ.
    admin.run("CREATE INDEX dba_named ON df.nodes (id) WHERE result_name IS NOT NULL");
    admin.run("CREATE INDEX dba_unnamed ON df.nodes (id) WHERE result_name IS NULL");
    for _ in 0..5 {
        user.flow("'SELECT 1'");
        user.flow("('SELECT 1' |=> 'a') ~> 'SELECT 2' ~> ('SELECT 3' |=> 'b') ~> 'SELECT 4'");
        user.end_of(&user.start("'SELECT 1 / 0'"));
        user.run("SELECT df.start(df.sleep(600), label => 'sleeps')");
        user.run("SELECT df.start('SELECT 1', idempotency_key => 'once')");
    }
    user.run("SELECT df.cancel(id) FROM df.instances WHERE label = 'sleeps' AND id < '00000009'");
    admin.until("SELECT count(*) = 0 FROM df.instances WHERE status = 'pending'");
    // By its end is found what has none: nobody may give one to what goes on.
    let error = admin.error("UPDATE df.instances SET completed_at = now() WHERE status = 'running'");
    assert_eq!(error.sqlstate, "23514", "{error}");
    let partial = admin
        .rows(
            "SELECT c.relname, pg_get_expr(x.indpred, x.indrelid), a.attname, x.indrelid::regclass
             FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid JOIN pg_am AS m ON m.oid = c.relam
                  JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
             WHERE x.indrelid IN ('df.instances'::regclass, 'df.nodes'::regclass) AND x.indpred IS NOT NULL
                 AND m.amname = 'btree'",
        )
        .expect("the indexes are listed");
    assert!(partial.len() >= 12, "{partial:?}");
    for index in partial {
        let [name, condition, column, table] =
            <[Option<String>; 4]>::try_from(index).expect("four columns").map(Option::unwrap_or_default);
        // Nothing but this index can answer, or nothing but the table: the others are gone in this transaction.
        let counted = admin.rows(&format!(
            "BEGIN;
             DO $$ DECLARE other regclass; BEGIN
                 FOR other IN SELECT indexrelid FROM pg_index WHERE indrelid = '{table}'::regclass
                     AND indexrelid <> 'df.{name}'::regclass AND NOT indisprimary
                 LOOP EXECUTE 'DROP INDEX ' || other; END LOOP;
             END $$;
             SET LOCAL enable_seqscan = off;
             CREATE TEMP TABLE by_index ON COMMIT DROP AS
                 SELECT count({column}) FROM {table} WHERE {condition} AND {column} IS NOT NULL;
             SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off;
             SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
             CREATE TEMP TABLE by_table ON COMMIT DROP AS
                 SELECT count({column}) FROM {table} WHERE {condition} AND {column} IS NOT NULL;
             SELECT (SELECT * FROM by_index), (SELECT * FROM by_table)"
        ));
        let counted = counted.expect("they are counted").remove(0);
        admin.run("ROLLBACK");
        assert_eq!(counted[0], counted[1], "{name}: WHERE {condition}");
    }
}
