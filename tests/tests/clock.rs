//! The engine's clock, moved by tests.

use std::time::{Duration, Instant};

use pg_durable_sdk::testing::{TestServer, TestServerError};
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

fn server(test_clock: &str) -> TestServer {
    let server = TestServer::builder()
        .setting("pg_durable.test_clock", test_clock)
        .setting("timezone", "UTC")
        .start()
        .expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "clock");
    server
}

/// Starts a workflow and waits until it waits.
fn waiting(session: &Session, graph: &str) -> String {
    let id = session.start(graph);
    session
        .until(&format!("SELECT count(*) > 0 FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL"));
    id
}

#[test]
fn what_is_due_happens_when_the_clock_is_moved() {
    let server = server("on");
    let session = Session::open(&server, "clock", "postgres").expect("the role gets in");
    let begun = Instant::now();
    let sleep = waiting(&session, "df.sleep(interval '1 day') ~> 'SELECT 1 AS slept'");
    let late = waiting(&session, "df.wait_for_signal('never', 86400)");
    let cron = waiting(&session, "df.wait_for_schedule('0 0 1 1 *') ~> 'SELECT 1 AS new_year'");
    let race = waiting(
        &session,
        "df.race(df.sleep(86400 * 3), df.wait_for_signal('go', 7200) ~> 'SELECT 2 AS two')",
    );
    let first = "SELECT extract(epoch FROM df.advance_clock('23:59:00') - clock_timestamp())::int / 60";
    assert_eq!(session.value(first), "1439");
    assert_eq!(session.value(&format!("SELECT df.status('{sleep}')")), "running");
    assert_eq!(session.end_of(&race), r#"{"rows": [{"two": 2}], "row_count": 1}"#);
    session.run("SELECT df.advance_clock('61 seconds')");
    assert_eq!(session.end_of(&sleep), r#"{"rows": [{"slept": 1}], "row_count": 1}"#);
    assert_eq!(session.end_of(&late), r#"{"data": null, "timed_out": true, "signal_name": "never"}"#);
    session.run("SELECT df.advance_clock('366 days')");
    assert_eq!(session.end_of(&cron), r#"{"rows": [{"new_year": 1}], "row_count": 1}"#);
    // A wait that is reached now counts from the moved clock.
    let again = waiting(&session, "df.sleep(3600)");
    let wake_at =
        format!("SELECT wake_at > clock_timestamp() + interval '366 days' FROM df.instance_nodes('{again}')");
    assert_eq!(session.value(&wake_at), "t");
    session.run("SELECT df.advance_clock('1 hour')");
    session.end_of(&again);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());

    // Another database hears of it, too.
    server.psql("postgres", "CREATE DATABASE other OWNER clock").expect("a database is made");
    server.psql("other", "CREATE EXTENSION pg_durable; SELECT df.grant_usage('clock')").expect("and served");
    let there = Session::open(&server, "clock", "other").expect("the role gets in");
    let other = waiting(&there, "df.sleep(3600)");
    session.run("SELECT df.advance_clock('1 hour')");
    there.end_of(&other);

    for (by, expected) in [("-1 second", "22023"), ("20000 years", "22023")] {
        assert_eq!(session.error(&format!("SELECT df.advance_clock('{by}')")).sqlstate, expected, "{by}");
    }
}

#[test]
fn the_clock_stays_moved_when_the_server_is_started_again() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    type Restart = fn(&TestServer) -> Result<(), TestServerError>;
    let ways: [(&str, Restart); 3] = [
        ("restart", TestServer::restart),
        ("crash", |server| {
            server.kill_postmaster()?;
            server.start_again()
        }),
        ("killed backend", |server| {
            let pid = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
            let checkpointer: u32 = server.psql("postgres", pid)?.parse().expect("a pid");
            server.kill_backend(checkpointer)?;
            until(server, &format!("SELECT count(*) = 1 FROM ({pid} AND pid <> {checkpointer}) AS new"));
            Ok(())
        }),
    ];
    let server = server("on");
    for (nth, (way, start_anew)) in ways.into_iter().enumerate() {
        server.advance(30 * DAY).expect("the clock is moved");
        let id = {
            let session = Session::open(&server, "clock", "postgres").expect("the role gets in");
            waiting(&session, "df.sleep(3600) ~> 'SELECT 1 AS slept'")
        };
        start_anew(&server).unwrap_or_else(|error| panic!("{way}: {error}"));
        let added =
            format!("SELECT df.advance_clock('0') > clock_timestamp() + interval '{} days'", 30 * nth + 29);
        until(&server, &added);
        server.advance(Duration::from_secs(3600)).expect("the clock is moved");
        until(&server, &format!("SELECT df.status('{id}') = 'completed'"));
    }
}

/// Waits until the superuser's query answers `t`, also while the server comes back.
fn until(server: &TestServer, condition: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.psql("postgres", condition).as_deref().ok() != Some("t") {
        assert!(Instant::now() < deadline, "{condition}");
    }
}

#[test]
fn the_clock_stands_firm_in_a_server_that_is_not_for_tests() {
    let server = server("off");
    let superuser = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    assert_eq!(superuser.error("SELECT df.advance_clock('1 second')").sqlstate, "55000");
    assert_eq!(superuser.error("SET pg_durable.test_clock = on").sqlstate, "55P02");
    assert_eq!(superuser.error("ALTER ROLE clock SET pg_durable.test_clock = on").sqlstate, "55P02");
}

#[test]
fn an_endless_loop_is_held_back_on_the_moved_clock() {
    const INTERVAL: Duration = Duration::from_millis(400);
    let server = server("on");
    server
        .psql("postgres", "ALTER SYSTEM SET pg_durable.loop_min_interval = '400ms'; SELECT pg_reload_conf()")
        .expect("the setting is made");
    let session = Session::open(&server, "clock", "postgres").expect("the role gets in");
    session.run("CREATE TABLE turns (at timestamptz DEFAULT clock_timestamp())");
    let insert = "'INSERT INTO turns DEFAULT VALUES'";
    let loops = [format!("df.loop({insert})"), format!("df.loop({insert} ~> df.sleep(0))")];
    for (advance, graph) in ["0 s", "1 day"].iter().flat_map(|by| loops.iter().map(move |graph| (by, graph)))
    {
        session.run(&format!("SELECT df.advance_clock('{advance}')"));
        session.run("TRUNCATE turns");
        let begun = Instant::now();
        let id = session.start(graph);
        session.until("SELECT count(*) >= 4 FROM turns");
        session.run(&format!("SELECT df.cancel('{id}')"));
        let turns: u32 = session.value("SELECT count(*) FROM turns").parse().expect("a number");
        let elapsed = begun.elapsed();
        // The first one begins at once.
        assert!(
            INTERVAL * (turns - 2) <= elapsed,
            "{graph}: {turns} turns in {elapsed:?}, moved by {advance}"
        );
    }
}
