use pg_durable_examples::maintenance::{Approval, maintain, make_bloated, set_up};
use pg_durable_sdk::Run;

use super::kit::{Kit, run};

const TABLE: &str = "upkeep.visits";
const FINE: &str = "upkeep.\"Fine ones\"";

async fn started(kit: &Kit) -> Run {
    set_up(&kit.session).await.unwrap();
    make_bloated(&kit.session, TABLE).await.unwrap();
    kit.session.batch_execute(&format!("CREATE TABLE {FINE} (id int PRIMARY KEY)")).await.unwrap();
    let run = maintain(&[TABLE, FINE]).start(&kit.client).await.unwrap();
    run.until_waiting_for("signal approval").await.unwrap();
    assert_eq!(kit.value("SELECT relations FROM upkeep.requests").await, "{upkeep.visits}");
    run
}

/// `run.result()` is a statement that REINDEX CONCURRENTLY would wait for.
async fn end_of(kit: &Kit, run: &Run) {
    let ended = "IN ('completed', 'failed', 'cancelled')";
    kit.until(&format!("SELECT df.status('{}') {ended}", run.id())).await;
    run.result().await.expect("it completes");
}

async fn index_size(kit: &Kit) -> i64 {
    kit.value("SELECT pg_relation_size('upkeep.visits_pkey')").await.parse().unwrap()
}

/// What was done, in order, and what is left over.
async fn done(kit: &Kit) -> (String, String) {
    let notes = "SELECT string_agg(relation || ' ' || what, '; ' ORDER BY at) FROM upkeep.done";
    (kit.value(notes).await, kit.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await)
}

#[test]
fn a_bloated_table_is_vacuumed_and_its_index_rebuilt_once_approved() {
    run(async |kit| {
        let run = started(kit).await;
        let before = index_size(kit).await;
        run.signal("approval", &Approval { approved: true }).await.unwrap();
        end_of(kit, &run).await;
        let expected = "upkeep.visits vacuumed, indexes rebuilt; upkeep.\"Fine ones\" is fine";
        assert_eq!(done(kit).await, (expected.to_owned(), "0".to_owned()));
        assert!(index_size(kit).await * 2 < before, "a quarter of the rows is left");
        kit.until(
            "SELECT vacuum_count >= 1 FROM pg_stat_user_tables WHERE relid = 'upkeep.visits'::regclass",
        )
        .await;
    });
}

#[test]
fn nothing_is_touched_that_is_not_approved() {
    run(async |kit| {
        let run = started(kit).await;
        let before = index_size(kit).await;
        run.signal("approval", &Approval { approved: false }).await.unwrap();
        end_of(kit, &run).await;
        assert_eq!(done(kit).await, ("all not approved".to_owned(), "0".to_owned()));
        assert_eq!(index_size(kit).await, before);
    });
}

#[test]
fn a_reindex_that_is_killed_is_done_again_and_leaves_nothing_over() {
    run(async |kit| {
        let run = started(kit).await;
        // An old snapshot holds the REINDEX up in its middle, with its new index built and not valid.
        let old = kit.another_session().await;
        old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        run.signal("approval", &Approval { approved: true }).await.unwrap();
        const HELD_UP: &str =
            "FROM pg_stat_activity WHERE query LIKE 'REINDEX%' AND wait_event = 'virtualxid'";
        kit.until(&format!("SELECT EXISTS (SELECT {HELD_UP})")).await;
        assert_eq!(kit.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "1");
        assert_eq!(kit.value(&format!("SELECT pg_terminate_backend(pid) {HELD_UP}")).await, "t");
        // The second try is held up as well.
        kit.until("SELECT count(*) = 2 FROM pg_index WHERE NOT indisvalid").await;
        old.batch_execute("ROLLBACK").await.unwrap();
        end_of(kit, &run).await;
        let (notes, left_over) = done(kit).await;
        assert!(notes.starts_with("upkeep.visits vacuumed, indexes rebuilt"), "{notes}");
        assert_eq!(left_over, "0");
    });
}
