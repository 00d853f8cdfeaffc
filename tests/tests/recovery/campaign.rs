//! The random campaign: workflows of every kind, kills at random instants, and a count of every effect.
//!
//! `PG_DURABLE_KILLS` says how many kills (20), `PG_DURABLE_SEED` replays the choices of an earlier run (the moments
//! still depend on the machine), `PG_DURABLE_CAMPAIGN=durable` turns fsync on and kills whole servers too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::literal;

use self::faults::{Kill, Killer};
use self::leaver::Leaver;
use self::maker::Maker;
use self::random::Random;
use super::cluster::{self, Client, DEADLINE};
use super::flow::{Flow, effects_of};

mod faults;
mod leaver;
mod maker;
mod random;

const ROLES: [&str; 3] = ["alice", "bob", "carol"];
/// Unfinished instances of each role at a time.
const IN_FLIGHT_MAX: usize = 8;

struct Running {
    id: String,
    role: usize,
    flow: Flow,
    /// Signals yet to be sent, and when.
    signals: Vec<(String, Instant)>,
}

/// What a role's client does until it is told to stop: starts, signals, and takes note of what has ended.
fn drive(
    server: &TestServer,
    role: usize,
    random: &mut Random,
    stop: &AtomicBool,
    all: &Mutex<Vec<Running>>,
) {
    let client = Client::new(server, ROLES[role]);
    let mut number = 0;
    let mut open: Vec<String> = Vec::new();
    let mut due: Vec<(String, String, Instant)> = Vec::new();
    while !stop.load(Ordering::Relaxed) || !due.is_empty() {
        if open.len() < IN_FLIGHT_MAX && !stop.load(Ordering::Relaxed) {
            let flow = Maker { random, labels: 0 }.flow(3, false);
            let durability = if random.below(2) == 0 { "step" } else { "barrier" };
            number += 1;
            let id = client.start(&flow.sql(), &format!("{}-{number}", ROLES[role]), durability);
            let now = Instant::now();
            let signals: Vec<_> = flow
                .signals()
                .into_iter()
                .map(|name| (name, now + Duration::from_millis(random.below(1500))))
                .collect();
            due.extend(signals.iter().map(|(name, at)| (id.clone(), name.clone(), *at)));
            open.push(id.clone());
            all.lock().expect("no client has failed").push(Running { id, role, flow, signals });
        }
        due.retain(|(id, name, at)| {
            if *at > Instant::now() {
                return true;
            }
            // Sent until the server has said yes: it may then have been sent twice, and the second one is left over.
            client.value(&format!(
                "SELECT CASE WHEN df.status({id}) IN ('pending', 'running') THEN df.signal({id}, {name}) END",
                id = literal(id),
                name = literal(name)
            ));
            false
        });
        let ids: Vec<String> = open.iter().map(|id| literal(id)).collect();
        if !ids.is_empty() {
            let unfinished = client.rows(&format!(
                "SELECT id FROM df.instances WHERE id IN ({}) AND status IN ('pending', 'running')",
                ids.join(", ")
            ));
            open = unfinished.into_iter().filter_map(|mut row| row.pop().flatten()).collect();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told from the start of the servers to their end")]
#[test]
fn every_effect_counts_once_however_often_the_server_is_killed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let seed = number("PG_DURABLE_SEED").unwrap_or(clock.as_nanos() as u64 % 1_000_000);
    let kills_wanted = number("PG_DURABLE_KILLS").unwrap_or(20);
    let is_durable = std::env::var("PG_DURABLE_CAMPAIGN").is_ok_and(|value| value == "durable");
    println!("PG_DURABLE_SEED={seed} PG_DURABLE_KILLS={kills_wanted}");
    let mut builder = cluster::builder()
        .setting("pg_durable.executor_idle_timeout", "2")
        .setting("max_prepared_transactions", "2")
        .setting("max_worker_processes", "24");
    if is_durable {
        builder = builder.durable();
    }
    let server = cluster::start(builder, &ROLES);
    Leaver::prepare(&Client::new(&server, "postgres"));
    let (stop, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut random = Random(seed);
    let mut counts: BTreeMap<Kill, u32> = BTreeMap::new();
    let leaver = thread::scope(|scope| {
        for role in 0..ROLES.len() {
            let (server, stop, all) = (&server, &stop, &all);
            let mut random = Random(random.next());
            scope.spawn(move || {
                // A client that fails must not leave the others waiting for its word.
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    drive(server, role, &mut random, stop, all);
                }));
                if let Err(panic) = done {
                    stop.store(true, Ordering::Relaxed);
                    std::panic::resume_unwind(panic);
                }
            });
        }
        let killing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut killer = Killer {
                server: &server,
                admin: Client::new(&server, "postgres"),
                deaths: HashMap::new(),
                leaver: Leaver::default(),
                random: Random(random.next()),
            };
            let mut kills = 0;
            while kills < kills_wanted && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50 + random.below(900)));
                let kill = match random.below(if is_durable { 22 } else { 20 }) {
                    0..=3 => Kill::Executor,
                    4 | 5 => Kill::TerminatedExecutor,
                    6 => Kill::Scheduler,
                    7 => Kill::TerminatedScheduler,
                    8 => Kill::Launcher,
                    9 => Kill::Client,
                    10 => Kill::Postmaster,
                    11 => Kill::ImmediateStop,
                    12 => Kill::TakenBackCancel,
                    13 => Kill::VacuumFull,
                    14 => Kill::PreparedCancel,
                    15 => Kill::DatabaseBeside,
                    16 => Kill::NoConnect,
                    17 => Kill::ReadOnly,
                    18 | 19 => Kill::RoleAnew,
                    _ => Kill::WholeServer,
                };
                if killer.kill(kill) {
                    kills += 1;
                    *counts.entry(kill).or_default() += 1;
                }
            }
            killer.roll_back_prepared();
            killer.leaver
        }));
        stop.store(true, Ordering::Relaxed);
        killing.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let all = all.into_inner().expect("no client has failed");
    let admin = Client::new(&server, "postgres");
    let until = Instant::now() + DEADLINE;
    let unfinished = "SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')";
    while admin.value(unfinished) != "0" {
        assert!(Instant::now() < until, "PG_DURABLE_SEED={seed}: instances are stuck\n{}", admin.state());
        thread::sleep(Duration::from_millis(50));
    }
    let mut wrong = leaver.mistakes(&admin);
    let mut effects = 0;
    for running in &all {
        let status =
            admin.value(&format!("SELECT status FROM df.instances WHERE id = {}", literal(&running.id)));
        let checked = if status == "completed" {
            running.flow.check(&admin.rows(&effects_of(&running.id)))
        } else {
            let error =
                admin.value(&format!("SELECT error FROM df.instances WHERE id = {}", literal(&running.id)));
            Err(format!("{status}: {error}"))
        };
        match checked {
            Ok(count) => effects += count,
            Err(error) => {
                wrong.push(format!("{} of {}: {error}\n{:?}", running.id, ROLES[running.role], running.flow))
            }
        }
    }
    let foreign = admin.value(&format!(
        "SELECT count(*) FROM df.instances
         WHERE label IS NULL OR (label NOT LIKE 'dave-%' AND id NOT IN ({}))",
        all.iter().map(|running| literal(&running.id)).collect::<Vec<_>>().join(", ")
    ));
    let signals: usize = all.iter().map(|running| running.signals.len()).sum();
    println!(
        "seed {seed}: {} kills {counts:?}; {} instances, {signals} signals, {effects} effects, {} wrong",
        counts.values().sum::<u32>(),
        all.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "PG_DURABLE_SEED={seed}: {}", wrong.join("\n"));
    assert_eq!(foreign, "0", "PG_DURABLE_SEED={seed}: a start has happened twice");
    admin.until("SELECT count(*) = 0 FROM df.workers() WHERE kind = 'executor' AND state = 'running'");
}
