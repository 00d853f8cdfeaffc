//! Giving levels and taking them back.

use std::process::Command;

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::{administer, administer_as, administering, shared};
use pg_durable_tests::session::Session;

use crate::{check_refused, role, superuser};

/// Every right of a role on the extension, one a line.
fn rights_of(session: &Session, name: &str) -> String {
    session.value(&format!(
        "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), '-') FROM (
             SELECT o.kind || ' ' || o.name || ' ' || a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END
                 || ' by ' || a.grantor::regrole
             FROM (SELECT 'function', oid::regprocedure::text, proacl FROM pg_proc WHERE pronamespace = 'df'::regnamespace
                   UNION ALL SELECT 'relation', oid::regclass::text, relacl FROM pg_class WHERE relnamespace = 'df'::regnamespace
                   UNION ALL SELECT 'schema', nspname, nspacl FROM pg_namespace WHERE nspname = 'df') AS o (kind, name, acl),
                  LATERAL aclexplode(o.acl) AS a
             WHERE a.grantee = (SELECT oid FROM pg_roles WHERE rolname = '{name}')) AS l (line)"
    ))
}

#[test]
fn grants_are_the_same_twice_and_a_revoke_leaves_what_another_level_needs() {
    let superuser = superuser();
    administer(shared(), "CREATE ROLE gr_twice");
    let change = |sql: &str| {
        administer(shared(), sql);
        rights_of(&superuser, "gr_twice")
    };
    let usage = change("SELECT df.grant_usage('gr_twice')");
    assert_eq!(change("SELECT df.grant_usage('gr_twice')"), usage);
    let operate = {
        change("SELECT df.revoke_usage('gr_twice')");
        change("SELECT df.grant_fleet('gr_twice', 'operate')")
    };
    assert_eq!(change("SELECT df.grant_fleet('gr_twice', 'operate')"), operate);
    assert_eq!(
        change("SELECT df.grant_fleet('gr_twice', 'metadata')"),
        operate,
        "to give less takes nothing"
    );
    // Both give USAGE on the schema, and EXECUTE on df.cancel and df.signal.
    let both = change("SELECT df.grant_usage('gr_twice')");
    assert!(both.len() > usage.len() && both.len() > operate.len());
    assert_eq!(change("SELECT df.revoke_usage('gr_twice')"), operate);
    assert_eq!(change("SELECT df.revoke_usage('gr_twice')"), operate);
    change("SELECT df.grant_usage('gr_twice')");
    assert_eq!(change("SELECT df.revoke_fleet('gr_twice')"), usage);
    assert_eq!(change("SELECT df.revoke_fleet('gr_twice')"), usage);
    assert_eq!(change("SELECT df.revoke_usage('gr_twice')"), "-");
    assert_eq!(change("SELECT df.revoke_usage('gr_twice')"), "-");

    // A level goes with those above it.
    let read = change("SELECT df.grant_fleet('gr_twice', 'read')");
    change("SELECT df.grant_fleet('gr_twice', 'operate')");
    assert_eq!(change("SELECT df.revoke_fleet('gr_twice', 'operate')"), read);
    let metadata = change("SELECT df.revoke_fleet('gr_twice', 'read')");
    assert!(metadata.contains("fleet_metadata") && !metadata.contains("fleet_read"), "{metadata}");
    change("SELECT df.grant_usage('gr_twice', with_grant => true)");
    assert_eq!(change("SELECT df.revoke_usage('gr_twice')"), metadata, "df.metrics() is of both");
    change("SELECT df.grant_fleet('gr_twice', 'read', with_grant => true)");
    assert_eq!(change("SELECT df.revoke_fleet('gr_twice')"), "-");
    administer(shared(), "DROP ROLE gr_twice");
}

#[test]
fn what_cannot_be_given_is_an_error() {
    let superuser = superuser();
    for (sql, sqlstate) in [
        ("SELECT df.grant_fleet('gr_nobody', 'read')", "42704"),
        ("SELECT df.revoke_fleet('gr_nobody')", "42704"),
        ("SELECT df.grant_usage('gr_nobody')", "42704"),
        ("SELECT df.revoke_usage('gr_nobody')", "42704"),
        ("SELECT df.grant_fleet('postgres', 'write')", "22023"),
        ("SELECT df.revoke_fleet('postgres', 'READ')", "22023"),
    ] {
        check_refused(&superuser, "given", sql, sqlstate);
    }
    let plain = role("gr_plain");
    for sql in [
        "SELECT df.grant_fleet('gr_plain', 'read')",
        "SELECT df.revoke_fleet('gr_plain')",
        "SELECT df._grant('gr_plain', ARRAY['operate'], false)",
        "SELECT df._revoke('gr_plain', ARRAY['operate'])",
        "GRANT EXECUTE ON FUNCTION df.fleet_operate() TO gr_plain",
    ] {
        check_refused(&plain, "by one who has nothing", sql, "42501");
    }
}

#[test]
fn levels_are_passed_on_by_those_who_have_them_and_fall_with_them() {
    let superuser = superuser();
    administer(shared(), "CREATE ROLE gr_lead LOGIN; CREATE ROLE gr_night LOGIN; CREATE ROLE gr_day LOGIN");
    administer(shared(), "SELECT df.grant_fleet('gr_lead', 'read', with_grant => true)");
    let lead = Session::open(shared(), "gr_lead", "postgres").expect("the role gets in");
    let night = Session::open(shared(), "gr_night", "postgres").expect("the role gets in");
    administer_as(shared(), "gr_lead", "SELECT df.grant_fleet('gr_night', 'read')");
    assert_eq!(night.value("SELECT df._fleet_level()"), "2");
    // More than it has, and what it may not pass on, it does not give: also not in part.
    let give = || administering(|| lead.error("SELECT df.grant_fleet('gr_day', 'operate')"));
    assert_eq!(give().sqlstate, "42501");
    administer(shared(), "SELECT df.grant_fleet('gr_lead', 'operate')");
    let error = give();
    assert_eq!(error.sqlstate, "42501", "{error}");
    let detail = error.detail.unwrap_or_default();
    assert!(detail.contains("df.fleet_operate()") && !detail.contains("df.fleet_read()"), "{detail}");
    assert_eq!(rights_of(&superuser, "gr_day"), "-");
    check_refused(&lead, "usage is another right", "SELECT df.grant_usage('gr_day')", "42501");

    // Each takes back what it gave.
    administer(shared(), "SELECT df.grant_fleet('gr_night', 'metadata')");
    administer_as(shared(), "gr_lead", "SELECT df.revoke_fleet('gr_night')");
    assert_eq!(night.value("SELECT df._fleet_level()"), "1");
    administer_as(shared(), "gr_lead", "SELECT df.revoke_fleet('gr_night')");
    assert_eq!(night.value("SELECT df._fleet_level()"), "1");
    administer(shared(), "SELECT df.revoke_fleet('gr_night')");
    check_refused(&night, "without any", "SELECT df._fleet_level()", "42501");
    administer_as(shared(), "gr_lead", "SELECT df.grant_fleet('gr_night', 'read')");
    administer(shared(), "SELECT df.revoke_fleet('gr_lead')");
    assert_eq!(rights_of(&superuser, "gr_night"), "-");
    assert_eq!(rights_of(&superuser, "gr_lead"), "-");
    administer(shared(), "DROP ROLE gr_night, gr_day");
}

#[test]
fn whose_workflow_lends_rights_has_usage_and_not_just_a_level() {
    let (owner, caller) = (role("gr_lends"), role("gr_calls"));
    owner.run("SELECT df.register('gr.lent', 'SELECT current_user AS u', run_as => 'owner'); SELECT df.grant_run('gr.lent', 'public')");
    caller.value("SELECT df.run('gr.lent')");
    administer(shared(), "SELECT df.grant_fleet('gr_lends', 'read'); SELECT df.revoke_usage('gr_lends')");
    check_refused(&caller, "an owner with a level only", "SELECT df.run('gr.lent')", "42501");
    for sql in [
        "SELECT df.start('SELECT 1')",
        "SELECT df.start('SELECT 1', transaction_mode => 'new')",
        "SELECT df.run('gr.lent')",
        "SELECT df.run('gr.lent', '{}')",
        "SELECT df.register('gr.more', 'SELECT 1')",
        "SELECT df.unregister('gr.lent')",
        "SELECT df.grant_run('gr.lent', 'gr_calls')",
        "SELECT df.revoke_run('gr.lent', 'public')",
        "SELECT df.setvar('a', 'b')",
        "SELECT df.unsetvar('a')",
        "SELECT df.clearvars()",
    ] {
        check_refused(&owner, "a level only", sql, "42501");
    }
    administer(shared(), "SELECT df.grant_usage('gr_lends')");
    caller.value("SELECT df.run('gr.lent')");
    owner.run("SELECT df.unregister('gr.lent')");
}

#[test]
fn a_dump_carries_every_grant() {
    let server = shared();
    let superuser = superuser();
    superuser.run("CREATE DATABASE gr_source");
    superuser.run("CREATE DATABASE gr_target");
    superuser.run("CREATE ROLE gr_app; CREATE ROLE gr_admin LOGIN; CREATE ROLE gr_eyes; CREATE ROLE gr_hands; CREATE ROLE gr_given");
    let source = Session::open(server, "postgres", "gr_source").expect("the superuser gets in");
    source.run("CREATE EXTENSION pg_durable");
    let fresh = rights_of(&source, "pg_monitor");
    source.run(
        "SELECT df.grant_usage('gr_app'), df.grant_usage('gr_admin', with_grant => true), df.grant_fleet('gr_eyes', 'metadata'),
                df.grant_fleet('gr_admin', 'read', with_grant => true), df.grant_fleet('gr_hands', 'operate')",
    );
    let admin = Session::open(server, "gr_admin", "gr_source").expect("the administrator gets in");
    admin.run("SELECT df.grant_fleet('gr_given', 'read')");
    source.run("REVOKE EXECUTE ON FUNCTION df.workers() FROM PUBLIC");
    dump_and_restore(server, "gr_source", "gr_target");
    let target = Session::open(server, "postgres", "gr_target").expect("the superuser gets in");
    for role in ["gr_app", "gr_admin", "gr_eyes", "gr_hands", "gr_given", "pg_monitor"] {
        let rights = rights_of(&source, role);
        assert_ne!(rights, "-", "{role}");
        assert_eq!(rights_of(&target, role), rights, "{role}");
    }
    assert_eq!(rights_of(&target, "pg_monitor"), fresh);
    assert_eq!(target.value("SELECT has_function_privilege('gr_app', 'df.workers()', 'EXECUTE')"), "f");
    // What was given is taken back there as here; also from everybody.
    drop(admin);
    let everybody = "SELECT has_function_privilege('public', 'df.start(text, text, text, text, text, text, jsonb)', 'EXECUTE')";
    target.run("SELECT df.grant_usage('public')");
    assert_eq!(target.value(everybody), "t");
    target.run("SELECT df.revoke_usage('public')");
    assert_eq!(target.value(everybody), "f");
    for session in [&source, &target] {
        session.run("SELECT df.revoke_usage('gr_admin'), df.revoke_fleet('gr_admin')");
        assert_eq!(rights_of(session, "gr_admin"), "-");
        assert_eq!(rights_of(session, "gr_given"), "-");
    }
    drop((source, target));
    superuser.run("DROP DATABASE gr_source");
    superuser.run("DROP DATABASE gr_target");
}

/// Dumps a database with its rights and restores it into another one.
fn dump_and_restore(server: &TestServer, from: &str, to: &str) {
    let program = |name: &str| server.installation().program(name).display().to_string();
    let pipe = format!(
        "{} -d '{}' | {} -X -q -v ON_ERROR_STOP=1 -d '{}'",
        program("pg_dump"),
        server.dsn("postgres", from),
        program("psql"),
        server.dsn("postgres", to),
    );
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &pipe]).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
