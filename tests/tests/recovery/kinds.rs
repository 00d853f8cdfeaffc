//! One kill in the middle of every node kind, for each way to kill.

use pg_durable_sdk::testing::{StopMode, TestServer};
use pg_durable_tests::server::literal;

use super::cluster::{self, Client};
use super::flow::{Flow, effects_of};

/// Long enough for the kill to come in the middle of all of them.
const LONG_MS: u64 = 1500;

fn flows() -> Vec<(&'static str, Flow)> {
    let held = |label: &str| Flow::slow(label, LONG_MS);
    let mut flows = vec![
        ("sql", Flow::Seq(vec![Flow::step("a"), held("b"), Flow::step("c")])),
        (
            "join",
            Flow::Seq(vec![
                Flow::Join(vec![held("a"), Flow::Seq(vec![Flow::step("b"), held("c")]), Flow::step("d")]),
                Flow::step("e"),
            ]),
        ),
        (
            "race",
            Flow::Seq(vec![
                Flow::Race {
                    winner: Box::new(held("a")),
                    losers: vec![
                        Flow::Seq(vec![Flow::step("b"), Flow::slow("c", 600_000)]),
                        Flow::Never,
                        Flow::Day,
                    ],
                },
                Flow::step("d"),
            ]),
        ),
        (
            "loop",
            Flow::Seq(vec![
                Flow::Loop {
                    body: Box::new(Flow::Seq(vec![Flow::step("a"), Flow::slow("b", LONG_MS / 3)])),
                    label: "a".to_owned(),
                    times: 4,
                },
                Flow::step("c"),
            ]),
        ),
        (
            "break",
            Flow::Seq(vec![
                Flow::Break {
                    body: Box::new(Flow::Join(vec![Flow::slow("a", LONG_MS / 3), Flow::step("b")])),
                    label: "a".to_owned(),
                    times: 4,
                },
                Flow::step("c"),
            ]),
        ),
        (
            "if",
            Flow::If {
                condition: true,
                then: Box::new(Flow::Seq(vec![held("a"), Flow::step("b")])),
                otherwise: Box::new(Flow::step("c")),
            },
        ),
        ("sleep", Flow::Seq(vec![Flow::step("a"), Flow::Sleep { millis: 2 * LONG_MS }, Flow::step("b")])),
        (
            "signal sent before",
            Flow::Seq(vec![held("a"), Flow::Signal { name: "go".to_owned() }, Flow::step("b")]),
        ),
        (
            "signal sent after",
            Flow::Join(vec![
                Flow::Seq(vec![Flow::step("a"), Flow::Signal { name: "go".to_owned() }, Flow::step("b")]),
                Flow::step("c"),
            ]),
        ),
    ];
    flows.extend(failing());
    flows
}

/// Those in which something fails, and is taken.
fn failing() -> Vec<(&'static str, Flow)> {
    vec![
        (
            "retry",
            Flow::Seq(vec![
                Flow::Retry {
                    body: Box::new(Flow::Seq(vec![Flow::step("a"), Flow::slow("b", LONG_MS / 3)])),
                    label: "a".to_owned(),
                    times: 4,
                },
                Flow::step("c"),
            ]),
        ),
        (
            "settle",
            Flow::Seq(vec![
                Flow::Settle {
                    fails: Box::new(Flow::slow("a", LONG_MS / 2)),
                    others: vec![Flow::Seq(vec![Flow::step("b"), Flow::slow("c", LONG_MS)]), Flow::step("d")],
                },
                Flow::step("e"),
            ]),
        ),
        (
            "catch",
            Flow::Seq(vec![
                Flow::Catch {
                    fails: Box::new(Flow::slow("a", LONG_MS / 2)),
                    beside: vec![Flow::Seq(vec![Flow::step("b"), Flow::slow("c", 600_000)]), Flow::Never],
                    handler: Box::new(Flow::Seq(vec![Flow::step("d"), Flow::slow("e", LONG_MS / 2)])),
                },
                Flow::step("f"),
            ]),
        ),
    ]
}

/// Starts all of them, waits until each is in its middle, kills, and counts.
fn check(kill: impl Fn(&TestServer, &Client<'_>)) {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let flows = flows();
    let ids: Vec<String> = flows
        .iter()
        .map(|(name, flow)| {
            let id = alice.start(&flow.sql(), name, "step");
            if *name == "signal sent before" {
                alice.value(&format!("SELECT df.signal('{id}', 'go')"));
            }
            id
        })
        .collect();
    let scheduled = alice.start("df.seq('SELECT 1', df.wait_for_schedule('* * * * *'))", "schedule", "step");
    let wake_at =
        format!("SELECT wake_at FROM df.instance_nodes('{scheduled}') WHERE node_type = 'WAIT_SCHEDULE'");
    // Nine statements that take their time, one of them twice in a JOIN, and three that wait.
    admin.until(
        "SELECT count(*) >= 6 FROM pg_stat_activity
         WHERE backend_type = 'pg_durable executor' AND wait_event = 'PgSleep'",
    );
    alice.until("SELECT count(*) >= 3 FROM df.nodes WHERE wake_at IS NOT NULL OR waiting_for LIKE 'signal%'");
    alice.until(&format!("({wake_at}) IS NOT NULL"));
    let due = alice.value(&wake_at);
    kill(&server, &admin);
    for ((name, _), id) in flows.iter().zip(&ids) {
        if *name == "signal sent after" {
            alice.value(&format!("SELECT df.signal('{id}', 'go')"));
        }
    }
    for ((name, flow), id) in flows.iter().zip(&ids) {
        let status = alice.end_of(id);
        assert_eq!(
            status,
            "completed",
            "{name}: {}\n{}",
            alice.value(&format!("SELECT error FROM df.instances WHERE id = {}", literal(id))),
            alice.state()
        );
        flow.check(&alice.rows(&effects_of(id))).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let still_due = alice.value(&format!("SELECT coalesce(({wake_at})::text, 'fired')"));
    assert!(still_due == due || still_due == "fired", "{due} became {still_due}");
    alice.value(&format!("SELECT df.cancel('{scheduled}')"));
    admin.until("SELECT count(*) = 0 FROM df.workers() WHERE state = 'running' AND kind = 'executor'");
}

#[test]
fn killed_executor_loses_and_doubles_nothing() {
    check(|server, admin| {
        let busy = "SELECT pid FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL LIMIT 1";
        let pid = admin.value(busy).parse().expect("an executor is busy");
        server.kill_backend(pid).expect("the executor is killed");
    });
}

#[test]
fn killed_postmaster_loses_and_doubles_nothing() {
    check(|server, _| {
        server.kill_postmaster().expect("all processes leave with the postmaster");
        server.start_again().expect("the server starts again");
    });
}

#[test]
fn immediate_stop_loses_and_doubles_nothing() {
    check(|server, _| {
        server.stop(StopMode::Immediate).expect("the server stops");
        server.start_again().expect("the server starts again");
    });
}

#[test]
fn terminated_executors_lose_and_double_nothing() {
    check(|_, admin| {
        admin.rows("SELECT pg_terminate_backend(pid) FROM df.workers() WHERE kind = 'executor'");
    });
}

#[test]
fn terminated_scheduler_and_launcher_lose_and_double_nothing() {
    check(|_, admin| {
        admin.rows(
            "SELECT pg_terminate_backend(pid) FROM df.workers() WHERE kind IN ('scheduler', 'launcher')",
        );
    });
}
