//! Branches of JOIN and RACE: who spawns them, who goes on behind them.

use pg_durable_board::{Taken, Target, Work};

use crate::bench::{ALICE, BOB, Bench, SCHEDULER, place, target, work};

const OUTER: u32 = 0;
const SIBLINGS: &[u32] = &[1, 2, 3];

/// An executor that has spawned branches 1 and 2 of instance 5 and let go, with others that sleep.
fn spawned<const N: usize>(bench: &mut Bench) -> [usize; N] {
    let slots = bench.sleepers(ALICE);
    bench.push(ALICE, 5, OUTER);
    assert_eq!(bench.take(slots[0]), work(5, OUTER));
    bench.spawn(slots[0], ALICE, 1, [target(5, 1), target(5, 2)]);
    slots
}

#[test]
fn who_spawned_branches_goes_on_with_what_it_has_at_hand() {
    let mut bench = Bench::new();
    let [spawner, other] = spawned(&mut bench);
    bench.push(ALICE, 6, 1);
    bench.spawn(spawner, ALICE, 1, [target(5, 3)]);
    let known = Taken::Work(Work { target: target(5, 1), load: Some(1) });
    assert_eq!(bench.take(spawner), known);
    assert_eq!(bench.take(other), work(5, 2), "who has it not at hand has to load it");
    let preferred = Taken::Work(Work { target: target(5, 3), load: Some(1) });
    assert_eq!(bench.take_and_wake(spawner, Some(5)).0, preferred, "before what came earlier");
    assert_eq!(bench.take(spawner), work(6, 1));
}

#[test]
fn what_others_decided_makes_the_memory_of_an_instance_stale() {
    let mut bench = Bench::new();
    let [spawner, _other] = spawned(&mut bench);
    bench.executors.abandon(ALICE.database, 5, None, |_| false);
    assert_eq!(bench.take(spawner), work(5, 1), "loaded anew, as 2");
    bench.spawn(spawner, ALICE, 2, [target(5, 3)]);
    let known = |branch, load| Taken::Work(Work { target: target(5, branch), load: Some(load) });
    assert_eq!(bench.take(spawner), known(2, 1), "the number tells that it is from before");
    assert_eq!(bench.take(spawner), known(3, 2));
}

#[test]
fn the_last_branch_makes_what_is_around_it_ready() {
    let mut bench = Bench::new();
    let [first, second] = spawned(&mut bench);
    assert!(matches!(bench.take(first), Taken::Work(_)));
    assert_eq!(bench.take(second), work(5, 2));
    assert_eq!(bench.finish(first, target(5, OUTER), SIBLINGS), [], "its sibling runs");
    assert_eq!(bench.take(first), Taken::Nothing);
    assert_eq!(bench.finish(second, target(5, OUTER), SIBLINGS), [place(first)]);
    assert_eq!(bench.take(first), work(5, OUTER));
}

#[test]
fn a_branch_whose_sibling_is_ready_leaves_the_rest_to_it() {
    let mut bench = Bench::new();
    let [only] = spawned(&mut bench);
    assert!(matches!(bench.take(only), Taken::Work(_)));
    assert_eq!(bench.finish(only, target(5, OUTER), SIBLINGS), []);
    let sibling = Taken::Work(Work { target: target(5, 2), load: Some(1) });
    assert_eq!(bench.take(only), sibling);
    assert_eq!(bench.finish(only, target(5, OUTER), SIBLINGS), [SCHEDULER]);
    assert_eq!(bench.take(only), work(5, OUTER));
}

#[test]
fn what_is_held_around_the_last_branch_is_looked_at_again() {
    let mut bench = Bench::new();
    let [spawner, other] = bench.sleepers(ALICE);
    bench.push(ALICE, 5, OUTER);
    assert_eq!(bench.take(spawner), work(5, OUTER));
    bench.spawn(spawner, ALICE, 1, [target(5, 1)]);
    assert_eq!(bench.take(other), work(5, 1));
    // The spawner is still on its way to let go.
    assert_eq!(bench.finish(other, target(5, OUTER), SIBLINGS), []);
    assert_eq!(bench.take(other), Taken::Nothing);
    assert_eq!(bench.take(spawner), work(5, OUTER));
}

#[test]
fn branches_of_others_are_no_siblings() {
    let mut bench = Bench::new();
    let [mine, other] = bench.sleepers(ALICE);
    let [bobs] = bench.sleepers(BOB);
    for (tenant, slot, instance, branch) in [(ALICE, mine, 5, 1), (ALICE, other, 6, 2), (BOB, bobs, 7, 2)] {
        bench.push(tenant, instance, branch);
        assert_eq!(bench.take(slot), work(instance, branch));
    }
    bench.push(ALICE, 6, 3);
    bench.push(ALICE, 5, Target::EVERY_BRANCH);
    assert_eq!(bench.finish(mine, target(5, OUTER), SIBLINGS), [SCHEDULER]);
    let left = [bench.take(mine), bench.take(mine), bench.take(mine)];
    assert_eq!(left, [work(6, 3), work(5, Target::EVERY_BRANCH), work(5, OUTER)]);
}
