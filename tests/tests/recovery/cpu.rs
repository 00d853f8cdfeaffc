//! A step that only computes.

use super::cluster::{self, Client};

#[test]
fn computing_step_does_not_outlive_the_postmaster() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let id = alice.start("'SELECT count(*) FROM generate_series(1, 1000000000) /* busy */'", "busy", "step");
    let is_busy = "SELECT count(*) = 1 FROM pg_stat_activity
                   WHERE backend_type = 'pg_durable executor' AND query LIKE '%/* busy */%' AND state = 'active'";
    admin.until(is_busy);
    let started = std::time::Instant::now();
    server.kill_postmaster().expect("all processes leave with the postmaster");
    assert!(started.elapsed().as_secs() < 10, "the step held up the restart for {:?}", started.elapsed());
    server.start_again().expect("the server starts again");
    admin.until(is_busy);
    alice.value(&format!("SELECT df.cancel('{id}')"));
    admin.until("SELECT count(*) = 0 FROM df.workers() WHERE state = 'running' AND kind = 'executor'");
}
