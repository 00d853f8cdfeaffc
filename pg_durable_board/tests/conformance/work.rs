//! Ready work: whose it is, in which order it is taken, and who is woken for it.

use pg_durable_board::Taken;

use crate::bench::{ALICE, BOB, Bench, HERE, SCHEDULER, THERE, place, work};

#[test]
fn what_came_first_is_taken_first() {
    let mut bench = Bench::new();
    let [slot] = bench.sleepers(ALICE);
    for instance in [7, 5, 6] {
        bench.push(ALICE, instance, 1);
    }
    assert_eq!([bench.take(slot), bench.take(slot), bench.take(slot)], [work(7, 1), work(5, 1), work(6, 1)]);
    assert_eq!(bench.take(slot), Taken::Nothing);
}

#[test]
fn work_of_a_role_is_taken_by_its_own_executors() {
    let mut bench = Bench::new();
    let [alices] = bench.sleepers(ALICE);
    let [bobs] = bench.sleepers(BOB);
    assert_eq!(bench.push(BOB, 5, 1), [place(bobs)]);
    assert_eq!(bench.take(alices), Taken::Nothing);
    assert_eq!(bench.take(bobs), work(5, 1));
}

#[test]
fn each_piece_of_work_wakes_another_sleeper_and_then_the_scheduler() {
    let mut bench = Bench::new();
    let [first, second] = bench.sleepers(ALICE);
    assert_eq!(bench.push(ALICE, 5, 1), [place(first)]);
    assert_eq!(bench.push(ALICE, 6, 1), [place(second)]);
    assert_eq!(bench.push(ALICE, 7, 1), [SCHEDULER]);
    assert_eq!(bench.take(first), work(5, 1));
    assert_eq!(bench.push(ALICE, 8, 1), [SCHEDULER], "who works is not woken");
    assert_eq!(
        [bench.take(first), bench.take(first), bench.take(first)],
        [work(6, 1), work(7, 1), work(8, 1)]
    );
    assert_eq!(bench.take(first), Taken::Nothing);
    assert_eq!(bench.push(ALICE, 9, 1), [place(first)]);
}

#[test]
fn a_scheduler_that_looks_soon_is_left_to_sleep() {
    let mut bench = Bench::new();
    let now = bench.now;
    for (looks_at, woken) in [
        (None, vec![SCHEDULER]),
        (Some(now + 1_000_000), vec![SCHEDULER]),
        (Some(now + 2_001), vec![SCHEDULER]),
        (Some(now + 2_000), vec![]),
    ] {
        bench.databases.note_look(HERE, looks_at);
        assert_eq!(bench.push(ALICE, 5, 1), woken, "{looks_at:?}");
    }
}

#[test]
fn work_of_a_database_that_is_not_served_is_left_to_its_scan() {
    let mut bench = Bench::new();
    let there = pg_durable_board::Tenant { database: THERE, ..ALICE };
    assert_eq!(bench.push(there, 5, 1), []);
    assert_eq!(bench.queues.queued(THERE), 0);
    bench.serve(THERE, 3);
    assert_eq!(bench.push(there, 5, 1), [3]);
    assert_eq!((bench.queues.queued(THERE), bench.queues.queued(HERE)), (1, 0));
}

#[test]
fn an_executor_gives_way_where_others_wait_and_nobody_is_free_for_them() {
    let mut bench = Bench::new();
    let [first, second] = bench.holders(ALICE, 5);
    assert!(!bench.others_wait(first));
    bench.push(BOB, 8, 1);
    assert!(!bench.others_wait(first), "that is another's");
    bench.push(ALICE, 8, 1);
    assert!(bench.others_wait(first));
    assert_eq!(bench.take(second), work(8, 1));
    assert_eq!(bench.take(second), Taken::Nothing);
    bench.push(ALICE, 9, 1);
    assert!(!bench.others_wait(first), "somebody is on the way to it");
}

#[test]
fn what_is_preferred_is_found_near_the_head_only() {
    let mut bench = Bench::new();
    let [slot] = bench.sleepers(ALICE);
    for branch in 0..64 {
        bench.push(ALICE, 5, branch);
    }
    bench.push(ALICE, 6, 1);
    assert_eq!(bench.take_and_wake(slot, Some(6)).0, work(5, 0), "65th");
    assert_eq!(bench.take_and_wake(slot, Some(6)).0, work(6, 1), "64th");
}

#[test]
fn what_a_role_may_not_run_is_forgotten() {
    let mut bench = Bench::new();
    let [slot] = bench.sleepers(ALICE);
    let [bobs] = bench.sleepers(BOB);
    bench.push(ALICE, 5, 1);
    bench.push(BOB, 6, 1);
    bench.clear_queue(ALICE);
    assert_eq!(bench.take(slot), Taken::Nothing);
    assert_eq!(bench.take(bobs), work(6, 1));
}
