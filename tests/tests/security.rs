//! Who may do what, and as whom steps run: each row of the security checklist as a test.

use pg_durable_tests::server::{administer, administer_as, identifier, literal, own, shared, tester};
use pg_durable_tests::session::Session;

mod security {
    mod grants;
    mod levels;
}

fn superuser() -> Session {
    Session::open(shared(), "postgres", "postgres").expect("the superuser gets in")
}

/// A new role that may use pg_durable, and a session of it.
fn role(name: &str) -> Session {
    tester(shared(), name);
    Session::open(shared(), name, "postgres").expect("the role gets in")
}

/// Checks that a flow ends with an outcome that begins so.
#[track_caller]
fn check(session: &Session, name: &str, graph: &str, expected: &str) {
    let found = session.flow(graph);
    assert!(found.starts_with(expected), "{name}\n{graph}\n--- expected\n{expected}\n--- found\n{found}");
}

/// Checks that a statement is refused with this SQLSTATE.
#[track_caller]
fn check_refused(session: &Session, name: &str, sql: &str, sqlstate: &str) {
    match session.rows(sql) {
        Ok(rows) => panic!("{name}\n{sql}\nwas not refused but gave {rows:?}"),
        Err(error) => assert_eq!(error.sqlstate, sqlstate, "{name}\n{sql}\n{error}"),
    }
}

#[test]
fn a_step_cannot_become_somebody_else() {
    let mallory = role("sec_mallory");
    superuser().run("CREATE ROLE sec_victim LOGIN; CREATE ROLE sec_group; GRANT sec_group TO sec_mallory");
    let is_self = r#"{"rows": [{"s": "sec_mallory", "u": "sec_mallory"}], "row_count": 1}"#;
    let who = "SELECT session_user AS s, current_user AS u";
    mallory.run(
        "CREATE FUNCTION dynamic(t text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE t; RETURN current_user; END $$",
    );
    for (name, step, expected) in [
        ("RESET ROLE", format!("RESET ROLE; {who}"), is_self),
        ("SET ROLE none", format!("SET ROLE none; {who}"), is_self),
        ("RESET SESSION AUTHORIZATION", format!("RESET SESSION AUTHORIZATION; {who}"), is_self),
        ("RESET ALL", format!("RESET ALL; {who}"), is_self),
        ("DISCARD ALL", "DISCARD ALL".to_owned(), r#"{"rows": []"#),
        ("SET ROLE to a superuser", "SET ROLE postgres".to_owned(), "failed 42501"),
        ("SET ROLE to another", "SET ROLE sec_victim".to_owned(), "failed 42501"),
        ("SET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION postgres".to_owned(), "failed 42501"),
        (
            "SET SESSION AUTHORIZATION to another",
            "SET SESSION AUTHORIZATION sec_victim".to_owned(),
            "failed 42501",
        ),
        ("set_config role", "SELECT set_config('role', 'postgres', false)".to_owned(), "failed 42501"),
        (
            "set_config session_authorization",
            "SELECT set_config('session_authorization', 'postgres', false)".to_owned(),
            "failed 42501",
        ),
        ("dynamic SET ROLE", "SELECT dynamic('SET ROLE postgres')".to_owned(), "failed 42501"),
        ("dynamic RESET ROLE", format!("SELECT dynamic('RESET ROLE'); {who}"), is_self),
        ("DO", format!("DO $$ BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; END $$; {who}"), is_self),
        ("ALTER ROLE", "ALTER ROLE sec_mallory SUPERUSER".to_owned(), "failed 42501"),
        ("a file", "COPY (SELECT 1) TO '/tmp/sec_mallory'".to_owned(), "failed 42501"),
        ("a program", "COPY (SELECT 1) TO PROGRAM 'id'".to_owned(), "failed 42501"),
    ] {
        check(&mallory, name, &format!("$g${step}$g$"), expected);
    }
    // A role that it is a member of it may take, but the next step is again its own.
    check(
        &mallory,
        "SET ROLE to a group lasts for the step",
        "'SET ROLE sec_group; SELECT current_user AS u' |=> 'a' ~> 'SELECT $a AS a, current_user AS u, session_user AS s'",
        r#"{"rows": [{"a": "sec_group", "s": "sec_mallory", "u": "sec_mallory"}], "row_count": 1}"#,
    );
}

#[test]
fn other_users_instances_do_not_exist() {
    let (alice, eve) = (role("sec_alice"), role("sec_eve"));
    alice.run("SELECT df.setvar('secret', 'of alice')");
    let id = alice.start("'SELECT ''{secret}'' AS s' ~> df.wait_for_signal('go'), 'alices'");
    alice.until(&format!("SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL"));
    alice.run(&format!("SELECT df.signal('{id}', 'other', '\"of alice\"')"));
    for query in [
        "SELECT count(*) FROM df.instances WHERE id = '{id}'",
        "SELECT count(*) FROM df.nodes WHERE instance_id = '{id}'",
        "SELECT count(*) FROM df.signals WHERE instance_id = '{id}'",
        "SELECT count(*) FROM df.vars",
        "SELECT count(df.status('{id}'))",
        "SELECT count(df.result('{id}'))",
        "SELECT count(*) FROM df.error('{id}')",
        "SELECT count(*) FROM df.instance_info('{id}')",
        "SELECT count(*) FROM df.instance_nodes('{id}')",
        "SELECT count(*) FROM df.instance_nodes('{id}', 5)",
        "SELECT count(*) FROM df.instance_executions('{id}')",
        "SELECT count(*) FROM df.list_instances()",
        "SELECT count(*) FROM df.list_instances(NULL, 100, 'alices')",
        "SELECT count(*) FROM df.list()",
        "SELECT count(*) FROM df.list('{\"label\": \"alices\"}')",
        "SELECT count(*) FROM df.list('{\"role\": \"sec_alice\"}')",
        "SELECT count(*) FROM df.list(jsonb_build_object('id', '{id}'))",
        "SELECT count(*) FROM df.list('{\"waiting\": \"signal go\"}', 'id')",
        "SELECT count FROM df.count()",
        "SELECT count(*) FROM df.waiting()",
        "SELECT count(*) FROM df.waiting_summary()",
        "SELECT count(*) FROM df.errors('100 years')",
        "SELECT count(*) FROM df.await_any(ARRAY['{id}'], 0.05)",
        "SELECT count(df.getvar('secret'))",
    ] {
        let query = query.replace("{id}", &id);
        assert_eq!(eve.value(&query), "0", "{query}");
    }
    for query in [
        "SELECT df.cancel('{id}')",
        "SELECT df.signal('{id}', 'go')",
        "SELECT df.run('{id}')",
        "SELECT df.explain('{id}')",
        "SELECT df.await_instance('{id}', 1)",
    ] {
        check_refused(&eve, "another user's instance", &query.replace("{id}", &id), "42704");
    }
    // Helpers of ours must not be a way round either.
    let forged = format!("SELECT df._output('{id}')");
    assert_eq!(eve.value(&forged), "NULL");
    assert_eq!(
        eve.flow("'SELECT ''{secret}'' AS s, count(*) AS n FROM df.instances WHERE label = ''alices'''"),
        r#"{"rows": [{"n": 0, "s": "{secret}"}], "row_count": 1}"#
    );
    alice.run(&format!("SELECT df.signal('{id}', 'go')"));
    alice.end_of(&id);
    // The same key of another user is another instance, and the owner's stays unseen.
    let own = alice.value("SELECT df.start('SELECT 1', idempotency_key => 'shared key')");
    assert_ne!(eve.value("SELECT df.start('SELECT 1', idempotency_key => 'shared key')"), own);
}

#[test]
fn nothing_can_be_forged_by_writing_the_tables() {
    let forger = role("sec_forger");
    let id = forger.start("df.sleep(600)");
    for (name, sql) in [
        (
            "an instance",
            "INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('0badc0de', '00000000', 'postgres')",
        ),
        (
            "an own instance",
            "INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('0badc0de', '00000000', 'sec_forger')",
        ),
        ("the submitter", "UPDATE df.instances SET submitted_by = 'postgres'"),
        ("the status", "UPDATE df.instances SET status = 'completed'"),
        (
            "a node",
            "INSERT INTO df.nodes (id, instance_id, node_type, query) VALUES ('00000009', '{id}', 'SQL', 'SELECT 1')",
        ),
        ("a node's text", "UPDATE df.nodes SET query = 'SELECT 1'"),
        ("a result", "UPDATE df.nodes SET result = '{}'"),
        ("a signal", "INSERT INTO df.signals (instance_id, name, sent_by) VALUES ('{id}', 'x', 'postgres')"),
        ("deleting", "DELETE FROM df.instances"),
        ("deleting nodes", "DELETE FROM df.nodes"),
        ("truncating", "TRUNCATE df.instances"),
        ("locking", "DO $$ BEGIN LOCK df.instances; END $$"),
        ("locking rows", "SELECT * FROM df.instances FOR UPDATE"),
        ("a reference", "CREATE TABLE sec_forger.r (id varchar(16) REFERENCES df.instances (id))"),
        (
            "a trigger",
            "CREATE TRIGGER t BEFORE UPDATE ON df.instances FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ),
        ("a policy", "ALTER TABLE df.instances DISABLE ROW LEVEL SECURITY"),
        ("the sequence", "SELECT setval('df.instance_number', 1)"),
        ("somebody else's variable", "INSERT INTO df.vars VALUES ('x', 'y', 'postgres')"),
        (
            "giving a variable away",
            "INSERT INTO df.vars VALUES ('x', 'y'); UPDATE df.vars SET owner = 'postgres'",
        ),
        ("an object in the schema", "CREATE FUNCTION df.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        (
            "a function replaced",
            "CREATE OR REPLACE FUNCTION df.version() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$",
        ),
        ("metrics", "SELECT * FROM df.metrics()"),
        ("granting", "SELECT df.grant_usage('sec_forger')"),
        ("dropping", "DROP EXTENSION pg_durable"),
    ] {
        check_refused(&forger, name, &sql.replace("{id}", &id), "42501");
    }
    forger.until(&format!("df.status('{id}') = 'running'"));
    forger.run(&format!("SELECT df.cancel('{id}')"));
}

#[test]
fn a_superusers_row_is_not_run_even_when_it_was_forged() {
    let superuser = superuser();
    check_refused(&superuser, "a superuser's start", "SELECT df.start('SELECT 1')", "42501");
    let forger = role("sec_forger_of_rows");
    let id = forger.start("df.sleep(1) ~> 'SELECT current_user AS u'");
    superuser.run(&format!(
        "UPDATE df.instances SET submitted_by = 'postgres' WHERE id = '{id}'; UPDATE df.nodes SET submitted_by = 'postgres' WHERE instance_id = '{id}'"
    ));
    // Whoever looked at the row for its former submitter lets go of it: the engine has to be told of the new one.
    superuser.until(&format!(
        "(SELECT df.run() IS NOT NULL) AND (SELECT df.status('{id}') IN ('completed', 'failed'))"
    ));
    let outcome = superuser.outcome(&id);
    let is_safe = outcome.contains("pg_durable blocked instance") || outcome.contains("sec_forger_of_rows");
    assert!(is_safe, "{outcome}");
}

#[test]
fn shadowing_does_not_change_what_the_engine_calls() {
    // Whoever compares ids while the traps are there springs one.
    let server = own();
    let superuser = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    tester(&server, "sec_shadow");
    let shadow = Session::open(&server, "sec_shadow", "postgres").expect("the role gets in");
    // The submitter owns public's operators and looks there first.
    administer(
        &server,
        "GRANT CREATE ON SCHEMA public TO sec_shadow; ALTER ROLE sec_shadow SET search_path = public, sec_shadow, pg_catalog",
    );
    superuser.run("CREATE TABLE public.traps (who text, what text); GRANT ALL ON public.traps TO PUBLIC");
    let trap = |name: &str, arguments: &str, result: &str, value: &str| {
        format!(
            "CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.traps VALUES (current_user, '{name}'); RETURN {value}; END $$"
        )
    };
    shadow.run(&trap("sec_eq_text", "a text, b text", "boolean", "true"));
    shadow.run(&trap("sec_eq_varchar", "a varchar, b varchar", "boolean", "true"));
    shadow.run(&trap("sec_eq_oid", "a regrole, b regrole", "boolean", "true"));
    shadow.run(
        "CREATE OPERATOR public.= (FUNCTION = public.sec_eq_text, LEFTARG = text, RIGHTARG = text);
         CREATE OPERATOR public.= (FUNCTION = public.sec_eq_varchar, LEFTARG = varchar, RIGHTARG = varchar);
         CREATE OPERATOR public.= (FUNCTION = public.sec_eq_oid, LEFTARG = regrole, RIGHTARG = regrole)",
    );
    shadow.run(&trap("quote_ident", "a name", "text", "'postgres'"));
    shadow.run(&trap("format", "a text, b text", "text", "'x'"));
    shadow.run(&trap("now", "", "timestamptz", "pg_catalog.now()"));
    shadow.run(&trap("to_jsonb", "a text", "jsonb", "'{}'::jsonb"));
    shadow.run(&trap("lower", "a text", "text", "a"));
    shadow.run(
        "CREATE FUNCTION pg_temp.quote_ident(a text) RETURNS text LANGUAGE sql AS $$ SELECT 'postgres' $$;
         CREATE TEMP TABLE instances (id text); CREATE TEMP TABLE nodes (id text); CREATE TABLE sec_shadow.instances (id text)",
    );
    let session = Session::open(&server, "sec_shadow", "postgres").expect("the role gets in again");
    assert_eq!(
        session.flow("('SELECT 1 AS a' |=> 'x') ~> ('SELECT $x + 1 AS a' & df.sleep(0.01)) ~> df.wait_for_signal('s', 1) ~> df.loop('SELECT 5 AS five', 'SELECT false')"),
        r#"{"rows": [{"five": 5}], "row_count": 1}"#
    );
    assert!(session.flow("'SELECT 1/0'").starts_with("failed 22012"));
    session.run("SELECT * FROM df.list_instances('completed', 5, NULL)");
    session.run("SELECT * FROM df.list_instances()");
    session.run("SELECT df.setvar('a', 'b'), df.getvar('a'), df.unsetvar('a')");
    let id = session.start("df.sleep(600)");
    session.run(&format!("SELECT df.signal('{id}', 'x'), df.explain('{id}'), df.cancel('{id}')"));
    // What the submitter's own SQL calls is the submitter's matter; the engine's must not have sprung a trap.
    assert_eq!(
        superuser.value(
            "SELECT coalesce(string_agg(DISTINCT who || ' ' || what, ', '), 'none') FROM public.traps"
        ),
        "none"
    );
    let looks = "SELECT * FROM df.list('{\"status\": [\"completed\"], \"not\": {\"label\": \"x\"}, \"scan\": true, \"created_after\": \"2000-01-01\"}');
         SELECT n.* FROM df.list('{}', '-completed_at', 1) AS l, df.list('{}', '-completed_at', 1, l.cursor) AS n;
         SELECT * FROM df.list('{\"id\": \"000000\", \"role\": \"sec_shadow\", \"waiting\": \"signal x\", \"node\": \"x\"}');
         SELECT * FROM df.count(); SELECT * FROM df.waiting('signal', 'x', '1 h'); SELECT * FROM df.waiting_summary();
         SELECT * FROM df.errors(); SELECT * FROM df.list_instances(NULL, 5, 'x')";
    session.run(looks);
    superuser.run(&format!("SET search_path = public; {looks}; RESET search_path"));
    // Somebody with rights who looks into the extension with the trapped path must not spring one either.
    superuser.run("SET search_path = public; SELECT * FROM df.list_instances('completed', 5, 'x'); SELECT * FROM df.list_instances(); SELECT * FROM df.metrics(); RESET search_path");
    assert_eq!(
        superuser.value(
            "SELECT coalesce(string_agg(DISTINCT who || ' ' || what, ', '), 'none') FROM public.traps"
        ),
        "none"
    );
}

#[test]
fn roles_with_odd_names_are_themselves() {
    for name in [
        "sec Space",
        "sec\"quote",
        "sec'single",
        "Sec_Größe_日本",
        "sec;DROP ROLE x;--",
        "sec\\back",
        "sec$n{v}",
        "SEC_UPPER",
    ] {
        let session = role(name);
        let expected = format!(r#"{{"rows": [{{"s": {0}, "u": {0}}}], "row_count": 1}}"#, json(name));
        for graph in [
            "'SELECT current_user AS u, session_user AS s'",
            "df.sleep(0.01) ~> 'SELECT current_user AS u, session_user AS s'",
        ] {
            assert_eq!(session.flow(graph), expected, "{name}");
        }
        assert_eq!(session.value("SELECT count(*) FROM df.instances"), "2", "{name}");
        assert_eq!(session.value("SELECT df.setvar('v', 'x') || df.getvar('v')"), "OKx", "{name}");
        let id = session.value("SELECT df.start('SELECT 1', transaction_mode => 'new')");
        assert!(session.end_of(&id).starts_with('{'), "{name}");
        administer(shared(), &format!("SELECT df.revoke_usage({})", literal(name)));
        check_refused(&session, name, "SELECT df.start('SELECT 1')", "42501");
    }
}

fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[test]
fn labels_keys_names_and_data_are_never_sql() {
    let session = role("sec_injection");
    for text in ["'; DROP TABLE x; --", "\" OR true", "$1", "{v}", "\\", "%s", "größe 日本 🦀"] {
        let quoted = literal(text);
        let id = session.value(&format!(
            "SELECT df.start(df.wait_for_signal({quoted}), {quoted}, idempotency_key => {quoted})"
        ));
        session.run(&format!("SELECT df.signal('{id}', {quoted}, {quoted})"));
        session.end_of(&id);
        assert_eq!(
            session.value(&format!("SELECT df.result('{id}')::jsonb->>'data' = {quoted}")),
            "t",
            "{text}"
        );
        let count = format!("SELECT count(*) FROM df.list_instances(NULL, 5, {quoted})");
        assert_eq!(session.value(&count), "1", "{text}");
        session.run(&format!("SELECT df.setvar('v', {quoted})"));
        assert_eq!(session.value("SELECT df.getvar('v')"), text);
        let cancelled = session.start("df.sleep(600)");
        session.run(&format!("SELECT df.cancel('{cancelled}', {quoted})"));
        assert_eq!(session.value(&format!("SELECT message FROM df.error('{cancelled}')")), text);
    }
}

#[test]
fn a_role_without_usage_can_do_nothing() {
    superuser().run("CREATE ROLE sec_nobody LOGIN");
    let nobody = Session::open(shared(), "sec_nobody", "postgres").expect("the role gets in");
    let functions = superuser()
        .rows("SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'df'::regnamespace")
        .expect("the functions are listed");
    assert!(functions.len() > 30);
    for row in functions {
        let name = identifier(row[0].as_deref().unwrap_or_default());
        check_refused(&nobody, "no USAGE", &format!("SELECT df.{name}()"), "42501");
    }
    // Operators are found in pg_catalog and only put texts together; nobody gets further with what they make.
    assert_eq!(nobody.value("SELECT ('a' ~> 'b') IS NOT NULL"), "t");
    check_refused(&nobody, "operators", "SELECT df.start('a' ~> 'b')", "42501");
    for table in ["instances", "nodes", "signals", "vars"] {
        check_refused(&nobody, "tables", &format!("SELECT * FROM df.{table}"), "42501");
    }
}

#[test]
fn a_security_definer_function_starts_as_its_owner() {
    let (owner, caller) = (role("sec_owner"), role("sec_caller"));
    owner.run(
        "CREATE FUNCTION sec_owner.starts() RETURNS text SECURITY DEFINER LANGUAGE sql AS $$ SELECT df.start('SELECT current_user AS u, session_user AS s', 'by definer') $$;
         CREATE FUNCTION sec_owner.starts_new() RETURNS text SECURITY DEFINER LANGUAGE sql AS $$ SELECT df.start('SELECT current_user AS u, session_user AS s', 'by definer', transaction_mode => 'new') $$;
         GRANT USAGE ON SCHEMA sec_owner TO sec_caller",
    );
    for function in ["starts", "starts_new"] {
        let id = caller.value(&format!("SELECT sec_owner.{function}()"));
        assert_eq!(caller.value(&format!("SELECT count(*) FROM df.instances WHERE id = '{id}'")), "0");
        assert_eq!(owner.end_of(&id), r#"{"rows": [{"s": "sec_owner", "u": "sec_owner"}], "row_count": 1}"#);
        assert_eq!(
            owner.value(&format!("SELECT submitted_by FROM df.instances WHERE id = '{id}'")),
            "sec_owner"
        );
    }
    // SET ROLE before the start counts as well.
    superuser().run("GRANT sec_owner TO sec_caller");
    caller.run("SET ROLE sec_owner");
    let id = caller.start("'SELECT session_user AS s'");
    assert_eq!(caller.end_of(&id), r#"{"rows": [{"s": "sec_owner"}], "row_count": 1}"#);
}

#[test]
fn a_role_that_may_not_log_in_is_refused_or_run() {
    let superuser = superuser();
    tester(shared(), "sec_nologin");
    superuser
        .run("ALTER ROLE sec_nologin NOLOGIN; CREATE ROLE sec_enters LOGIN; GRANT sec_nologin TO sec_enters");
    let session = Session::open(shared(), "sec_enters", "postgres").expect("the role gets in");
    session.run("SET ROLE sec_nologin");
    match session.try_value("SELECT df.start('SELECT current_user AS u')") {
        Ok(id) => {
            let id = id.unwrap_or_default();
            assert_eq!(session.end_of(&id), r#"{"rows": [{"u": "sec_nologin"}], "row_count": 1}"#);
        }
        Err(error) => {
            assert_eq!(error.sqlstate, "42501", "{error}");
            assert!(error.message.contains("does not have LOGIN privilege"), "{error}");
        }
    }
}

#[test]
fn a_role_dropped_in_flight_fails_what_it_started() {
    let superuser = superuser();
    let session = role("sec_dropped");
    let id = session.start("df.sleep(1) ~> 'SELECT 1'");
    drop(session);
    superuser.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'sec_dropped' AND backend_type = 'client backend')");
    administer(shared(), "DROP OWNED BY sec_dropped; DROP ROLE sec_dropped");
    superuser.until(&format!("df.status('{id}') = 'failed'"));
    let outcome = superuser.outcome(&id);
    assert!(outcome.starts_with("failed "), "{outcome}");
    assert_eq!(
        superuser.value(&format!("SELECT completed_at IS NOT NULL FROM df.instances WHERE id = '{id}'")),
        "t"
    );
    // Others go on.
    assert!(role("sec_survivor").flow("'SELECT 1'").starts_with('{'));
}

#[test]
fn rights_taken_away_in_flight_are_gone_for_the_next_step() {
    let superuser = superuser();
    let session = role("sec_stripped");
    superuser.run("CREATE TABLE public.sec_data (i int); GRANT SELECT ON public.sec_data TO sec_stripped");
    let id = session.start("'SELECT count(*) FROM public.sec_data' ~> df.wait_for_signal('go') ~> 'SELECT count(*) FROM public.sec_data'");
    session
        .until(&format!("SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL"));
    superuser.run("REVOKE SELECT ON public.sec_data FROM sec_stripped");
    session.run(&format!("SELECT df.signal('{id}', 'go')"));
    assert!(session.end_of(&id).starts_with("failed 42501 at "));
    // Without USAGE on the schema no more starts; what was started ends.
    let id = session.start("df.wait_for_signal('go', 1) ~> 'SELECT 7 AS seven'");
    administer(shared(), "SELECT df.revoke_usage('sec_stripped')");
    check_refused(&session, "after revoke_usage", "SELECT df.start('SELECT 1')", "42501");
    superuser.until(&format!("df.status('{id}') = 'completed'"));
}

#[test]
fn a_group_that_is_left_in_flight_is_left() {
    let superuser = superuser();
    let session = role("sec_member");
    superuser.run("CREATE ROLE sec_club; CREATE TABLE public.sec_club_data (i int); GRANT SELECT ON public.sec_club_data TO sec_club; GRANT sec_club TO sec_member");
    let id = session.start("'SELECT * FROM public.sec_club_data' ~> df.wait_for_signal('go') ~> 'SELECT * FROM public.sec_club_data'");
    session
        .until(&format!("SELECT count(*) = 1 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL"));
    superuser.run("REVOKE sec_club FROM sec_member");
    session.run(&format!("SELECT df.signal('{id}', 'go')"));
    assert!(session.end_of(&id).starts_with("failed 42501 at "));
}

#[test]
fn delegated_administrators_give_what_they_have() {
    let superuser = superuser();
    let delegate = role("sec_delegate");
    superuser.run("CREATE ROLE sec_user LOGIN; CREATE ROLE sec_user2 LOGIN");
    check_refused(&delegate, "before the grant option", "SELECT df.grant_usage('sec_user')", "42501");
    administer(shared(), "SELECT df.grant_usage('sec_delegate', with_grant => true)");
    administer_as(shared(), "sec_delegate", "SELECT df.grant_usage('sec_user')");
    let user = Session::open(shared(), "sec_user", "postgres").expect("the role gets in");
    assert!(user.flow("'SELECT 1'").starts_with('{'));
    check_refused(&user, "a plain user", "SELECT df.grant_usage('sec_user2')", "42501");
    check_refused(&user, "a plain user", "SELECT * FROM df.metrics()", "42501");
    assert!(delegate.value("SELECT total_instances > 0 FROM df.metrics()") == "t");
    administer_as(shared(), "sec_delegate", "SELECT df.revoke_usage('sec_user')");
    check_refused(&user, "after its revocation", "SELECT df.start('SELECT 1')", "42501");
    // What the delegate gave goes with what it had.
    administer_as(shared(), "sec_delegate", "SELECT df.grant_usage('sec_user')");
    administer(shared(), "SELECT df.revoke_usage('sec_delegate')");
    check_refused(&user, "after the delegate's revocation", "SELECT df.start('SELECT 1')", "42501");
    check_refused(&delegate, "after its own revocation", "SELECT df.grant_usage('sec_user')", "42501");
}

#[test]
fn an_error_in_a_step_leaves_the_engine_alive() {
    let session = role("sec_errors");
    session.run(
        "CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN deep(n + 1); END $$",
    );
    for (name, step, sqlstate) in [
        ("stack", "SELECT deep(0)", "54001"),
        ("memory", "SELECT repeat('x', 1073741824)", "54000"),
        (
            "fatal words",
            "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'our bug?'; END $$",
            "XX000",
        ),
        (
            "cancel words",
            "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014', MESSAGE = 'cancelled, says the user'; END $$",
            "57014",
        ),
        (
            "serialization words",
            "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'try again, says the user'; END $$",
            "40001",
        ),
    ] {
        check(&session, name, &format!("$g${step}$g$"), &format!("failed {sqlstate} at 00000000"));
        check(&session, name, "'SELECT 1 AS a'", "{");
    }
    // Words that mean a shortage, which may pass.
    for (sqlstate, message) in [("53100", "disk full, says the user"), ("57P01", "gone, says the user")] {
        let step = format!(
            "$g$DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = '{message}'; END $$$g$"
        );
        let id = session.start(&step);
        session.until(&format!(
            "SELECT attempt >= 1 AND sqlstate = '{sqlstate}' AND error = '{message}' FROM df.instance_nodes('{id}')"
        ));
        check(&session, message, "'SELECT 1 AS a'", "{");
        session.run(&format!("SELECT df.cancel('{id}')"));
    }
}

/// The result of an instance when it has ended.
fn result(session: &Session, id: &str) -> String {
    session.end_of(id)
}

#[test]
fn a_workflow_is_run_by_those_whom_its_owner_lets() {
    let (owner, friend, eve) = (role("sec_wf_owner"), role("sec_wf_friend"), role("sec_wf_eve"));
    superuser().run("CREATE ROLE sec_wf_group; GRANT sec_wf_group TO sec_wf_friend");
    owner.run("SELECT df.register('sec.who', 'SELECT current_user AS u, session_user AS s')");
    let is_unseen =
        |session: &Session| session.value("SELECT count(*) FROM df.workflows WHERE name = 'sec.who'");
    for session in [&friend, &eve] {
        assert_eq!(is_unseen(session), "0");
        check_refused(session, "not granted", "SELECT df.run('sec.who', '{}')", "42704");
        check_refused(session, "not granted", "SELECT df.run('sec.who')", "42704");
        check_refused(
            session,
            "not granted",
            "SELECT df.run('sec.who', '{}', transaction_mode => 'new')",
            "42704",
        );
        check_refused(session, "not its own", "SELECT df.explain('sec.who')", "22023");
        check_refused(session, "granting to itself", "SELECT df.grant_run('sec.who', current_user)", "42501");
        check_refused(session, "revoking", "SELECT df.revoke_run('sec.who', 'sec_wf_owner')", "42501");
        check_refused(session, "another version", "SELECT df.register('sec.who', 'SELECT 2')", "42501");
        check_refused(session, "the same version", "SELECT df.register('sec.who', 'SELECT 2', 1)", "42501");
        check_refused(session, "unregistering", "SELECT df.unregister('sec.who')", "42501");
    }
    for (name, sql) in [
        ("a name", "INSERT INTO df.workflow_names VALUES ('x', 'sec_wf_eve')"),
        ("another's name", "UPDATE df.workflow_names SET owner = 'sec_wf_eve'"),
        ("a graph", "UPDATE df.workflow_versions SET graph = 'SELECT 1'"),
        ("a grant", "INSERT INTO df.workflow_grants VALUES ('sec.who', 'sec_wf_eve', 'sec_wf_eve')"),
        ("reading graphs", "SELECT * FROM df.workflow_versions"),
        ("reading grants", "SELECT * FROM df.workflow_grants"),
        ("the view", "UPDATE df.workflows SET run_as = 'owner'"),
    ] {
        check_refused(&eve, name, sql, if name == "the view" { "55000" } else { "42501" });
    }

    owner.run("SELECT df.grant_run('sec.who', 'sec_wf_group')");
    assert_eq!(is_unseen(&friend), "1");
    assert_eq!(is_unseen(&eve), "0");
    // By default it runs as whoever calls it.
    let id = friend.value("SELECT df.run('sec.who', '{}')");
    assert_eq!(
        result(&friend, &id),
        r#"{"rows": [{"s": "sec_wf_friend", "u": "sec_wf_friend"}], "row_count": 1}"#
    );
    // Who may run it may not change it.
    check_refused(&friend, "registering over it", "SELECT df.register('sec.who', 'SELECT 2')", "42501");
    check_refused(&friend, "passing it on", "SELECT df.grant_run('sec.who', 'sec_wf_eve')", "42501");
    assert_eq!(owner.value(&format!("SELECT count(*) FROM df.instances WHERE id = '{id}'")), "0");

    owner.run("SELECT df.revoke_run('sec.who', 'sec_wf_group')");
    check_refused(&friend, "revoked", "SELECT df.run('sec.who', '{}')", "42704");
    owner.run("SELECT df.grant_run('sec.who', 'public')");
    assert_eq!(is_unseen(&eve), "1");
    eve.value("SELECT df.run('sec.who', '{}')");
    owner.run("SELECT df.revoke_run('sec.who', 'public')");
    check_refused(&owner, "an unknown role", "SELECT df.grant_run('sec.who', 'sec_wf_nobody')", "42704");
    check_refused(&owner, "an unknown workflow", "SELECT df.grant_run('sec.nope', 'public')", "42704");

    // A member of the owner's role is as good as the owner; superusers may do everything but run as superusers.
    administer(shared(), "GRANT sec_wf_owner TO sec_wf_eve");
    eve.run("SELECT df.register('sec.who', 'SELECT 2', 2)");
    assert_eq!(eve.value("SELECT DISTINCT owner FROM df.workflows WHERE name = 'sec.who'"), "sec_wf_owner");
    let superuser = superuser();
    superuser.run("SELECT df.register('sec.who', 'SELECT 3', 3)");
    check_refused(&superuser, "as a superuser", "SELECT df.run('sec.who', '{}')", "42501");
    superuser.run("SELECT df.unregister('sec.who')");
}

#[test]
fn a_workflow_that_runs_as_its_owner_shows_its_caller_the_outcome_only() {
    let (owner, caller, eve) = (role("sec_def_owner"), role("sec_def_caller"), role("sec_def_eve"));
    owner.run("CREATE TABLE safe (secret text); INSERT INTO safe VALUES ('of the owner')");
    owner.run("SELECT df.setvar('key', 'owners key')");
    owner.run(
        "SELECT df.register('def.read', 'SELECT secret, ''{key}'' AS key FROM sec_def_owner.safe' |=> 'x'
             ~> 'SELECT session_user AS who, length($x.secret) AS n, $input.a AS a, ''{sys_label}'' AS label', run_as => 'owner');
         SELECT df.register('def.wait', df.wait_for_signal('go') |=> 's' ~> 'SELECT $s.data.x AS x, current_user AS u', run_as => 'owner');
         SELECT df.register('def.fail', 'SELECT 1/0', run_as => 'owner')",
    );
    owner.run("SELECT df.register('def.one', 'SELECT ''{key}'' AS k', run_as => 'owner')");
    check_refused(&caller, "not granted", "SELECT df.run('def.read', '{}')", "42704");
    for name in ["def.read", "def.wait", "def.fail", "def.one"] {
        owner.run(&format!("SELECT df.grant_run('{name}', 'sec_def_caller')"));
    }

    let id = caller.value("SELECT df.run('def.read', '{\"a\": 7}', label => $l$'; DROP TABLE safe; --$l$)");
    assert_eq!(
        result(&caller, &id),
        r#"{"rows": [{"a": 7, "n": 12, "who": "sec_def_owner", "label": "def.read"}], "row_count": 1}"#
    );
    for (query, expected) in [
        ("SELECT df.status('{id}')", "completed"),
        ("SELECT df.result('{id}') IS NOT NULL", "t"),
        ("SELECT status FROM df.instance_info('{id}')", "completed"),
        ("SELECT output IS NOT NULL FROM df.list_instances() WHERE instance_id = '{id}'", "t"),
        ("SELECT input ->> 'a' FROM df.instances WHERE id = '{id}'", "7"),
        ("SELECT vars FROM df.instances WHERE id = '{id}'", "NULL"),
        ("SELECT called_by = 'sec_def_caller'::regrole FROM df.instances WHERE id = '{id}'", "t"),
        ("SELECT count(*) FROM df.nodes WHERE instance_id = '{id}'", "0"),
        ("SELECT count(*) FROM df.instance_nodes('{id}')", "0"),
        ("SELECT count(*) FROM df.instance_nodes('{id}', 5)", "0"),
        ("SELECT count(*) FROM df.instance_executions('{id}')", "0"),
    ] {
        assert_eq!(caller.value(&query.replace("{id}", &id)), expected, "{query}");
    }
    check_refused(&caller, "the owner's nodes", &format!("SELECT df.explain('{id}')"), "42501");
    // The owner sees all of it, and somebody else nothing.
    assert_eq!(owner.value(&format!("SELECT count(*) FROM df.instance_nodes('{id}')")), "3");
    for query in [
        "SELECT count(*) FROM df.instances WHERE id = '{id}'",
        "SELECT count(df.result('{id}'))",
        "SELECT count(df._called_result('{id}'))",
        "SELECT count(df.status('{id}'))",
    ] {
        assert_eq!(eve.value(&query.replace("{id}", &id)), "0", "{query}");
    }
    assert_eq!(owner.value(&format!("SELECT count(df._called_result('{id}'))")), "0");
    // The result of a single node is there; its text, with the owner's variable, is not.
    let one = caller.value("SELECT df.run('def.one')");
    assert_eq!(result(&caller, &one), r#"{"rows": [{"k": "owners key"}], "row_count": 1}"#);
    assert_eq!(caller.value(&format!("SELECT count(*) FROM df.nodes WHERE instance_id = '{one}'")), "0");

    let failed = caller.value("SELECT df.run('def.fail')");
    assert!(result(&caller, &failed).starts_with("failed 22012"));
    assert_eq!(caller.value(&format!("SELECT sqlstate FROM df.error('{failed}')")), "22012");

    let waiting = caller.value("SELECT df.run('def.wait')");
    check_refused(&eve, "signalling", &format!("SELECT df.signal('{waiting}', 'go', '{{}}')"), "42704");
    check_refused(&eve, "cancelling", &format!("SELECT df.cancel('{waiting}')"), "42704");
    caller.run(&format!("SELECT df.signal('{waiting}', 'go', '{{\"x\": 1}}')"));
    assert_eq!(caller.value(&format!("SELECT df.await_instance('{waiting}')")), "completed");
    assert_eq!(result(&caller, &waiting), r#"{"rows": [{"u": "sec_def_owner", "x": 1}], "row_count": 1}"#);
    let cancelled = caller.value("SELECT df.run('def.wait')");
    caller.run(&format!("SELECT df.cancel('{cancelled}')"));
    assert_eq!(caller.value(&format!("SELECT df.await_instance('{cancelled}')")), "cancelled");

    // Keys of different callers do not meet, although one role owns both instances.
    owner.run("SELECT df.grant_run('def.one', 'sec_def_eve')");
    let run = "SELECT df.run('def.one', '{}', idempotency_key => 'k')";
    assert_eq!(caller.value(run), caller.value(run));
    assert_ne!(caller.value(run), eve.value(run));

    // Rights are looked at when it starts.
    administer(shared(), "SELECT df.revoke_usage('sec_def_owner')");
    check_refused(&caller, "an owner without usage", "SELECT df.run('def.one')", "42501");
    administer(shared(), "SELECT df.grant_usage('sec_def_owner')");
    caller.value("SELECT df.run('def.one')");
}

#[test]
fn keys_of_several_callers_of_one_owners_workflows_do_not_meet() {
    let owner = role("sec_keys_owner");
    owner.run(
        "SELECT df.register(name, 'SELECT 1', run_as => 'owner'), df.grant_run(name, 'public')
         FROM unnest(ARRAY['sec_keys', 'x/sec_keys']) AS name",
    );
    // Without care for what parts them, both would start under "sec_keys/x/sec_keys/k".
    let run = |caller: &Session, name: &str| {
        caller.value(&format!("SELECT df.run('{name}', '{{}}', idempotency_key => 'k')"))
    };
    let (one, other) = (role("sec_keys"), role("sec_keys/x"));
    let (first, second) = (run(&one, "x/sec_keys"), run(&other, "sec_keys"));
    assert_ne!(first, second);
    assert_eq!(run(&one, "x/sec_keys"), first);
    assert_eq!(run(&other, "sec_keys"), second);
}

#[test]
fn a_superusers_workflow_lends_no_rights() {
    let caller = role("sec_super_caller");
    let superuser = superuser();
    superuser.run(
        "SELECT df.register('super.do', 'SELECT current_user AS u', run_as => 'owner');
         SELECT df.grant_run('super.do', 'public')",
    );
    check_refused(&caller, "superuser instances are off", "SELECT df.run('super.do')", "42501");
    superuser.run("SELECT df.unregister('super.do')");
    // A function that registers for its caller does so as its owner.
    administer(shared(), "CREATE ROLE sec_super_gone LOGIN; SELECT df.grant_usage('sec_super_gone')");
    let gone = Session::open(shared(), "sec_super_gone", "postgres").expect("the role gets in");
    gone.run("SELECT df.register('super.gone', 'SELECT 1', run_as => 'owner'); SELECT df.grant_run('super.gone', 'public')");
    drop(gone);
    administer(shared(), "SELECT df.revoke_usage('sec_super_gone'); DROP ROLE sec_super_gone");
    check_refused(&caller, "an owner that is gone", "SELECT df.run('super.gone')", "42704");
    check_refused(&caller, "taking the name over", "SELECT df.register('super.gone', 'SELECT 2')", "42501");
    superuser.run("SELECT df.unregister('super.gone')");
    caller.run("SELECT df.register('super.gone', 'SELECT 2')");
}
