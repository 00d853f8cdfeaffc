//! Loops cost the same in every generation, also while somebody keeps an old snapshot.

use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::tester;
use pg_durable_tests::session::Session;

#[test]
fn a_loop_reads_as_much_in_a_late_generation_as_in_an_early_one() {
    let server = TestServer::builder()
        .setting("pg_durable.loop_min_interval", "0")
        .setting("autovacuum", "off")
        .start()
        .expect("a server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    tester(&server, "flat");
    let admin = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    let session = Session::open(&server, "flat", "postgres").expect("the role gets in");
    let analyst = Session::open(&server, "postgres", "postgres").expect("the superuser gets in");
    for (name, body) in [
        ("joins", "df.join('SELECT nextval(''joins'')', 'SELECT 1')"),
        ("races", "df.race('SELECT nextval(''races'')', df.sleep(3600))"),
        ("sleeps", "df.seq(df.sleep(0), 'SELECT nextval(''sleeps'')')"),
    ] {
        session.run(&format!("CREATE SEQUENCE {name}"));
        analyst.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM df.nodes");
        // Blocks of df.nodes and its index that so many generations look at, for each of them.
        let per_generation = |generations: u32| {
            session.run(&format!("SELECT setval('{name}', 1)"));
            let before = looked_at(&admin);
            let again = format!("SELECT last_value < {generations} FROM {name}");
            let id = session.start(&format!("df.loop({body}, '{again}'), durability => 'barrier'"));
            admin.until(&format!("SELECT df.status('{id}') = 'completed'"));
            (looked_at(&admin) - before) as f64 / f64::from(generations)
        };
        let few = per_generation(250);
        let many = per_generation(2500);
        analyst.run("COMMIT");
        // Which executor has which branch is chance, and one that comes late has more to pass over. By key it is ten times.
        assert!(many < 3.0 * few, "{name}: {few:.0} blocks a generation, and of many {many:.0}");
        assert!(few > 0.5, "{name}: {few:.1} blocks a generation cannot be");
    }
}

/// How many blocks of df.nodes and its index have been looked at. A process tells the last of it when it ends.
fn looked_at(admin: &Session) -> i64 {
    let executors = "FROM pg_stat_activity WHERE backend_type = 'pg_durable executor'";
    admin.run(&format!("SELECT pg_terminate_backend(pid, 10000) {executors}"));
    admin.run("SELECT pg_stat_clear_snapshot()");
    let looked = admin
        .rows(
            "SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read
             FROM pg_statio_all_tables WHERE relid = 'df.nodes'::regclass",
        )
        .expect("the statistics are there");
    looked[0][0].as_deref().expect("a number").parse().expect("a number")
}
