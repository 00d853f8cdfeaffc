//! Executors: for whom one is started, and who makes room.

use pg_durable_board::{Taken, Tenant};

use crate::bench::{ALICE, BOB, Bench, HERE, LIMIT, SCHEDULER, place, work};

#[test]
fn a_role_gets_an_executor_for_its_first_work() {
    let mut bench = Bench::new();
    assert_eq!(bench.open(LIMIT).0, []);
    bench.push(ALICE, 5, 1);
    bench.push(BOB, 6, 1);
    assert_eq!(bench.open(LIMIT).0, [ALICE, BOB]);
    assert_eq!(bench.open(LIMIT).0, [], "they are on their way");
}

#[test]
fn a_role_gets_another_executor_when_its_work_has_waited() {
    let mut bench = Bench::new();
    let [busy] = bench.holders(ALICE, 5);
    bench.push(ALICE, 6, 1);
    let now = bench.now;
    let (openings, _) = bench.open_executors(HERE, LIMIT, now);
    assert_eq!((openings.start.len(), openings.ask_again), (0, Some(now + 2_000)));
    bench.now += 2_000;
    assert_eq!(bench.open(LIMIT).0, [ALICE]);
    assert_eq!(bench.take(busy), work(6, 1));
}

#[test]
fn a_role_without_executors_gets_room() {
    let mut bench = Bench::new();
    let [busy] = bench.holders(ALICE, 5);
    bench.push(BOB, 6, 1);
    assert_eq!(bench.open(1), (vec![], vec![]), "not at once: it has only just begun");
    bench.now += 250_000;
    assert_eq!(bench.open(1), (vec![], vec![place(busy)]));
    assert!(bench.executors.retires(busy));
    assert_eq!(bench.take(busy), Taken::Retire);
    assert_eq!(bench.leave(busy), [SCHEDULER]);
    assert_eq!(bench.open(1), (vec![BOB], vec![]));
}

#[test]
fn an_idle_executor_leaves_before_one_that_works() {
    let mut bench = Bench::new();
    let [busy] = bench.holders(ALICE, 5);
    let [idle] = bench.sleepers(BOB);
    let carol = Tenant { role: pg_durable_board::RoleId(12), ..ALICE };
    bench.push(carol, 6, 1);
    bench.now += 1_000_000;
    assert_eq!(bench.open(2), (vec![], vec![place(idle)]));
    assert!(!bench.executors.retires(busy));
}

#[test]
fn a_quarter_of_the_executors_is_kept_for_roles_that_have_none() {
    let mut bench = Bench::new();
    let holders: [usize; 3] = bench.holders(ALICE, 5);
    bench.push(ALICE, 9, 1);
    bench.now += 1_000_000;
    assert_eq!(bench.open(4), (vec![], vec![]), "nobody else is there to leave");
    assert!(holders.iter().all(|&slot| !bench.executors.retires(slot)));
    bench.push(BOB, 6, 1);
    assert_eq!(bench.open(4).0, [BOB]);
}

#[test]
fn the_role_that_was_served_longest_ago_comes_first() {
    let mut bench = Bench::new();
    let alices = bench.start(ALICE);
    let bobs = bench.start(BOB);
    bench.leave(alices);
    bench.leave(bobs);
    bench.push(BOB, 6, 1);
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.open(1).0, [ALICE]);
}

#[test]
fn an_executor_that_cannot_start_is_tried_again_later() {
    let mut bench = Bench::new();
    bench.push(ALICE, 5, 1);
    let now = bench.now;
    let (openings, _) = bench.open_executors(HERE, LIMIT, now);
    let slot = openings.start[0].slot;
    assert!(bench.executors.is_starting(slot));
    assert_eq!(bench.leave(slot), [SCHEDULER]);
    let (openings, _) = bench.open_executors(HERE, LIMIT, now);
    assert_eq!((openings.start.len(), openings.ask_again), (0, Some(now + 2_000_000)));
    bench.queues.block(ALICE, now + 10);
    bench.now += 10;
    assert_eq!(bench.open(LIMIT).0, [ALICE], "whoever knows better says so");
}

#[test]
fn who_ends_before_it_takes_its_work_leaves_it_to_another_sleeper() {
    let mut bench = Bench::new();
    let [first, second] = bench.sleepers(ALICE);
    assert_eq!(bench.push(ALICE, 5, 1), [place(first)]);
    assert_eq!(bench.leave(first), [place(second), SCHEDULER]);
    assert_eq!(bench.take(second), work(5, 1));
    assert_eq!(bench.leave(second), [SCHEDULER], "what it held is started for");
}

#[test]
fn who_ends_without_work_wakes_no_sleeper() {
    let mut bench = Bench::new();
    let [first, _second] = bench.sleepers(ALICE);
    bench.push(BOB, 5, 1);
    assert_eq!(bench.leave(first), [SCHEDULER]);
}

#[test]
fn a_slot_whose_process_never_came_is_free_when_the_next_scheduler_comes() {
    let mut bench = Bench::new();
    bench.push(ALICE, 5, 1);
    assert_eq!(bench.open(1).0, [ALICE]);
    drop(bench.leave_scheduler(HERE, SCHEDULER));
    assert_eq!(bench.open(1).0, []);
    let now = bench.now;
    assert!(bench.enter_scheduler(HERE, 3, 3, now));
    assert_eq!(bench.open(1).0, [ALICE]);
    assert_eq!(bench.executors.enter(0, 9, place(0), now), Some(ALICE));
    assert_eq!(bench.executors.enter(0, 9, place(0), now), None, "one process a slot");
}

#[test]
fn a_long_first_step_is_told_to_the_scheduler() {
    let mut bench = Bench::new();
    let [slot] = bench.holders(ALICE, 5);
    let now = bench.now;
    let begin = |bench: &mut Bench, is_pending| {
        let (has_begun, wake) = bench.begin_node(slot, 7, is_pending, now);
        assert!(has_begun);
        crate::bench::woken(wake)
    };
    assert_eq!(begin(&mut bench, false), []);
    assert_eq!(begin(&mut bench, true), [SCHEDULER]);
    bench.databases.note_look(HERE, Some(now + 100_000));
    assert_eq!(begin(&mut bench, true), [], "it looks in time");
    assert_eq!(bench.executors.take_pending(HERE, now + 100_000), (vec![5], None));
}

#[test]
fn nodes_in_hand_are_those_of_executors_with_a_lease() {
    let mut bench = Bench::new();
    let [first, second] = bench.holders(ALICE, 5);
    let now = bench.now;
    assert_eq!(bench.executors.nodes_in_hand(HERE, 5), [], "none has begun");
    assert!(bench.begin_node(first, 7, false, now).0 && bench.begin_node(second, 8, false, now).0);
    assert_eq!(bench.executors.nodes_in_hand(HERE, 5), [7]);
    assert_eq!(bench.take(first), Taken::Nothing);
    assert_eq!(bench.executors.nodes_in_hand(HERE, 5), []);
}

#[test]
fn workers_are_told_with_what_they_do() {
    let mut bench = Bench::new();
    let [busy] = bench.holders(ALICE, 5);
    let [_idle] = bench.sleepers(BOB);
    let now = bench.now;
    assert!(bench.begin_node(busy, 7, false, now).0);
    bench.push(ALICE, 6, 1);
    let told: Vec<_> = bench
        .workers()
        .iter()
        .map(|worker| {
            let role = worker.role.map(|role| role.0);
            (worker.kind.as_str(), worker.state, worker.pid, role, worker.node, worker.steps)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("launcher", "running", 1, None, None, 0),
            ("scheduler", "running", SCHEDULER, None, None, 0),
            ("executor", "running", 1100, Some(10), Some(7), 1),
            ("executor", "idle", 1101, Some(11), None, 0),
        ]
    );
}
