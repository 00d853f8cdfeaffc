use pg_durable_examples::ingest::{Batch, Loaded, deliver, load, set_up};

use super::kit::{Kit, run};

const ROWS: i64 = 100_000;

/// Rows, different numbers, the sum of all cents; what is left of the work.
const EFFECT: &str = "
    SELECT count(*), count(DISTINCT number), sum(cents),
           (SELECT count(*) FROM ingest.incoming) + (SELECT count(*) FROM ingest.staged) + (SELECT count(*) FROM ingest.cleaned)
    FROM ingest.sales";

/// Cents are the number modulo 500.
const EXPECTED: &str = "100000|100000|24950000|0";

/// Whether the loop is in its middle.
const IS_HALF_DONE: &str = "SELECT count(*) BETWEEN 20000 AND 80000 FROM ingest.cleaned";

async fn delivered(kit: &Kit) -> Batch {
    set_up(&kit.session).await.unwrap();
    let batch = Batch { id: 1 };
    deliver(&kit.session, &batch, 1, ROWS).await.unwrap();
    batch
}

fn loaded() -> Loaded {
    Loaded { staged: 110_000, duplicates: 10_000, published: ROWS }
}

#[test]
fn a_hundred_thousand_rows_are_published_once_each() {
    run(async |kit| {
        let batch = delivered(kit).await;
        let run = kit.client.start(load, batch).await.unwrap();
        assert_eq!(run.result().await.unwrap(), loaded());
        assert_eq!(kit.value(EFFECT).await, EXPECTED);

        // What was delivered before is a duplicate.
        let again = Batch { id: 2 };
        deliver(&kit.session, &again, ROWS - 9, 20).await.unwrap();
        let run = kit.client.start(load, again).await.unwrap();
        assert_eq!(run.result().await.unwrap(), Loaded { staged: 22, duplicates: 12, published: 10 });
        assert_eq!(kit.value("SELECT count(*), max(number) FROM ingest.sales").await, "100010|100010");
    });
}

/// Kills in the middle of the loop, twice, and counts.
fn check(kill: impl AsyncFn(&Kit)) {
    run(async |kit| {
        let batch = delivered(kit).await;
        let run = kit.client.start(load, batch).await.unwrap();
        kit.until(IS_HALF_DONE).await;
        kill(kit).await;
        let left = kit.value("SELECT count(*) % 10000 FROM ingest.cleaned").await;
        assert_eq!(left, "0", "a slice is there or not");
        kill(kit).await;
        assert_eq!(run.result().await.unwrap(), loaded());
        assert_eq!(kit.value(EFFECT).await, EXPECTED);
    });
}

#[test]
fn a_terminated_executor_loses_and_doubles_no_row() {
    check(async |kit| {
        kit.value("SELECT pg_terminate_backend(pid) FROM df.workers() WHERE kind = 'executor'").await;
    });
}

#[test]
fn a_killed_server_loses_and_doubles_no_row() {
    check(async |kit| {
        tokio::task::block_in_place(|| {
            kit.server().kill_postmaster().expect("all processes leave with the postmaster");
            kit.server().start_again().expect("the server starts again");
        });
    });
}
