//! One role floods, and the others do not notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::session::{Session, SqlError};

use super::town::{self, open};

const DATABASES: [&str; 3] = ["postgres", "second", "third"];
const ROLES: usize = 40;
/// Who floods, in the first database.
const FLOODER: &str = "r40";
/// How often each of the others has a step carried out in each measurement.
const ROUNDS: usize = 6;
/// What counts as fast whatever it was without the flood: the machine is shared, and a process has to start.
const FLOOR: Duration = Duration::from_millis(250);
/// What no process of the engine may hold, however much is started: the board is shared memory and does not count.
const MEMORY_MAX_KB: u64 = 64 * 1024;

struct Stranger {
    session: Session,
    started: usize,
}

/// One-step instances of each stranger, one after the other, from the start to the end that its client sees.
fn measure(strangers: &mut [Stranger]) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        for stranger in strangers.iter_mut() {
            let began = Instant::now();
            let id = stranger.session.start("'SELECT 1 AS n'");
            let ended = stranger.session.value(&format!("SELECT df.await_instance('{id}', 30)"));
            assert_eq!(ended, "completed");
            stranger.started += 1;
            took.push(began.elapsed());
        }
    }
    took.sort();
    took
}

fn p99(took: &[Duration]) -> Duration {
    took[took.len() * 99 / 100]
}

/// Starts something again and again, each time when the last has ended, until it is told to stop; how often it did.
fn flood(server: &TestServer, start: &str, is_over: &AtomicBool) -> Result<usize, SqlError> {
    let session = open(server, FLOODER, DATABASES[0]);
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let last = session.try_value(start)?.unwrap_or_default();
        session.rows(&format!("SELECT df.await_instance('{last}', 60)"))?;
        count += 1;
    }
    Ok(count)
}

#[test]
fn one_role_that_floods_keeps_nobody_else_waiting() {
    let builder = town::builder().setting("pg_durable.executor_idle_timeout", "1");
    let server = town::start(builder, &DATABASES, ROLES);
    let admin = open(&server, "postgres", DATABASES[0]);
    let mut strangers: Vec<Stranger> = (1..ROLES)
        .map(|n| Stranger { session: open(&server, &format!("r{n}"), DATABASES[n % 3]), started: 0 })
        .collect();
    // Everybody has been there once.
    measure(&mut strangers);
    let calm = measure(&mut strangers);

    // What is carried out as fast as it can be, behind 10,000 that sleep.
    let flooder = open(&server, FLOODER, DATABASES[0]);
    flooder.run("SELECT count(df.start(df.sleep(3600))) FROM generate_series(1, 10000)");
    let held = flooder.start("'SELECT pg_sleep(3600)'");
    flooder.run(&format!("BEGIN; SELECT df.cancel('{held}')"));
    let is_over = AtomicBool::new(false);
    let (busy, starts) = thread::scope(|scope| {
        let joins = "SELECT df.start(df.join(VARIADIC array_fill('SELECT 1'::text, ARRAY[200])))";
        let results = "SELECT df.start('SELECT repeat(''x'', 1000000) AS x')";
        let errors = "SELECT (array_agg(df.start('SELECT 1/0')))[50] FROM generate_series(1, 50)";
        let floods = [joins, results, errors].map(|start| {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || flood(server, start, is_over))
        });
        let busy = measure(&mut strangers);
        is_over.store(true, Ordering::Relaxed);
        let starts = floods.map(|flood| flood.join().expect("it only starts").expect("starts are accepted"));
        (busy, starts)
    });
    let memory_busy = town::engine_memory_kb(&admin);

    // More than the board holds, of which the first ones keep all of the flooder's processes for an hour.
    let began = Instant::now();
    let other = open(&server, FLOODER, DATABASES[0]);
    other.run("SELECT count(df.start('SELECT pg_sleep(3600)')) FROM generate_series(1, 36000)");
    let flooded_in = began.elapsed();
    let stuck = measure(&mut strangers);
    let memory_stuck = town::engine_memory_kb(&admin);

    let [calm_p99, busy_p99, stuck_p99] = [&calm, &busy, &stuck].map(|took| p99(took));
    println!(
        "p99 {calm_p99:?}, with a flood that runs {busy_p99:?}, with one that is stuck {stuck_p99:?}; 36,000 starts in \
         {flooded_in:?}; so many floods {starts:?}; memory {:?} and {:?}",
        memory_busy.first(),
        memory_stuck.first()
    );
    let most = FLOOR.max(3 * calm_p99);
    assert!(busy_p99 <= most && stuck_p99 <= most, "{calm_p99:?} became {busy_p99:?} and {stuck_p99:?}");
    for (kb, kind) in memory_busy.iter().chain(&memory_stuck) {
        assert!(*kb <= MEMORY_MAX_KB, "{kind}: {kb} kB");
    }

    // Nobody's work is lost.
    for stranger in &strangers {
        let completed = "SELECT count(*) FROM df.instances WHERE status = 'completed'";
        assert_eq!(stranger.session.value(completed), stranger.started.to_string());
    }
    // And it is said.
    let note = "SELECT note FROM df.workers() WHERE kind = 'scheduler' AND database = current_database()";
    let note = admin.value(note);
    assert!(note.contains("board share used up: more work of \"r40\" waits in the tables"), "{note}");
    assert_eq!(
        admin.value("SELECT used > 32000 AND crossings >= 1 FROM df.walls() WHERE wall = 'items'"),
        "t"
    );
    assert_eq!(admin.value("SELECT walls_met >= 1 AND ready_items > 30000 FROM df.metrics()"), "t");
    assert_eq!(server.log().matches("pg_durable: the board is full").count(), 1, "once");
    let launcher = admin.value("SELECT note FROM df.workers() WHERE kind = 'launcher'");
    assert!(launcher.contains("the board is full"), "{launcher}");
}

/// More than the board holds by far, of several who each have more than a share, and all of it is carried out.
#[test]
fn what_the_board_has_no_room_for_is_carried_out_all_the_same() {
    let server = town::start(town::builder(), &DATABASES[..2], 3);
    let admin = open(&server, "postgres", "postgres");
    admin.run("CREATE TABLE effects (id bigserial, role regrole DEFAULT quote_ident(current_user)::regrole)");
    admin.run("GRANT ALL ON effects, effects_id_seq TO PUBLIC");
    // Nobody takes anything before all have come.
    admin.run("ALTER SYSTEM SET pg_durable.enabled = off");
    admin.run("SELECT pg_reload_conf()");
    admin.until(
        "(SELECT bool_and(note LIKE 'held: switched off%') FROM df.workers() WHERE kind = 'scheduler')",
    );
    for (role, count) in [("r1", 30_000), ("r2", 12_000), ("r3", 100)] {
        let session = open(&server, role, "postgres");
        session.run(&format!(
            "SELECT count(df.start('INSERT INTO public.effects DEFAULT VALUES')) FROM generate_series(1, {count})"
        ));
    }
    assert_eq!(admin.value("SELECT used = size FROM df.walls() WHERE wall = 'items'"), "t");
    admin.run("ALTER SYSTEM RESET pg_durable.enabled");
    admin.run("SELECT pg_reload_conf()");
    let end = Instant::now() + Duration::from_secs(120);
    let unfinished = "SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')";
    while admin.value(unfinished) != "0" {
        assert!(Instant::now() < end, "{} are left", admin.value(unfinished));
        thread::sleep(Duration::from_millis(50));
    }
    let counts = "SELECT string_agg(format('%s %s', role, n), ', ' ORDER BY role::text)
                  FROM (SELECT role, count(*) AS n FROM effects GROUP BY role) AS e";
    assert_eq!(admin.value(counts), "r1 30000, r2 12000, r3 100");
    // The one who came last, with little, did not wait for the others.
    let others = "SELECT count(*) FROM effects WHERE role <> 'r3'::regrole AND id < (SELECT max(id) FROM effects WHERE role = 'r3'::regrole)";
    let others: usize = admin.value(others).parse().expect("a number");
    assert!(others < 20_000, "behind {others} of others");
}
