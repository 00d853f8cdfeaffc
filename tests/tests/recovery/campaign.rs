//! The random campaign: workflows of every kind, kills at random instants, and a count of every effect.
//!
//! `PG_DURABLE_KILLS` says how many kills (20), `PG_DURABLE_SEED` replays the choices of an earlier run (the moments
//! still depend on the machine), `PG_DURABLE_CAMPAIGN=durable` turns fsync on and kills whole servers too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pg_durable_sdk::testing::{StopMode, TestServer};
use pg_durable_tests::server::literal;

use super::cluster::{self, Client, DEADLINE};
use super::flow::{Flow, effects_of};

const ROLES: [&str; 3] = ["alice", "bob", "carol"];
/// Unfinished instances of each role at a time.
const IN_FLIGHT_MAX: usize = 8;

/// A small generator whose choices can be replayed (SplitMix64).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Makes workflows, with labels that are unique within each.
struct Maker<'a> {
    random: &'a mut Random,
    labels: u32,
}

impl Maker<'_> {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("s{}", self.labels)
    }

    fn step(&mut self) -> Flow {
        let millis = if self.random.below(4) == 0 { self.random.below(150) } else { 0 };
        Flow::Step { label: self.label(), millis }
    }

    fn flow(&mut self, depth: u32, in_loop: bool) -> Flow {
        if depth == 0 {
            return self.step();
        }
        match self.random.below(9) {
            0 | 1 => {
                let length = 2 + self.random.below(4);
                Flow::Seq((0..length).map(|_| self.flow(depth - 1, in_loop)).collect())
            }
            2 | 3 => {
                let width = 2 + self.random.below(3);
                Flow::Join((0..width).map(|_| self.flow(depth - 1, in_loop)).collect())
            }
            4 => {
                let winner = Box::new(self.flow(depth - 1, in_loop));
                let losers = (0..1 + self.random.below(2)).map(|_| self.loser()).collect();
                Flow::Race { winner, losers }
            }
            5 | 6 if !in_loop => {
                let first = self.label();
                let rest = self.flow(depth - 1, true);
                let body = Flow::Seq(vec![Flow::step(&first), rest]);
                let (body, label, times) = (Box::new(body), first, 2 + self.random.below(4) as u32);
                if self.random.below(2) == 0 {
                    Flow::Loop { body, label, times }
                } else {
                    Flow::Break { body, label, times }
                }
            }
            7 if !in_loop => {
                let (before, name, after) = (self.step(), self.label(), self.step());
                Flow::Seq(vec![before, Flow::Signal { name }, after])
            }
            8 => {
                let (before, after) = (self.step(), self.step());
                Flow::Seq(vec![before, Flow::Sleep { millis: 20 + self.random.below(600) }, after])
            }
            _ => Flow::If {
                condition: self.random.below(2) == 0,
                then: Box::new(self.flow(depth - 1, in_loop)),
                otherwise: Box::new(self.flow(depth - 1, in_loop)),
            },
        }
    }

    fn loser(&mut self) -> Flow {
        let end = match self.random.below(3) {
            0 => Flow::Never,
            1 => Flow::Day,
            _ => Flow::slow(&self.label(), 600_000),
        };
        if self.random.below(2) == 0 { end } else { Flow::Seq(vec![self.step(), end]) }
    }
}

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

/// Something to kill, or another thing that befalls a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kill {
    Executor,
    TerminatedExecutor,
    Scheduler,
    TerminatedScheduler,
    Launcher,
    Client,
    Postmaster,
    ImmediateStop,
    WholeServer,
    /// All that is under way is cancelled in a savepoint that is rolled back.
    TakenBackCancel,
    /// The engine's tables are written anew.
    VacuumFull,
    /// A cancel is prepared and left open; the one before it is rolled back.
    PreparedCancel,
    /// A database of another encoding, with the extension, comes or goes.
    DatabaseBeside,
}

struct Killer<'a> {
    server: &'a TestServer,
    admin: Client<'a>,
    /// How often each step's process was killed: one that is unlucky three times fails, as it should.
    deaths: HashMap<(String, String), u32>,
}

impl Killer<'_> {
    /// Kills, if there is such a process now.
    fn kill(&mut self, kill: Kill) -> bool {
        match kill {
            Kill::Executor => {
                let busy = self.admin.rows(
                    "SELECT pid, instance_id, coalesce(node_id, '') FROM df.workers()
                     WHERE kind = 'executor' AND instance_id IS NOT NULL ORDER BY random()",
                );
                for row in busy {
                    let [pid, instance, node] = <[Option<String>; 3]>::try_from(row).expect("three columns");
                    let deaths = self
                        .deaths
                        .entry((instance.unwrap_or_default(), node.unwrap_or_default()))
                        .or_default();
                    if *deaths < 2 {
                        *deaths += 1;
                        return self.kill_pid(pid.as_deref());
                    }
                }
                false
            }
            Kill::TerminatedExecutor => self.terminate("executor"),
            Kill::TerminatedScheduler => self.terminate("scheduler"),
            Kill::Scheduler => self.kill_worker("scheduler"),
            Kill::Launcher => self.kill_worker("launcher"),
            Kill::Client => {
                let pid = self.admin.value(&format!(
                    "SELECT max(pid) FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND usename IN ({})",
                    ROLES.map(literal).join(", ")
                ));
                self.kill_pid(Some(&pid))
            }
            Kill::Postmaster => {
                self.server.kill_postmaster().expect("all processes leave with the postmaster");
                self.start_again()
            }
            Kill::ImmediateStop => {
                self.server.stop(StopMode::Immediate).expect("the server stops");
                self.start_again()
            }
            Kill::WholeServer => {
                self.server.kill_all_processes().expect("the server is killed");
                self.start_again()
            }
            // A crash before this may still be taking the server down: then it is not done.
            Kill::TakenBackCancel => self.does(
                "DO $$ BEGIN
                     PERFORM df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running');
                     RAISE division_by_zero;
                 EXCEPTION WHEN division_by_zero THEN NULL; END $$",
            ),
            Kill::VacuumFull => {
                // It would wait for what is prepared.
                self.roll_back_prepared();
                self.does("VACUUM FULL df.nodes") && self.does("VACUUM FULL df.instances")
            }
            Kill::PreparedCancel => {
                self.roll_back_prepared();
                self.does(
                    "BEGIN;
                     SELECT df.cancel(id) FROM df.instances
                     WHERE status IN ('pending', 'running') ORDER BY random() LIMIT 1;
                     PREPARE TRANSACTION 'campaign'",
                )
            }
            Kill::DatabaseBeside => {
                let beside = "SELECT count(*) FROM pg_database WHERE datname = 'beside'";
                if self.admin.value(beside) == "1" {
                    return self.does("DROP DATABASE beside WITH (FORCE)");
                }
                self.does(
                    "CREATE DATABASE beside TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
                ) && self.server.psql("beside", "CREATE EXTENSION pg_durable").is_ok()
            }
        }
    }

    fn does(&self, sql: &str) -> bool {
        self.admin.try_rows(sql).is_ok()
    }

    /// What is prepared holds its instance's row, which waits for it.
    fn roll_back_prepared(&self) {
        let prepared = "SELECT count(*) FROM pg_prepared_xacts";
        while self.admin.value(prepared) != "0" {
            self.does("ROLLBACK PREPARED 'campaign'");
        }
    }

    fn start_again(&self) -> bool {
        self.server.start_again().expect("the server starts again");
        true
    }

    fn kill_pid(&self, pid: Option<&str>) -> bool {
        // It may have ended by itself.
        pid.and_then(|pid| pid.parse().ok()).is_some_and(|pid| self.server.kill_backend(pid).is_ok())
    }

    fn kill_worker(&self, kind: &str) -> bool {
        let pid = self.admin.value(&format!("SELECT max(pid) FROM df.workers() WHERE kind = '{kind}'"));
        self.kill_pid(Some(&pid))
    }

    fn terminate(&self, kind: &str) -> bool {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM df.workers()
             WHERE kind = '{kind}' AND pid > 0 ORDER BY random() LIMIT 1"
        );
        self.admin.value(&sql) == "t"
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
    let (stop, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut random = Random(seed);
    let mut counts: BTreeMap<Kill, u32> = BTreeMap::new();
    thread::scope(|scope| {
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
            let mut killer =
                Killer { server: &server, admin: Client::new(&server, "postgres"), deaths: HashMap::new() };
            let mut kills = 0;
            while kills < kills_wanted && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50 + random.below(900)));
                let kill = match random.below(if is_durable { 18 } else { 16 }) {
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
                    _ => Kill::WholeServer,
                };
                if killer.kill(kill) {
                    kills += 1;
                    *counts.entry(kill).or_default() += 1;
                }
            }
            killer.roll_back_prepared();
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = killing {
            std::panic::resume_unwind(panic);
        }
    });
    let all = all.into_inner().expect("no client has failed");
    let admin = Client::new(&server, "postgres");
    let until = Instant::now() + DEADLINE;
    let unfinished = "SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')";
    while admin.value(unfinished) != "0" {
        assert!(Instant::now() < until, "PG_DURABLE_SEED={seed}: instances are stuck\n{}", admin.state());
        thread::sleep(Duration::from_millis(50));
    }
    let mut wrong = Vec::new();
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
        "SELECT count(*) FROM df.instances WHERE label IS NULL OR id NOT IN ({})",
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
