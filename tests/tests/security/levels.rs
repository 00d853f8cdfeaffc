//! Who sees and steers what: the table of docs/security.md, cell by cell.

use std::collections::BTreeMap;

use pg_durable_tests::server::{administer, shared};
use pg_durable_tests::session::Session;

use crate::{check_refused, role, superuser};

/// What stands in every text and value of the instances here, and in nothing else of them.
const SECRET: &str = "hidden words";

/// The table whose first column has this title, by row and by column.
fn table(title: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let text = include_str!("../../../docs/security.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("| {title} |")));
    let columns = cells(lines.next().expect("the table is there"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let row = cells(line);
        assert_eq!(row.len(), columns.len(), "{line}");
        (row[0].clone(), columns.iter().cloned().zip(row).skip(1).collect())
    })
    .collect()
}

/// What somebody is told: `yes`, `shape` where the texts and values are missing, `no` where it is refused, and `-` where
/// there seems to be nothing.
fn told(session: &Session, sql: &str, has_texts: bool) -> String {
    match session.rows(sql) {
        Err(error) if error.sqlstate == "42501" => "no".to_owned(),
        Err(error) if error.sqlstate == "42704" => "-".to_owned(),
        Err(error) => panic!("{sql}\n{error}"),
        Ok(rows) => {
            let text: Vec<String> = rows.into_iter().flatten().flatten().collect();
            let word = match text.is_empty() {
                true => "-",
                false if has_texts && !text.iter().any(|text| text.contains(SECRET)) => "shape",
                false => "yes",
            };
            word.to_owned()
        }
    }
}

/// A role with a level and nothing else.
fn of_fleet(name: &str, level: &str) -> Session {
    administer(shared(), &format!("CREATE ROLE {name} LOGIN; SELECT df.grant_fleet('{name}', '{level}')"));
    Session::open(shared(), name, "postgres").expect("the role gets in")
}

fn cast() -> Vec<(&'static str, Session)> {
    let cast = vec![
        ("owner", role("lv_owner")),
        ("member", role("lv_member")),
        ("caller", role("lv_caller")),
        ("`metadata`", of_fleet("lv_metadata", "metadata")),
        ("`read`", of_fleet("lv_read", "read")),
        ("`operate`", of_fleet("lv_operate", "operate")),
        ("BYPASSRLS", role("lv_bypass")),
        ("others", role("lv_other")),
        ("`pg_monitor`", {
            administer(shared(), "CREATE ROLE lv_monitor LOGIN; GRANT pg_monitor TO lv_monitor");
            Session::open(shared(), "lv_monitor", "postgres").expect("the role gets in")
        }),
        ("superusers", superuser()),
    ];
    administer(shared(), "GRANT lv_owner TO lv_member; ALTER ROLE lv_bypass BYPASSRLS");
    cast
}

/// By row of the table: what is asked, whether the answer has texts, and what must have come of it.
const PROBES: [(&str, (&str, bool, &str)); 23] = [
    ("`df.status`", ("SELECT df.status('{done}')", false, "")),
    ("`df.await_instance`", ("SELECT df.await_instance('{done}', 5)", false, "")),
    ("`df.await_any`", ("SELECT status FROM df.await_any(ARRAY['{done}'], 0.05)", false, "")),
    ("`df.result`", ("SELECT df.result('{done}')", true, "")),
    ("`df.error`", ("SELECT sqlstate, message, detail, hint, context FROM df.error('{failed}')", true, "")),
    ("`df.instance_info`", ("SELECT status, output FROM df.instance_info('{done}')", true, "")),
    ("`df.instance_executions`", ("SELECT status, output FROM df.instance_executions('{done}')", true, "")),
    (
        "`df.instance_nodes`",
        ("SELECT node_type, query, result, error FROM df.instance_nodes('{failed}')", true, ""),
    ),
    ("`df.explain`", ("SELECT df.explain('{done}')", true, "")),
    ("`df.list_instances`", ("SELECT status, output FROM df.list_instances(NULL, 100, 'lv.done')", true, "")),
    ("`df.list`", ("SELECT status, error_preview FROM df.list('{\"label\": \"lv.failed\"}')", true, "")),
    ("`df.count`", ("SELECT count FROM df.count('{\"label\": \"lv.done\"}') WHERE count > 0", false, "")),
    (
        "`df.errors`",
        ("SELECT sqlstate, example_message FROM df.errors() WHERE workflow = 'lv.failed'", true, ""),
    ),
    ("`df.waiting`", ("SELECT name FROM df.waiting() WHERE instance_id = '{wait}'", false, "running")),
    ("`df.instances`", ("SELECT status, error, message FROM df.instances WHERE id = '{failed}'", true, "")),
    ("`df.nodes`", ("SELECT node_type, query, result FROM df.nodes WHERE instance_id = '{done}'", true, "")),
    ("`df.all_instances`", ("SELECT a.* FROM df.all_instances AS a WHERE id = '{failed}'", true, "")),
    ("`df.all_nodes`", ("SELECT a.* FROM df.all_nodes AS a WHERE instance_id = '{done}'", true, "")),
    ("`df.workers`", ("SELECT instance_id FROM df.workers() WHERE instance_id = '{runs}'", false, "")),
    ("`df.metrics`", ("SELECT total_instances FROM df.metrics()", false, "")),
    ("`df.signal`", ("SELECT df.signal('{wait}', 'go')", false, "completed")),
    ("`df.cancel`", ("SELECT df.cancel('{wait}')", false, "cancelled")),
    ("`df.run(id)`", ("SELECT df.run('{wait}')", false, "running")),
];

#[test]
fn everybody_sees_and_steers_what_the_table_says() {
    let cast = cast();
    let [(_, owner), _, (_, caller), ..] = &cast[..] else { unreachable!("the cast is as above") };
    let superuser = superuser();
    owner.run(&format!(
        "SELECT df.register('lv.done', 'SELECT ''{SECRET}'' AS w', run_as => 'owner'),
                df.register('lv.failed', 'SELECT ''{SECRET}''::integer', run_as => 'owner'),
                df.register('lv.wait', df.wait_for_signal('go') ~> 'SELECT 1', run_as => 'owner'),
                df.register('lv.runs', 'SELECT pg_advisory_xact_lock(4711)', run_as => 'owner')"
    ));
    owner.run("SELECT df.grant_run('lv.' || w, 'lv_caller') FROM unnest(ARRAY['done', 'failed', 'wait', 'runs']) AS w");
    let start = |name: &str| caller.value(&format!("SELECT df.run('lv.{name}')"));
    superuser.run("SELECT pg_advisory_lock(4711)");
    let ids = [("{done}", start("done")), ("{failed}", start("failed")), ("{runs}", start("runs"))];
    for (_, id) in &ids[..2] {
        caller.end_of(id);
    }
    superuser.until(&format!("EXISTS (SELECT FROM df.workers() WHERE instance_id = '{}')", ids[2].1));

    let probes = BTreeMap::from(PROBES);
    let table = table("An instance");
    let rows: Vec<_> = table.iter().map(|(row, _)| row.as_str()).collect();
    assert!(
        probes.keys().all(|probe| rows.contains(probe)),
        "docs/security.md lacks one of {:?}",
        probes.keys()
    );
    let mut wrong = Vec::new();
    for (row, cells) in &table {
        let (sql, has_texts, outcome) = probes[row.as_str()];
        assert_eq!(cells.len(), cast.len(), "{row}");
        for (who, session) in &cast {
            let mut sql = sql.to_owned();
            for (place, id) in &ids {
                sql = sql.replace(place, id);
            }
            let waiting = sql.contains("{wait}").then(|| start("wait"));
            if let Some(id) = &waiting {
                superuser.until(&format!(
                    "(SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL)"
                ));
                sql = sql.replace("{wait}", id);
            }
            let found = told(session, &sql, has_texts);
            if found != cells[*who].replace('–', "-") {
                wrong.push(format!("{row} for {who}: {found}, not {}", cells[*who]));
            }
            let Some(id) = waiting else { continue };
            // What was refused has had no consequence, and what was not has.
            let expected = if found == "yes" { outcome } else { "running" };
            superuser.until(&format!("df.status('{id}') = '{expected}'"));
            superuser.run(&format!("SELECT df.cancel('{id}')"));
        }
    }
    superuser.run("SELECT pg_advisory_unlock(4711)");
    caller.end_of(&ids[2].1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What reads, puts texts together, or asks for itself who calls it.
const OF_EVERYBODY: &[&str] = &[
    "_called_result",
    "_execution_count",
    "_executions",
    "_fleet_level",
    "_fleet_levels",
    "_forget_tally",
    "_home_changed",
    "_levels",
    "_output",
    "_ring",
    "_role_in",
    "_role_out",
    "_role_recv",
    "_role_send",
    "_roles",
    "_whole_result",
    "adopt",
    "as",
    "as_op",
    "attempts",
    "await_any",
    "await_instance",
    "break",
    "catch",
    "check",
    "count",
    "drain",
    "error",
    "errors",
    "explain",
    "fail",
    "getvar",
    "if",
    "if_else_op",
    "if_rows",
    "if_then_op",
    "instance_executions",
    "instance_info",
    "instance_nodes",
    "join",
    "join3",
    "join_settled",
    "list",
    "list_instances",
    "loop",
    "loop_prefix_op",
    "race",
    "race_any",
    "race_tagged",
    "release",
    "result",
    "retry",
    "seq",
    "sleep",
    "sleep_for",
    "sleep_until",
    "sql",
    "status",
    "target_database",
    "timeout",
    "version",
    "wait_for_completion",
    "wait_for_schedule",
    "wait_for_signal",
    "waiting",
    "waiting_summary",
    "walls",
    "workers",
];

#[test]
fn what_acts_is_executable_by_grant_only() {
    let names = |condition: &str| -> Vec<String> {
        let rows = superuser().rows(&format!(
            "SELECT p.proname FROM pg_proc AS p
             WHERE p.pronamespace = 'df'::regnamespace AND {condition} GROUP BY 1 ORDER BY p.proname COLLATE \"C\""
        ));
        rows.expect("the functions are listed").into_iter().flatten().flatten().collect()
    };
    let of_public =
        "coalesce((SELECT bool_or(a.grantee = 0) FROM aclexplode(p.proacl) AS a), p.proacl IS NULL)";
    assert_eq!(names(of_public), OF_EVERYBODY);
    // What is not everybody's is in the table, and the table is right.
    let documented: BTreeMap<String, String> = table("What acts")
        .into_iter()
        .flat_map(|(row, cells)| {
            let names: Vec<_> =
                row.split(", ").map(|name| name.trim_matches('`').replace("df.", "")).collect();
            names.into_iter().map(move |name| (name, cells["Who may"].clone())).collect::<Vec<_>>()
        })
        .collect();
    let not_of_public: Vec<_> =
        names(&format!("NOT {of_public}")).into_iter().filter(|name| !name.starts_with('_')).collect();
    for name in &not_of_public {
        assert!(documented.contains_key(name), "docs/security.md lacks df.{name}");
    }
    for level in ["usage", "metadata", "read", "operate", "usage administrator", "fleet administrator"] {
        let of_level = format!(
            "p.oid IN (SELECT l.object::regprocedure FROM df._levels() AS l WHERE l.kind = 'FUNCTION' AND l.level = '{level}')"
        );
        for name in names(&of_level).into_iter().filter(|name| !name.starts_with('_')) {
            assert!(documented[&name].contains(&format!("`{level}`")), "df.{name} is of level {level}");
        }
    }
}

#[test]
fn a_level_beside_usage_lets_nobody_steer_what_it_only_sees() {
    let owner = role("lv_beside_owner");
    let id = owner.start("df.wait_for_signal('go')");
    for level in ["metadata", "read", "operate"] {
        let name = format!("lv_beside_{level}");
        let session = role(&name);
        administer(shared(), &format!("SELECT df.grant_fleet('{name}', '{level}')"));
        assert_eq!(session.value(&format!("SELECT df.status('{id}') IN ('pending', 'running')")), "t");
        // Its own lists and tables are what they were.
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "0");
        assert_eq!(session.value("SELECT count(*) FROM df.list_instances()"), "0");
        let own = session.start("df.wait_for_signal('own')");
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "1");
        session.run(&format!("SELECT df.cancel('{own}')"));
        for act in ["signal", "run", "cancel"] {
            let name = if act == "signal" { ", 'other'" } else { "" };
            let sql = format!("SELECT df.{act}('{id}'{name})");
            match session.rows(&sql) {
                Ok(_) if level == "operate" => {}
                Err(error) if level != "operate" => {
                    assert_eq!(error.sqlstate, "42501", "{sql}: {error}");
                    assert!(error.message.contains("belongs to lv_beside_owner"), "{sql}: {error}");
                }
                other => panic!("{level}: {sql}: {other:?}"),
            }
        }
        // Among those of all its own texts are whole.
        let failed = session.start(&format!("'SELECT ''{SECRET}''::integer', 'of {level}'"));
        session.end_of(&failed);
        let preview = format!("SELECT error_preview FROM df.list('{{\"label\": \"of {level}\"}}')");
        assert!(session.value(&preview).contains(SECRET), "{level}");
        assert_eq!(session.value(&format!("SELECT count(*) FROM df.list('{{\"id\": \"{id}\"}}')")), "1");
        // No filter tells what is hidden.
        let count = format!(
            "SELECT count FROM df.count('{{\"error\": \"{SECRET}\", \"created_after\": \"2000-01-01\", \"scan\": true}}')"
        );
        assert_eq!(session.value(&count) == "1", level == "metadata", "{level}: {}", session.value(&count));
        // To start as somebody else is for nobody.
        assert_eq!(
            session.flow("'SELECT current_user AS u'"),
            format!(r#"{{"rows": [{{"u": "{name}"}}], "row_count": 1}}"#)
        );
    }
    assert_eq!(owner.value(&format!("SELECT df.status('{id}')")), "cancelled");
}

#[test]
fn members_see_and_steer_what_their_role_owns_as_long_as_they_are() {
    let (club, member) = (role("lv_club"), role("lv_joins"));
    let superuser = superuser();
    let start =
        || club.start("df.wait_for_signal('go') |=> 's' ~> 'SELECT $s.data.x AS x, current_user AS u'");
    let id = start();
    let sees =
        |session: &Session| session.value(&format!("SELECT count(*) FROM df.instances WHERE id = '{id}'"));
    assert_eq!(sees(&member), "0");
    check_refused(&member, "before it joins", &format!("SELECT df.cancel('{id}')"), "42704");

    // Through another role, and at once, in a transaction of its own too.
    superuser.run("CREATE ROLE lv_circle; GRANT lv_club TO lv_circle; GRANT lv_circle TO lv_joins");
    assert_eq!(sees(&member), "1");
    assert_eq!(
        member.value(&format!("SELECT df.status('{id}') = 'pending' OR df.status('{id}') = 'running'")),
        "t"
    );
    assert_eq!(member.value(&format!("SELECT count(*) FROM df.instance_nodes('{id}')")), "3");
    assert_eq!(member.value("SELECT count(*) FROM df.list_instances()"), "1");
    member.value(&format!("SELECT df.explain('{id}')"));
    // It is the owner's work whoever sends the signal, and the member's name stands at the signal.
    member.run(&format!("BEGIN; SELECT df.signal('{id}', 'go', '{{\"x\": 1}}')"));
    assert_eq!(member.value("SELECT sent_by FROM df.signals"), "lv_joins");
    member.run("COMMIT");
    assert_eq!(member.end_of(&id), r#"{"rows": [{"u": "lv_club", "x": 1}], "row_count": 1}"#);
    let other = start();
    member.run(&format!("SELECT df.cancel('{other}', 'by a member')"));
    assert_eq!(club.value(&format!("SELECT message FROM df.error('{other}')")), "by a member");

    // Not the other way round, and variables are each role's own.
    let own = member.start("'SELECT 1'");
    assert_eq!(club.value(&format!("SELECT count(*) FROM df.instances WHERE id = '{own}'")), "0");
    club.run("SELECT df.setvar('club', 'x')");
    assert_eq!(member.value("SELECT count(*) FROM df.vars"), "0");

    // A membership that takes SET ROLE gives nothing without it.
    let version: i32 = superuser.value("SHOW server_version_num").parse().expect("a number");
    let (without, with) = match version < 160_000 {
        true => ("ALTER ROLE lv_joins NOINHERIT", "ALTER ROLE lv_joins INHERIT"),
        false => (
            "GRANT lv_circle TO lv_joins WITH INHERIT FALSE",
            "GRANT lv_circle TO lv_joins WITH INHERIT TRUE",
        ),
    };
    superuser.run(without);
    assert_eq!(sees(&member), "0");
    check_refused(&member, "without SET ROLE", &format!("SELECT df.cancel('{id}')"), "42704");
    member.run("SET ROLE lv_club");
    assert_eq!(sees(&member), "1");
    member.run("RESET ROLE");
    assert_eq!(sees(&member), "0");
    superuser.run(with);
    assert_eq!(sees(&member), "1");

    // What changes in a transaction counts in it, and no longer when it is rolled back.
    superuser.run("REVOKE lv_circle FROM lv_joins; SET ROLE lv_joins");
    assert_eq!((sees(&member), sees(&superuser)), ("0".to_owned(), "0".to_owned()));
    superuser.run("RESET ROLE; BEGIN; GRANT lv_circle TO lv_joins; SET LOCAL ROLE lv_joins");
    assert_eq!((sees(&member), sees(&superuser)), ("0".to_owned(), "1".to_owned()));
    superuser.run("ROLLBACK; SET ROLE lv_joins");
    assert_eq!(sees(&superuser), "0");
    superuser.run("RESET ROLE");
    // A prepared statement sees whose they are when it runs.
    member.run("PREPARE mine AS SELECT count(*) FROM df.instances");
    assert_eq!(member.value("EXECUTE mine"), "1");
    superuser.run("GRANT lv_club TO lv_joins");
    assert_eq!(member.value("EXECUTE mine"), "3");
}

#[test]
fn members_of_a_caller_see_and_steer_as_it_does() {
    let (owner, caller, member) = (role("lv_lends"), role("lv_calls"), role("lv_colleague"));
    owner.run(&format!(
        "SELECT df.register('lv.lent', df.wait_for_signal('go') ~> 'SELECT ''{SECRET}'' AS w', run_as => 'owner'),
                df.grant_run('lv.lent', 'lv_calls')"
    ));
    let id = caller.value("SELECT df.run('lv.lent')");
    check_refused(&member, "nobody's colleague", &format!("SELECT df.signal('{id}', 'go')"), "42704");
    administer(shared(), "GRANT lv_calls TO lv_colleague");
    member.run(&format!("SELECT df.signal('{id}', 'go')"));
    assert!(member.end_of(&id).contains(SECRET));
    let outputs = format!("SELECT output FROM df.list_instances() WHERE instance_id = '{id}'");
    assert!(member.value(&outputs).contains(SECRET));
    // The nodes stay the owner's, and the workflow's owner is none of theirs.
    for (sql, expected) in [
        ("SELECT df.instance_nodes('{id}')", "-"),
        ("SELECT query FROM df.nodes WHERE instance_id = '{id}'", "-"),
        ("SELECT df.explain('{id}')", "no"),
        ("SELECT df.unregister('lv.lent')", "no"),
    ] {
        assert_eq!(told(&member, &sql.replace("{id}", &id), true), expected, "{sql}");
    }
}

#[test]
fn what_a_dropped_role_left_is_nobodys_but_the_fleets() {
    let superuser = superuser();
    let (gone, reader, operator) =
        (role("lv_gone"), role("lv_gone_reader"), of_fleet("lv_gone_operator", "operate"));
    administer(shared(), "SELECT df.grant_fleet('lv_gone_reader', 'read'); GRANT lv_gone TO lv_gone_reader");
    let id = gone.start(&format!("'SELECT ''{SECRET}'' AS w'"));
    gone.end_of(&id);
    drop(gone);
    superuser.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'lv_gone' AND backend_type = 'client backend')");
    administer(shared(), "DROP OWNED BY lv_gone; DROP ROLE lv_gone");
    assert_eq!(reader.value("SELECT count(*) FROM df.instances"), "0");
    assert_eq!(told(&reader, &format!("SELECT df.result('{id}')"), true), "yes");
    let error = reader.error(&format!("SELECT df.cancel('{id}')"));
    assert_eq!(error.sqlstate, "42501");
    assert_eq!(error.message, format!("instance {id} belongs to a role that was dropped"));
    operator.run(&format!("SELECT df.cancel('{id}')"));
    assert_eq!(operator.value(&format!("SELECT df.status('{id}')")), "completed");
}

/// What the level metadata shows, and what it does not. A column that comes new is in neither list until somebody has
/// thought about it.
const COLUMNS: [(&str, &str, &str); 2] = [
    (
        "instances",
        "called_by cancelled_by completed_at created_at database durability failed_node id label root_node sqlstate started_at status
         submitted_by trace_context updated_at version workflow",
        "attributes context detail error hint idempotency_key input message vars",
    ),
    (
        "nodes",
        "at_least_once attempt created_at database deaths died_in generation id instance_id iteration left_node
         next_attempt_at node_type result_columns result_name right_node sqlstate started_at status status_details submitted_by tries
         updated_at waiting_for wake_at",
        "context detail error hint message params query result",
    ),
];

#[test]
fn the_views_have_every_column_and_metadata_shows_no_text_of_it() {
    let superuser = superuser();
    let (metadata, read) = (of_fleet("lv_views_metadata", "metadata"), of_fleet("lv_views_read", "read"));
    let owner = role("lv_views_owner");
    let id = owner.start("'SELECT 1'");
    owner.end_of(&id);
    for (table, shown, hidden) in COLUMNS {
        let columns = |relation: &str| {
            superuser.value(&format!(
                "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = 'df.{relation}'::regclass AND attnum > 0 AND NOT attisdropped"
            ))
        };
        let all = columns(table);
        assert_eq!(columns(&format!("all_{table}")), all, "df.all_{table}");
        let mut known: Vec<_> = shown.split_whitespace().chain(hidden.split_whitespace()).collect();
        let mut all: Vec<_> = all.split(' ').collect();
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all, "columns of df.{table}");
        // A value in each of them: what comes back is what is shown.
        let values = superuser.value(&format!(
            "SELECT string_agg(attname || ' = ' || CASE atttypid WHEN 'jsonb'::regtype THEN $$'[1]'$$ ELSE $$'x'$$ END, ', ')
             FROM pg_attribute WHERE attrelid = 'df.{table}'::regclass AND attname = ANY (string_to_array('{hidden}', ' '))"
        ));
        let key = if table == "nodes" { "instance_id" } else { "id" };
        superuser.run(&format!("UPDATE df.{table} SET {values} WHERE {key} = '{id}'"));
        for (session, sees) in [(&metadata, "0"), (&read, "1")] {
            for column in hidden.split(' ') {
                let count = format!("SELECT count({column}) FROM df.all_{table} WHERE {key} = '{id}'");
                assert_eq!(session.value(&count), sees, "{column} of df.all_{table}");
            }
        }
    }
    // A condition of the reader's own is asked about what it is shown only.
    metadata.run(
        "CREATE TEMP TABLE seen (t text);
         CREATE FUNCTION pg_temp.spy(t text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO pg_temp.seen VALUES (t); RETURN true; END $$",
    );
    metadata.run("SELECT count(*) FROM df.all_nodes WHERE pg_temp.spy(query)");
    assert_eq!(metadata.value("SELECT count(*) > 0 AND count(t) = 0 FROM seen"), "t");
}

#[test]
fn whoever_has_no_level_does_not_begin_to_look() {
    let session = role("lv_plans");
    for view in ["all_instances", "all_nodes"] {
        let sql = format!("EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM df.{view}");
        let plan: Vec<_> =
            session.rows(&sql).expect("it is planned").into_iter().flatten().flatten().collect();
        let plan = plan.join("\n");
        assert!(plan.contains("One-Time Filter"), "{plan}");
        assert!(
            plan.lines().any(|line| line.contains("Scan on ") && line.contains("never executed")),
            "{plan}"
        );
    }
}

#[test]
fn rights_on_all_tables_are_no_rights_here() {
    let superuser = superuser();
    let owner = role("lv_all_owner");
    let id = owner.start("df.wait_for_signal('go')");
    administer(
        shared(),
        "CREATE ROLE lv_all LOGIN; GRANT pg_read_all_data, pg_write_all_data TO lv_all; GRANT lv_all_owner TO lv_all",
    );
    // A member of the owner, so that row security shows the rows.
    let all = Session::open(shared(), "lv_all", "postgres").expect("the role gets in");
    assert_eq!(all.value(&format!("SELECT count(*) FROM df.instances WHERE id = '{id}'")), "1");
    for sql in [
        "UPDATE df.instances SET status = 'completed'",
        "DELETE FROM df.instances",
        "UPDATE df.nodes SET query = 'SELECT 1'",
        "DELETE FROM df.nodes",
        "DELETE FROM df.signals",
        "DELETE FROM df.workflow_names",
    ] {
        all.run(sql);
    }
    for sql in [
        "INSERT INTO df.instances (id, root_node, submitted_by, durability) VALUES ('0badc0de', '00000000', 'lv_all', 'step')",
        "INSERT INTO df.nodes (id, instance_id, node_type, submitted_by) VALUES ('00000009', '0badc0de', 'SQL', 'lv_all')",
        "INSERT INTO df.signals (instance_id, name, sent_by) VALUES ('0badc0de', 'x', 'lv_all')",
    ] {
        check_refused(&all, "forging", sql, "42501");
    }
    let is_untouched = format!(
        "SELECT i.status IN ('pending', 'running') AND n.node_type = 'SIGNAL' AND n.query <> 'SELECT 1'
         FROM df.instances AS i JOIN df.nodes AS n ON n.instance_id = i.id WHERE i.id = '{id}'"
    );
    assert_eq!(superuser.value(&is_untouched), "t");
    administer(shared(), "REVOKE lv_all_owner FROM lv_all");
    for table in ["instances", "nodes", "signals", "vars", "all_instances", "all_nodes", "workflow_versions"]
    {
        assert_eq!(all.value(&format!("SELECT count(*) FROM df.{table}")), "0", "{table}");
    }
    // USAGE on every schema comes with reading everything: it starts nothing.
    check_refused(&all, "starting", "SELECT df.start('SELECT 1')", "42501");
    check_refused(&all, "cancelling", &format!("SELECT df.cancel('{id}')"), "42501");
    owner.run(&format!("SELECT df.cancel('{id}')"));
}
