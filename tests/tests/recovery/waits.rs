//! What is said to wait is what waits.

use super::cluster::{self, Client};

/// What waits by the rows of the nodes, with what encloses them, and not by the list; and the other way round.
const DIFFERENCE: &str = "
    WITH listed AS (SELECT instance_id, node_id FROM df.waiting(limit_count => 1000)),
    shown AS (
        SELECT i.id::text AS instance_id, n.node_id FROM df.instances AS i, df.instance_nodes(i.id) AS n
        WHERE i.status IN ('pending', 'running') AND n.waiting_for ~ '^(signal|schedule) ')
    SELECT coalesce(string_agg(d.how || ' ' || d.instance_id || ' ' || d.node_id, ', '), 'none') FROM (
        SELECT 'not listed' AS how, * FROM (SELECT * FROM shown EXCEPT SELECT * FROM listed) AS a
        UNION ALL
        SELECT 'not waiting', * FROM (SELECT * FROM listed EXCEPT SELECT * FROM shown) AS b) AS d";

/// Workflows in which waits end, are given up, and begin anew, many of them at the same moment as others.
const GRAPHS: [&str; 9] = [
    "df.loop(df.seq(df.wait_for_signal('a'), 'SELECT 1'), 'SELECT true')",
    "df.loop(df.race(df.wait_for_signal('a'), df.seq('SELECT pg_sleep(0.002)', df.wait_for_signal('b'))), 'SELECT true')",
    "df.loop(df.race(df.sleep(0.01), df.seq('SELECT pg_sleep(0.009)', df.wait_for_signal('b'))), 'SELECT true')",
    "df.seq(df.race('SELECT pg_sleep(0.05)', df.seq('SELECT pg_sleep(0.049)', df.wait_for_signal('b'))), df.wait_for_signal('end'))",
    "df.seq(df.race('SELECT pg_sleep(0.05)', df.loop(df.race(df.wait_for_signal('b'), df.sleep(0.01)), 'SELECT true')), df.wait_for_signal('end'))",
    "df.seq(df.loop(df.join(df.seq('SELECT pg_sleep(0.04)', df.break()), df.seq('SELECT pg_sleep(0.039)', df.wait_for_signal('b'))), 'SELECT true'), df.wait_for_signal('end'))",
    "df.join(df.wait_for_signal('a'), df.seq(df.sleep(0.1), 'SELECT 1/0'))",
    "df.join(df.wait_for_signal('a'), df.wait_for_signal('a'), df.wait_for_schedule('0 0 1 1 *'))",
    "df.seq(df.wait_for_signal('a', 1), df.wait_for_signal('b'))",
];

#[test]
fn what_is_listed_as_waiting_waits_after_a_storm_of_kills() {
    let server = cluster::start(
        cluster::builder()
            .setting("pg_durable.loop_min_interval", "0")
            .setting("pg_durable.max_executors", "6"),
        &["alice"],
    );
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let mut ids = Vec::new();
    for round in 0..12 {
        for (number, graph) in GRAPHS.iter().enumerate() {
            ids.push(alice.start(graph, &format!("waits-{round}-{number}"), "barrier"));
        }
        for (place, id) in ids.iter().enumerate().filter(|(place, _)| (place + round) % 3 == 0) {
            let name = if (place + round) % 2 == 0 { "a" } else { "b" };
            // Whether it is there to be signalled is chance.
            let _ = alice.try_rows(&format!("SELECT df.signal('{id}', '{name}')"));
        }
        for id in ids.iter().filter(|id| id.ends_with(['3', '7'])) {
            let _ = alice.try_rows(&format!("SELECT df.cancel('{id}')"));
        }
        // Somebody is there to be killed, and has come to something.
        admin.until("SELECT count(*) > 0 FROM df.workers() WHERE kind = 'executor'");
        admin.until("SELECT count(*) > 0 FROM df.waiting()");
        let kill = match round % 3 {
            0 => {
                "SELECT pg_terminate_backend(pid) FROM df.workers() WHERE kind = 'executor' ORDER BY random() LIMIT 3"
            }
            1 => "SELECT pg_cancel_backend(pid) FROM df.workers() WHERE kind = 'executor'",
            _ => {
                let pid = admin.value("SELECT pid FROM df.workers() WHERE kind = 'executor' AND pid IS NOT NULL ORDER BY random() LIMIT 1");
                let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
                "SELECT 1"
            }
        };
        let _ = admin.try_rows(kill);
    }
    // Loops whose generations end by themselves go on for ever: they are held still.
    alice.rows("SELECT count(df.cancel(id)) FROM df.instances WHERE status IN ('pending', 'running') AND label ~ '-2$'");
    // Whatever is unfinished has come to a wait.
    admin.until("SELECT count(*) = 0 FROM df.instances WHERE status = 'pending'");
    admin.until("SELECT count(*) = 0 FROM df.workers() WHERE node_id IS NOT NULL");
    admin.until("SELECT count(*) > 20 FROM df.waiting()");
    // A wait that comes to its end while it is looked at is not the same in both; one that is left behind stays.
    admin.until(&format!("({DIFFERENCE}) = 'none'"));
    // As a role sees it.
    alice.until(&format!("({DIFFERENCE}) = 'none'"));
    // Nothing waits when all have ended, and nothing is left behind.
    alice.rows("SELECT count(df.cancel(id)) FROM df.instances WHERE status IN ('pending', 'running')");
    assert_eq!(admin.value("SELECT count(*) FROM df.waiting()"), "0");
    assert_eq!(admin.value("SELECT count(*) FROM df.waiting_summary()"), "0");
}
