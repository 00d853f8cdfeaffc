//! What happens where the board is full.

use pg_durable_board::{Awaited, DatabaseId, EXECUTORS_MAX, RoleId, Taken, Tenant};

use crate::bench::{ALICE, BOB, Bench, HERE, SCHEDULER, THERE, target, woken, work};

const ITEMS: u32 = 32 * 1024 - 1;
const QUEUES: u32 = 256;
const DATABASES: u32 = 256;
const WAITERS: i32 = 2048;
const ENDED: u64 = 4096;

/// A board with no free item, all of them ready work of Alice's, and an executor of hers.
fn full() -> (Bench, usize) {
    let mut bench = Bench::new();
    let [slot] = bench.holders(ALICE, 5);
    for branch in 0..ITEMS {
        drop(bench.push(ALICE, 6, branch));
    }
    assert_eq!(bench.queues.queued(HERE), ITEMS);
    assert!(!bench.databases.wants_rescan(HERE));
    (bench, slot)
}

#[test]
fn a_full_board_asks_for_a_rescan() {
    let (mut bench, slot) = full();
    assert_eq!(bench.push(ALICE, 7, 1), [SCHEDULER]);
    assert!(bench.databases.wants_rescan(HERE));
    bench.databases.begin_rescan(HERE);
    assert_eq!(bench.take(slot), work(6, 0));
    bench.push(ALICE, 7, 1);
    assert!(!bench.databases.wants_rescan(HERE), "there is room again");
    assert_eq!(bench.queues.queued(HERE), ITEMS);
}

#[test]
fn one_role_fills_the_board_for_all_others() {
    let (mut bench, _) = full();
    bench.serve(THERE, 3);
    assert_eq!(bench.push(BOB, 7, 1), [SCHEDULER]);
    assert_eq!(bench.push(Tenant { database: THERE, ..BOB }, 7, 1), [3]);
    assert_eq!((bench.queues.queued(HERE), bench.queues.queued(THERE)), (ITEMS, 0));
    assert!(bench.databases.wants_rescan(HERE) && bench.databases.wants_rescan(THERE));
}

#[test]
fn a_timer_that_finds_no_item_asks_for_a_rescan() {
    let (mut bench, _) = full();
    assert_eq!(woken(bench.set_timer(ALICE, target(7, 1), 9)), [SCHEDULER]);
    assert_eq!(bench.take_timers(HERE), []);
    assert!(bench.databases.wants_rescan(HERE));
}

#[test]
fn what_a_dead_executor_held_on_a_full_board_is_left_to_the_rescan() {
    let (mut bench, slot) = full();
    assert_eq!(bench.leave(slot), [SCHEDULER]);
    assert!(bench.databases.wants_rescan(HERE));
}

#[test]
fn one_queue_too_many_asks_for_a_rescan() {
    let mut bench = Bench::new();
    let of = |role| Tenant { role: RoleId(role), ..ALICE };
    for role in 0..QUEUES {
        drop(bench.push(of(role), 5, 1));
    }
    assert!(!bench.databases.wants_rescan(HERE));
    assert_eq!(bench.push(of(QUEUES), 5, 1), [SCHEDULER]);
    assert!(bench.databases.wants_rescan(HERE));
    assert_eq!(bench.queues.queued(HERE), QUEUES);
    bench.clear_queue(of(7));
    drop(bench.push(of(QUEUES), 5, 1));
    assert_eq!(bench.queues.queued(HERE), QUEUES, "an empty one may be had");
}

#[test]
fn one_database_too_many_is_not_served() {
    let mut bench = Bench::new();
    for database in 2..=DATABASES {
        drop(bench.want_database(DatabaseId(database)));
    }
    let other = DatabaseId(DATABASES + 1);
    assert_eq!(woken(bench.want_database(other)), [], "the launcher need not look");
    let now = bench.now;
    assert!(!bench.enter_scheduler(other, 9, 9, now));
    assert!(bench.databases.is_dropped(other));
}

#[test]
fn one_waiter_too_many_is_refused() {
    let mut bench = Bench::new();
    for place in 0..WAITERS {
        assert!(bench.waiters.add(HERE, place, Awaited::Any).is_some());
    }
    assert_eq!(bench.waiters.add(HERE, WAITERS, Awaited::Any), None);
    bench.waiters.remove(7);
    assert_eq!(bench.waiters.add(HERE, WAITERS, Awaited::Any), Some(7));
    assert_eq!(woken(bench.waiters.note_ended(HERE, 5)).len(), WAITERS as usize);
}

#[test]
fn ends_of_long_ago_are_not_known() {
    let mut bench = Bench::new();
    let waiters = &mut bench.waiters;
    drop(waiters.note_completed(HERE, 5));
    for _ in 1..ENDED {
        drop(waiters.note_ended(THERE, 6));
    }
    assert_eq!(waiters.ended_since(HERE, 0), Some(vec![5]));
    assert!(waiters.has_completed_since(HERE, 0, 5));
    drop(waiters.note_ended(THERE, 6));
    assert_eq!(waiters.ended_since(HERE, 0), None, "who waits looks at the tables");
    assert!(!waiters.has_completed_since(HERE, 0, 5));
}

#[test]
fn one_executor_too_many_is_not_started() {
    let mut bench = Bench::new();
    let of = |role| Tenant { role: RoleId(role), ..ALICE };
    for role in 0..=EXECUTORS_MAX as u32 {
        drop(bench.push(of(role), 5, 1));
    }
    assert_eq!(bench.open(1_000).0.len(), EXECUTORS_MAX);
    assert_eq!(bench.open(1_000), (vec![], vec![]));
    assert_eq!(bench.executors.enter(0, 9, 9, 0), Some(of(0)));
    bench.ready_executor(0);
    assert_eq!(bench.take(0), work(5, 1));
    assert_eq!(bench.take(0), Taken::Nothing);
    bench.leave(0);
    assert_eq!(bench.open(1_000).0, [of(EXECUTORS_MAX as u32)]);
}
