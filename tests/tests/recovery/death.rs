//! Steps that take their own process with them.

use super::cluster::{self, Client};
use super::flow::{Flow, effects_of};

#[test]
fn step_whose_process_is_killed_three_times_fails_and_others_do_not() {
    let server = cluster::start(cluster::builder(), &["alice", "bob"]);
    let (admin, alice, bob) =
        (Client::new(&server, "postgres"), Client::new(&server, "alice"), Client::new(&server, "bob"));
    // Longer than three restarts, so that it is always in flight when the other dies.
    let others = Flow::Seq(vec![Flow::step("a"), Flow::slow("b", 3000), Flow::step("c")]);
    let innocent = bob.start(&others.sql(), "innocent", "step");
    let id = alice.start("df.seq('SELECT 1', 'SELECT pg_sleep(600) /* poison */')", "poison", "step");
    for death in 1..=3 {
        let poison = "SELECT pid FROM pg_stat_activity
                      WHERE query LIKE '%/* poison */%' AND wait_event = 'PgSleep'";
        admin.until(&format!("({poison}) IS NOT NULL"));
        admin.until(
            "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND wait_event = 'PgSleep')
             OR EXISTS (SELECT FROM df.instances WHERE label = 'innocent' AND status = 'completed')",
        );
        let pid = admin.value(poison).parse().expect("the step runs");
        server.kill_backend(pid).expect("the executor is killed");
        cluster::wait_for("the death is counted", || {
            admin.value(&format!("SELECT coalesce(max(deaths), 0) FROM df.nodes WHERE instance_id = '{id}'"))
                == death.to_string()
        });
    }
    assert_eq!(alice.end_of(&id), "failed");
    let error = alice.value(&format!("SELECT message FROM df.error('{id}')"));
    assert!(error.contains("died 3 times"), "{error}");
    assert_eq!(bob.end_of(&innocent), "completed");
    others.check(&bob.rows(&effects_of(&innocent))).unwrap();
    assert_eq!(
        bob.value(&format!("SELECT count(deaths) FROM df.nodes WHERE instance_id = '{innocent}'")),
        "0"
    );
}

#[test]
fn step_that_terminates_its_own_process_fails_in_the_end() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let alice = Client::new(&server, "alice");
    let id = alice.start("'SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)'", "suicide", "step");
    // Who waits is told, too.
    assert_eq!(alice.value(&format!("SELECT df.await_instance('{id}', 30)")), "failed");
    let error = alice.value(&format!("SELECT message FROM df.error('{id}')"));
    assert!(error.contains("died 3 times"), "{error}");
}

#[test]
fn deaths_of_earlier_generations_do_not_count() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let flow = Flow::Loop { body: Box::new(Flow::slow("a", 400)), label: "a".to_owned(), times: 4 };
    let id = alice.start(&flow.sql(), "loop", "step");
    for pass in 0..4 {
        admin.until(&format!("SELECT count(*) = {pass} FROM public.effects"));
        let running = "SELECT pid FROM pg_stat_activity
                       WHERE backend_type = 'pg_durable executor' AND wait_event = 'PgSleep'";
        admin.until(&format!("({running}) IS NOT NULL"));
        if let Ok(pid) = admin.value(running).parse() {
            server.kill_backend(pid).expect("the executor is killed");
        }
    }
    assert_eq!(alice.end_of(&id), "completed");
    flow.check(&alice.rows(&effects_of(&id))).unwrap();
}
