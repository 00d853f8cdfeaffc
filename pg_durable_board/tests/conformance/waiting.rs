//! Waiting for instances to end.

use pg_durable_board::Awaited;

use crate::bench::{ALICE, Bench, HERE, SCHEDULER, THERE, woken};

#[test]
fn who_waits_is_woken_by_the_end() {
    let mut bench = Bench::new();
    let waiters = &mut bench.waiters;
    waiters.add(HERE, 50, Awaited::Instance(5)).unwrap();
    waiters.add(HERE, 51, Awaited::Any).unwrap();
    waiters.add(THERE, 52, Awaited::Any).unwrap();
    let gone = waiters.add(HERE, 53, Awaited::Instance(5)).unwrap();
    waiters.remove(gone);
    assert_eq!(woken(waiters.note_ended(HERE, 5)), [50, 51]);
    assert_eq!(woken(waiters.note_completed(HERE, 6)), [51]);
    assert_eq!(woken(waiters.note_ended(THERE, 5)), [52]);
}

#[test]
fn who_waits_for_a_dead_executor_s_instance_looks_at_it() {
    let mut bench = Bench::new();
    let [dead] = bench.holders(ALICE, 5);
    bench.waiters.add(HERE, 50, Awaited::Instance(5)).unwrap();
    let seen = bench.waiters.ended_count();
    assert_eq!(bench.leave(dead), [SCHEDULER, 50]);
    assert!(!bench.waiters.has_completed_since(HERE, seen, 5), "it may have");
    assert_eq!(bench.waiters.ended_since(HERE, seen), Some(vec![5]));
}

#[test]
fn only_what_has_completed_is_known_to_have() {
    let mut bench = Bench::new();
    let waiters = &mut bench.waiters;
    let seen = waiters.ended_count();
    drop(waiters.note_ended(HERE, 5));
    drop(waiters.note_completed(THERE, 5));
    assert!(!waiters.has_completed_since(HERE, seen, 5));
    drop(waiters.note_completed(HERE, 5));
    assert!(waiters.has_completed_since(HERE, seen, 5));
    assert!(!waiters.has_completed_since(HERE, waiters.ended_count(), 5), "that was before");
}
