//! Nobody starves.

use std::time::{Duration, Instant};

use super::cluster::{self, Client};

/// With this many executors in all, a role whose work is long keeps another one waiting no longer than `at_most`.
fn check(executors_max: &str, long_step: &str, count: usize, at_most: Duration) {
    let builder = cluster::builder().setting("pg_durable.max_executors", executors_max);
    let server = cluster::start(builder, &["alice", "bob"]);
    let (admin, alice, bob) =
        (Client::new(&server, "postgres"), Client::new(&server, "alice"), Client::new(&server, "bob"));
    for number in 0..count {
        alice.start(long_step, &format!("long-{number}"), "barrier");
    }
    admin.until("SELECT count(*) >= 1 FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL");
    for number in 0..3 {
        let started = Instant::now();
        let id = bob.start("'SELECT 1'", &format!("short-{number}"), "step");
        assert_eq!(bob.end_of(&id), "completed");
        assert!(started.elapsed() < at_most, "waited {:?}\n{}", started.elapsed(), admin.state());
    }
    // Nor has the other lost its turn for good.
    let steps = "SELECT sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'nodes'";
    assert_ne!(admin.value(steps), "0");
    admin.rows("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')");
    admin.until("SELECT count(*) = 0 FROM df.workers() WHERE state = 'running' AND kind = 'executor'");
}

const ASLEEP: &str = "'SELECT pg_sleep(600)'";
/// Many short steps without end.
const RESTLESS: &str = "df.loop('SELECT 1', 'SELECT true')";

#[test]
fn short_step_of_one_role_does_not_wait_for_long_ones_of_another() {
    check("16", ASLEEP, 16, Duration::from_secs(2));
}

#[test]
fn two_executors_are_enough_for_two_roles() {
    check("2", ASLEEP, 16, Duration::from_secs(2));
}

#[test]
fn one_executor_is_shared_between_roles_whose_work_never_ends() {
    check("1", RESTLESS, 4, Duration::from_secs(4));
}

#[test]
fn instance_with_branches_without_end_does_not_keep_its_role_to_itself() {
    let builder = cluster::builder().setting("pg_durable.max_executors", "1");
    let server = cluster::start(builder, &["alice"]);
    let alice = Client::new(&server, "alice");
    let endless = "df.loop(df.join('SELECT 1', 'SELECT 2'), 'SELECT true')";
    let endless = alice.start(endless, "endless", "barrier");
    alice.until("SELECT max(iteration) > 3 FROM df.nodes");
    let id = alice.start("'SELECT 1'", "short", "step");
    assert_eq!(alice.end_of(&id), "completed");
    alice.value(&format!("SELECT df.cancel('{endless}')"));
}
