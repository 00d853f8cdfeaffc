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
        let id = session.start(&format!("df.loop({body}, 'SELECT true'), durability => 'barrier'"));
        // Blocks of df.nodes and its index that were looked at in these generations, for each of them. Statistics come a
        // moment late, which so many generations make up for.
        let per_generation = |from: u32, to: u32| {
            let look = |generation: u32| {
                admin.until(&format!("SELECT last_value >= {generation} FROM flat.{name}"));
                admin.run("SELECT pg_stat_clear_snapshot()");
                let looked: Vec<i64> = admin
                    .rows(&format!(
                        "SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read, last_value
                         FROM pg_statio_all_tables, flat.{name} WHERE relid = 'df.nodes'::regclass"
                    ))
                    .expect("the statistics are there")
                    .into_iter()
                    .flatten()
                    .map(|cell| cell.expect("a number").parse().expect("a number"))
                    .collect();
                (looked[0], looked[1])
            };
            let (before, after) = (look(from), look(to));
            (after.0 - before.0) as f64 / (after.1 - before.1) as f64
        };
        let early = per_generation(300, 1300);
        let late = per_generation(4000, 5000);
        session.run(&format!("SELECT df.cancel('{id}')"));
        analyst.run("COMMIT");
        // Which executor has which branch is chance, and one that comes late has more to pass over. By key it is ten times.
        assert!(late < 3.0 * early, "{name}: {early:.0} blocks a generation, and later {late:.0}");
    }
}
