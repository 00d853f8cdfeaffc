//! A standby does nothing until it is promoted, and then goes on.

use super::cluster::{self, Client};
use super::flow::{Flow, effects_of};

#[test]
fn promoted_standby_goes_on_where_the_primary_stopped() {
    let primary = cluster::start(cluster::builder(), &["alice"]);
    let standby = primary.standby().expect("the standby starts");
    let flows = [
        Flow::Seq(vec![Flow::step("a"), Flow::slow("b", 1500), Flow::step("c")]),
        Flow::Seq(vec![Flow::step("a"), Flow::Sleep { millis: 3000 }, Flow::step("b")]),
        Flow::Seq(vec![
            Flow::Join(vec![Flow::slow("a", 1500), Flow::Signal { name: "go".to_owned() }]),
            Flow::step("b"),
        ]),
        Flow::Loop { body: Box::new(Flow::slow("a", 300)), label: "a".to_owned(), times: 8 },
    ];
    let (before, after) = (Client::new(&primary, "alice"), Client::new(&standby, "alice"));
    let watcher = Client::new(&standby, "postgres");
    let ids: Vec<String> =
        flows.iter().enumerate().map(|(n, flow)| before.start(&flow.sql(), &n.to_string(), "step")).collect();
    before.until("SELECT count(*) >= 3 FROM public.effects");
    before.until("SELECT count(*) = 1 FROM df.nodes WHERE waiting_for LIKE 'signal%'");
    let position = before.value("SELECT pg_current_wal_insert_lsn()");
    watcher.until(&format!("pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"));
    // It sees the workflows, and has not a process of the engine that could touch them.
    assert_eq!(watcher.value("SELECT pg_is_in_recovery() AND count(*) >= 4 FROM df.instances"), "t");
    assert_eq!(
        watcher.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_durable%'"),
        "0"
    );
    let refused = after.try_rows("SELECT df.start('SELECT 1')").expect_err("a standby takes no writes");
    assert_eq!(refused.sqlstate, "25006");
    primary.kill_postmaster().expect("all processes leave with the postmaster");
    standby.promote().expect("the standby is promoted");
    after.value(&format!("SELECT df.signal('{}', 'go')", ids[2]));
    for (flow, id) in flows.iter().zip(&ids) {
        assert_eq!(after.end_of(id), "completed", "{flow:?}");
        flow.check(&after.rows(&effects_of(id))).unwrap_or_else(|error| panic!("{flow:?}: {error}"));
    }
}
