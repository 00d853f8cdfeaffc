//! Dump and restore, DROP and CREATE EXTENSION, transactions that start workflows, and too little of everything.

use std::process::Command;
use std::time::{Duration, Instant};

use pg_durable_tests::server::literal;

use super::cluster::{self, Client};
use super::flow::{Flow, effects_of};

#[test]
fn restored_instances_go_on_in_the_new_cluster() {
    let (old, new) = (
        cluster::start(cluster::builder(), &["alice"]),
        cluster::builder().start().expect("the server starts"),
    );
    let alice = Client::new(&old, "alice");
    let flows = [
        Flow::Seq(vec![Flow::step("a"), Flow::slow("b", 1500), Flow::step("c")]),
        Flow::Seq(vec![Flow::step("a"), Flow::Sleep { millis: 2500 }, Flow::step("b")]),
        Flow::Seq(vec![Flow::step("a"), Flow::Signal { name: "go".to_owned() }, Flow::step("b")]),
        Flow::Break { body: Box::new(Flow::slow("a", 300)), label: "a".to_owned(), times: 8 },
    ];
    let ids: Vec<String> =
        flows.iter().enumerate().map(|(n, flow)| alice.start(&flow.sql(), &n.to_string(), "step")).collect();
    // Kept, although nobody waits for it yet in the dump.
    alice.value(&format!("SELECT df.signal('{}', 'later')", ids[2]));
    alice.until("SELECT count(*) >= 4 FROM public.effects");
    alice.until("SELECT count(*) = 1 FROM df.nodes WHERE waiting_for = 'signal go'");
    let program = |name: &str| old.installation().program(name);
    let dump = Command::new(program("pg_dump"))
        .args(["-d", &old.tcp_dsn("postgres", "postgres")])
        .output()
        .expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let roles = Command::new(program("pg_dumpall"))
        .args(["--roles-only", "--no-role-passwords", "-d", &old.tcp_dsn("postgres", "postgres")])
        .output()
        .expect("pg_dumpall runs");
    let roles = String::from_utf8_lossy(&roles.stdout).replace("CREATE ROLE postgres;", "");
    new.psql("postgres", &roles).expect("the roles are restored");
    new.psql("postgres", &String::from_utf8_lossy(&dump.stdout)).expect("the dump is restored");
    let alice = Client::new(&new, "alice");
    let admin = Client::new(&new, "postgres");
    assert_eq!(admin.value("SELECT count(*) FROM df.signals"), "1");
    // Nothing runs while tables are being restored: the one who restores says when all are there.
    assert_eq!(admin.value("SELECT count(*) FROM df.workers() WHERE kind = 'executor'"), "0");
    admin.rows("SELECT df.run()");
    alice.value(&format!("SELECT df.signal('{}', 'go')", ids[2]));
    for (flow, id) in flows.iter().zip(&ids) {
        assert_eq!(alice.end_of(id), "completed", "{flow:?}\n{}", admin.state());
        flow.check(&alice.rows(&effects_of(id))).unwrap_or_else(|error| panic!("{flow:?}: {error}"));
    }
    // New ids do not collide with restored ones.
    let id = alice.start("'SELECT 1'", "fresh", "step");
    assert!(!ids.contains(&id));
    assert_eq!(alice.end_of(&id), "completed");
}

#[test]
fn extension_is_dropped_under_load_without_cascade_and_created_again() {
    let server = cluster::start(cluster::builder(), &["alice", "bob"]);
    let admin = Client::new(&server, "postgres");
    for round in 0..3 {
        for role in ["alice", "bob"] {
            let client = Client::new(&server, role);
            for number in 0..8 {
                let flow = match number % 4 {
                    0 => "df.loop('SELECT 1', 'SELECT true')".to_owned(),
                    1 => "df.loop(df.join('SELECT 1', 'SELECT pg_sleep(0.01)'), 'SELECT true')".to_owned(),
                    2 => "'SELECT pg_sleep(600)'".to_owned(),
                    _ => "df.sleep(interval '1 day')".to_owned(),
                };
                client.start(&flow, &format!("{role}-{round}-{number}"), "barrier");
            }
        }
        admin.until(
            "SELECT count(*) >= 6 FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL",
        );
        let started = Instant::now();
        // A long step holds no lock on the engine's tables. Should the drop fall victim to a deadlock, once more.
        let mut tries = 0;
        while let Err(error) = admin.try_rows("DROP EXTENSION pg_durable") {
            tries += 1;
            assert!(error.sqlstate == "40P01" && tries < 5, "{error}");
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the drop took {:?}", started.elapsed());
        println!("round {round}: dropped in {:?}, {tries} deadlocks", started.elapsed());
        let engine = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_durable %'
                      AND backend_type <> 'pg_durable launcher' AND wait_event IS DISTINCT FROM 'PgSleep'";
        admin.until(&format!("({engine}) = 0"));
        admin.rows("CREATE EXTENSION pg_durable");
        admin.rows("SELECT df.grant_usage('alice'), df.grant_usage('bob')");
        let client = Client::new(&server, "alice");
        let flow = Flow::Seq(vec![Flow::step("a"), Flow::Join(vec![Flow::step("b"), Flow::step("c")])]);
        admin.rows("TRUNCATE public.effects");
        let id = client.start(&flow.sql(), &format!("after-{round}"), "step");
        assert_eq!(client.end_of(&id), "completed", "{}", admin.state());
        flow.check(&client.rows(&effects_of(&id))).unwrap();
    }
}

#[test]
fn start_in_a_prepared_transaction_runs_when_it_commits_also_after_a_restart() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let alice = Client::new(&server, "alice");
    let flow = Flow::Seq(vec![Flow::step("a"), Flow::step("b")]);
    let prepare = |name: &str| {
        let id = alice.rows(&format!("BEGIN; SELECT df.start({}); PREPARE TRANSACTION '{name}'", flow.sql()));
        id[0][0].clone().expect("an id")
    };
    let now = prepare("now");
    assert_eq!(alice.value(&format!("SELECT df.status('{now}')")), "NULL");
    alice.rows("COMMIT PREPARED 'now'");
    assert_eq!(alice.end_of(&now), "completed");
    let (kept, never) = (prepare("kept"), prepare("never"));
    server.restart().expect("the server restarts");
    alice.rows("SELECT 1");
    alice.rows("COMMIT PREPARED 'kept'");
    alice.rows("ROLLBACK PREPARED 'never'");
    assert_eq!(alice.end_of(&kept), "completed");
    flow.check(&alice.rows(&effects_of(&kept))).unwrap();
    assert_eq!(alice.value(&format!("SELECT df.status('{never}')")), "NULL");
    assert_eq!(alice.value(&format!("SELECT count(*) FROM public.effects WHERE instance = '{never}'")), "0");
}

#[test]
fn start_in_a_subtransaction_that_rolls_back_leaves_nothing() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let alice = Client::new(&server, "alice");
    let flow = Flow::step("a");
    let rows = alice.rows(&format!(
        "CREATE TEMP TABLE ids (id text); BEGIN; INSERT INTO ids SELECT df.start({sql});
         SAVEPOINT s; SELECT df.start({sql}); ROLLBACK TO s; COMMIT; SELECT id FROM ids",
        sql = flow.sql()
    ));
    let id = rows[0][0].clone().expect("an id");
    assert_eq!(alice.end_of(&id), "completed");
    assert_eq!(alice.value("SELECT count(*) FROM df.instances"), "1");
    assert_eq!(alice.value("SELECT count(*) FROM public.effects"), "1");
}

#[test]
fn work_proceeds_with_too_few_worker_processes_and_the_monitor_says_so() {
    // The logical replication launcher, our launcher, one scheduler: one is left.
    let server = cluster::start(cluster::builder().setting("max_worker_processes", "4"), &["alice", "bob"]);
    let (admin, alice, bob) =
        (Client::new(&server, "postgres"), Client::new(&server, "alice"), Client::new(&server, "bob"));
    let flow = Flow::Seq(vec![
        Flow::Join(vec![Flow::slow("a", 100), Flow::step("b"), Flow::step("c")]),
        Flow::Sleep { millis: 100 },
        Flow::step("d"),
    ]);
    let ids: Vec<_> = (0..6)
        .map(|number| {
            let client = if number % 2 == 0 { &alice } else { &bob };
            (client, client.start(&flow.sql(), &format!("n{number}"), "step"))
        })
        .collect();
    for (client, id) in ids {
        assert_eq!(client.end_of(&id), "completed", "{}", admin.state());
        flow.check(&client.rows(&effects_of(&id))).unwrap();
    }
    let notes = admin.value("SELECT string_agg(note, '; ') FROM df.workers()");
    assert!(notes.contains("max_worker_processes"), "{notes}");
}

#[test]
fn full_disk_leaves_no_half_step() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let Some(disk) = TinyDisk::mount(&server) else {
        println!("not tried: no file system can be mounted here");
        return;
    };
    // The nodes, and so the checkpoints, on a disk that a user fills; the effects on one that has room.
    admin.rows(&format!("CREATE TABLESPACE tiny LOCATION {}", literal(&disk.path)));
    admin.rows("CREATE TABLE public.filler (t text) TABLESPACE tiny");
    admin.rows("ALTER TABLE df.nodes SET TABLESPACE tiny");
    // Results that have to go to new pages.
    let step = "INSERT INTO public.effects (instance, node) VALUES (''{sys_instance_id}'', ''a'');
                SELECT string_agg(md5(random()::text), '''') FROM generate_series(1, 500), pg_sleep(0.1)";
    let id = alice.start(
        &format!(
            "df.seq(df.loop('{step}', 'SELECT count(*) < 20 FROM public.effects'), 'SELECT pg_sleep(0)')"
        ),
        "full",
        "step",
    );
    alice.until("SELECT count(*) >= 3 FROM public.effects");
    let fill = "INSERT INTO public.filler SELECT repeat(md5(random()::text), 30) FROM generate_series(1, 50)";
    while admin.try_rows(fill).is_ok() {}
    cluster::wait_for("a checkpoint has met the full disk", || {
        server.log().contains("is tried again in a second: could not extend file")
    });
    let stuck_at = alice.value("SELECT count(*) FROM public.effects");
    assert_eq!(alice.value(&format!("SELECT df.status('{id}')")), "running");
    // TRUNCATE would need room for a new file.
    admin.rows("DROP TABLE public.filler");
    assert_eq!(alice.end_of(&id), "completed", "{}", admin.state());
    assert_eq!(alice.value("SELECT count(*) FROM public.effects"), "20", "it was stuck at {stuck_at}");
    admin.rows("ALTER TABLE df.nodes SET TABLESPACE pg_default");
    admin.rows("CHECKPOINT");
    admin.rows("DROP TABLESPACE tiny");
}

/// A file system of four megabytes in memory; unmounted when dropped.
struct TinyDisk {
    path: String,
}

impl TinyDisk {
    /// `None` where this process may not mount.
    fn mount(server: &pg_durable_sdk::testing::TestServer) -> Option<TinyDisk> {
        use std::os::unix::fs::MetadataExt;
        let path = format!("{}/tiny", server.socket_dir().display());
        std::fs::create_dir(&path).ok()?;
        let owner = std::fs::metadata(server.data_dir()).ok()?;
        let options = format!("size=4m,mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs", &path]).output().ok()?;
        mounted.status.success().then_some(TinyDisk { path })
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.path]).output();
    }
}
