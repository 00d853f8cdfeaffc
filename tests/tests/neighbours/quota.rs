//! `pg_durable.max_unfinished`: how many unfinished instances a role may have.

use std::thread;

use pg_durable_tests::session::Session;

use super::town::{self, open};

const SLEEPS: &str = "df.sleep(3600)";

fn starts(session: &Session, count: usize) -> String {
    match session.try_value(&format!("SELECT count(df.start({SLEEPS})) FROM generate_series(1, {count})")) {
        Ok(count) => count.unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_role_has_no_more_unfinished_instances_than_it_may() {
    let server = town::start(town::builder(), &["postgres"], 4);
    let admin = open(&server, "postgres", "postgres");
    for (role, most) in [("r1", 5), ("r2", 3), ("r4", 300)] {
        admin.run(&format!("ALTER ROLE {role} SET pg_durable.max_unfinished = {most}"));
    }
    let refused = "error 53400\nmessage: role \"r1\" has 5 unfinished instances, as many as it may have\n\
                   hint: Wait until some have ended, or cancel them. A superuser may raise the limit: ALTER ROLE r1 SET pg_durable.max_unfinished.";
    let first = open(&server, "r1", "postgres");
    // One by one, in one statement, and in one transaction; none of those that were refused is left.
    assert_eq!(starts(&first, 6), refused);
    assert_eq!(starts(&first, 3), "3");
    first.run("BEGIN");
    assert_eq!(starts(&first, 2), "2");
    assert_eq!(starts(&first, 1), refused);
    first.run("ROLLBACK");
    assert_eq!(starts(&first, 2), "2");
    let keyed = format!("SELECT df.start({SLEEPS}, idempotency_key => 'k')");
    assert_eq!(first.error(&keyed).sqlstate, "53400");
    // One that ends makes room for another; one that is known is no start.
    first.run("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running') LIMIT 1");
    let id = first.value(&keyed);
    assert_eq!(first.value(&keyed), id);
    assert_eq!(starts(&first, 1), refused);
    // Steps start as their role.
    let third = open(&server, "r3", "postgres");
    assert_eq!(starts(&third, 20), "20", "others may have any number");
    // More than one count is relied on for.
    let fourth = open(&server, "r4", "postgres");
    assert_eq!(starts(&fourth, 300), "300");
    assert!(starts(&fourth, 1).starts_with("error 53400"));
    // Not theirs to change.
    assert_eq!(first.error("SET pg_durable.max_unfinished = 0").sqlstate, "42501");
}

#[test]
fn a_start_counts_for_whom_it_is() {
    let server = town::start(town::builder(), &["postgres"], 3);
    let admin = open(&server, "postgres", "postgres");
    admin.run(
        "ALTER ROLE r1 SET pg_durable.max_unfinished = 2; ALTER ROLE r3 SET pg_durable.max_unfinished = 1",
    );
    admin.run("GRANT r1 TO r2; GRANT r2 TO r3");
    let (owner, caller) = (open(&server, "r1", "postgres"), open(&server, "r2", "postgres"));
    owner.run(&format!(
        "SELECT df.register('shared', {SLEEPS}, run_as => 'owner'); SELECT df.grant_run('shared', 'r2')"
    ));
    // The owner's, whoever calls; the caller has no limit of its own.
    caller.run("SELECT df.run('shared')");
    assert_eq!(starts(&caller, 5), "5");
    assert_eq!(starts(&owner, 1), "1");
    let error = caller.error("SELECT df.run('shared')");
    assert_eq!(
        (error.sqlstate.as_str(), error.message.as_str()),
        ("53400", "role \"r1\" has 2 unfinished instances, as many as it may have")
    );
    // By SET ROLE too; of one that has none the session's counts.
    caller.run("SET ROLE r1");
    assert!(starts(&caller, 1).starts_with("error 53400"));
    let member = open(&server, "r3", "postgres");
    assert_eq!(starts(&member, 1), "1");
    member.run("SET ROLE r2");
    assert!(starts(&member, 1).contains("role \"r2\" has 1 unfinished"), "{}", starts(&member, 1));
}

#[test]
fn who_starts_at_the_same_moment_may_have_as_many_more_as_are_under_way() {
    const SESSIONS: usize = 8;
    const MOST: usize = 20;
    let server = town::start(town::builder(), &["postgres"], 1);
    let admin = open(&server, "postgres", "postgres");
    admin.run(&format!("ALTER ROLE r1 SET pg_durable.max_unfinished = {MOST}"));
    thread::scope(|scope| {
        for _ in 0..SESSIONS {
            scope.spawn(|| {
                let session = open(&server, "r1", "postgres");
                while starts(&session, 1) == "1" {}
            });
        }
    });
    let count: usize = admin.value("SELECT count(*) FROM df.instances").parse().expect("a number");
    assert!((MOST..MOST + SESSIONS).contains(&count), "{count}");
}
