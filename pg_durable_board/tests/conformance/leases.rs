//! Leases.

use pg_durable_board::{RoleId, Taken, Tenant};

use crate::bench::{ALICE, Bench, LAUNCHER, SCHEDULER, THERE, place, target, woken, work};

#[test]
fn a_lease_is_held_by_one_process() {
    let mut bench = Bench::new();
    let [first, second] = bench.sleepers(ALICE);
    bench.push(ALICE, 5, 1);
    bench.push(ALICE, 5, 1);
    bench.push(ALICE, 5, 2);
    assert_eq!(bench.take(first), work(5, 1));
    assert_eq!(bench.take(second), work(5, 2), "what is held is passed over");
    assert_eq!(bench.exchange(second, target(5, 1)), (false, vec![]));
    assert_eq!(bench.exchange(second, target(5, 2)), (true, vec![]), "it has that already");
}

#[test]
fn who_wanted_a_held_branch_makes_its_holder_look_again() {
    let mut bench = Bench::new();
    let [holder, other, third] = bench.sleepers(ALICE);
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.take(holder), work(5, 1));
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.take(other), Taken::Nothing);
    assert_eq!(bench.take(third), Taken::Nothing);
    let (taken, woken) = bench.take_and_wake(holder, None);
    assert_eq!((taken, woken), (work(5, 1), vec![place(other)]), "others may have it too");
    assert_eq!(bench.take(holder), Taken::Nothing, "once was enough");
}

#[test]
fn who_wanted_to_exchange_for_a_held_branch_makes_its_holder_look_again() {
    let mut bench = Bench::new();
    let [holder, other] = bench.holders(ALICE, 5);
    assert_eq!(bench.exchange(other, target(5, 1)), (false, vec![]));
    assert_eq!(bench.take(holder), work(5, 1));
}

#[test]
fn what_was_wanted_of_an_exchanged_branch_is_ready_again() {
    let mut bench = Bench::new();
    let [holder, other] = bench.holders(ALICE, 5);
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.take(other), Taken::Nothing);
    assert_eq!(bench.exchange(holder, target(5, 2)), (true, vec![place(other)]));
    assert_eq!(bench.take(other), work(5, 1));
    assert_eq!(bench.take(holder), Taken::Nothing, "nobody has wanted the branch that it has now");
}

#[test]
fn what_a_dead_executor_held_is_ready_again() {
    let mut bench = Bench::new();
    let [dead, other] = bench.sleepers(ALICE);
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.take(dead), work(5, 1));
    assert_eq!(bench.leave(dead), [place(other)]);
    assert_eq!(bench.take(other), work(5, 1));
    assert_eq!(bench.leave(dead), [], "it is gone already");
}

#[test]
fn what_a_dead_executor_held_is_started_for_where_nobody_is_there() {
    let mut bench = Bench::new();
    let [dead] = bench.holders(ALICE, 5);
    assert_eq!(bench.leave(dead), [SCHEDULER]);
    assert_eq!(bench.open(1).0, [ALICE]);
}

#[test]
fn a_lease_ends_with_its_process() {
    let mut bench = Bench::new();
    let [dead, other] = bench.holders(ALICE, 5);
    bench.leave(dead);
    assert_eq!(bench.exchange(other, target(5, 1)), (true, vec![]));
}

#[test]
fn targets_of_two_databases_are_two() {
    let mut bench = Bench::new();
    bench.serve(THERE, 3);
    let there = Tenant { database: THERE, role: RoleId(10) };
    let [here] = bench.holders(ALICE, 5);
    let [elsewhere] = bench.holders(there, 5);
    assert_eq!(bench.take(elsewhere), Taken::Nothing);
    assert_eq!(bench.take(here), Taken::Nothing);
}

#[test]
fn what_was_given_up_is_interrupted_and_begins_no_node() {
    let mut bench = Bench::new();
    let [loser, winner, other] = bench.sleepers(ALICE);
    for (slot, instance, branch) in [(loser, 5, 1), (winner, 5, 2), (other, 6, 1)] {
        bench.push(ALICE, instance, branch);
        assert_eq!(bench.take(slot), work(instance, branch));
    }
    let pids = bench.executors.abandon(ALICE.database, 5, Some(winner), |branch| branch == 1);
    assert_eq!(pids, [place(loser) + 1000]);
    let now = bench.now;
    let mut begins = |slot| bench.board.begin_node(slot, 7, false, now).0;
    assert_eq!([loser, winner, other].map(&mut begins), [false, true, true]);
    assert!(bench.executors.is_abandoned(loser));
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.take(loser), work(5, 1));
    assert!(bench.begin_node(loser, 7, false, now).0, "that was about the lease it had");
    assert_eq!(bench.executors.abandon_all(ALICE.database).len(), 3);
    assert!(bench.executors.is_abandoned(other));
}

#[test]
fn who_is_told_to_leave_takes_nothing_more() {
    let mut bench = Bench::new();
    let [busy, idle] = bench.sleepers(ALICE);
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.take(busy), work(5, 1));
    let wake = bench.forget_database(ALICE.database);
    assert_eq!(woken(wake), [place(busy), place(idle), LAUNCHER]);
    assert!(bench.executors.retires(busy));
    assert_eq!(bench.take(busy), Taken::Retire);
    assert_eq!(bench.take(idle), Taken::Retire);
}
