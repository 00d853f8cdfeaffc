//! What happens where the board is full.

use pg_durable_board::{
    Awaited, DatabaseId, EXECUTORS_MAX, Hindrance, InFlight, RoleId, Taken, Tenant, Wall,
};

use crate::bench::{ALICE, BOB, Bench, HERE, LAUNCHER, SCHEDULER, THERE, place, target, woken, work};

const ITEMS: u32 = 32 * 1024 - 1;
const QUEUES: u32 = 256;
const DATABASES: u32 = 256;
const WAITERS: i32 = 2048;
const ENDED: u64 = 4096;
const HINDRANCES: u32 = 64;
/// After how long a tenant's queue may be given to another one.
const TURN_US: i64 = 1_000_000;

fn of(role: u32) -> Tenant {
    Tenant { role: RoleId(role), ..ALICE }
}

/// How often this wall was met, and how much of what it bounds is used.
fn met(bench: &Bench, wall: Wall) -> (u32, u32) {
    let infos = bench.wall_infos(bench.now);
    let info = infos.iter().find(|info| info.wall == wall).expect("all are told");
    assert!(info.used <= info.size, "{info:?}");
    (info.crossings, info.used)
}

/// A board with no free item, all of them ready work of Alice's, and an executor of hers.
fn full() -> (Bench, usize) {
    let mut bench = Bench::new();
    let [slot] = bench.holders(ALICE, 5);
    for branch in 0..ITEMS {
        drop(bench.push(ALICE, 6, branch));
    }
    assert_eq!(bench.queues.queued(HERE), ITEMS);
    assert_eq!(bench.queues.left_in_tables(HERE), []);
    (bench, slot)
}

#[test]
fn what_a_full_board_has_no_room_for_is_known_to_be_in_the_tables() {
    let (mut bench, slot) = full();
    assert_eq!(met(&bench, Wall::Items), (0, ITEMS));
    assert_eq!(bench.push(ALICE, 7, 1), [LAUNCHER], "who says so, once");
    assert_eq!(bench.push(ALICE, 8, 1), []);
    assert_eq!(met(&bench, Wall::Items), (1, ITEMS));
    assert_eq!(bench.walls.take_unsaid(), [Wall::Items]);
    assert_eq!(bench.queues.left_in_tables(HERE), [ALICE.role]);
    // She has more than enough to do: nobody need look before she has less than her share.
    let (mut told, mut taken) = (Vec::new(), 0);
    while told.is_empty() {
        assert_eq!(bench.queues.hungry(HERE), []);
        told = bench.take_and_wake(slot, None).1;
        taken += 1;
    }
    assert_eq!((told, taken), (vec![SCHEDULER], ITEMS / 2 + 2));
    assert_eq!(bench.queues.hungry(HERE), [ALICE.role]);
    assert_eq!(bench.take_and_wake(slot, None).1, [], "the scheduler knows");
    // From the look at the tables on she gets twice a share, and what is pushed meanwhile has room.
    let now = bench.now;
    let (on_board, wake) = bench.begin_look(ALICE, now, now);
    assert_eq!((on_board, woken(wake)), (Some(vec![]), vec![]));
    let room = bench.queues.room(ALICE).expect("she has a queue");
    assert_eq!(room, 2 * (ITEMS / 2) - bench.queues.queued(HERE));
    bench.queues.end_look(ALICE);
    assert_eq!(bench.queues.left_in_tables(HERE), []);
}

#[test]
fn what_is_missed_during_a_look_is_looked_for_again() {
    let (mut bench, slot) = full();
    drop(bench.push(ALICE, 7, 1));
    let now = bench.now;
    let (on_board, _) = bench.begin_look(ALICE, now, now);
    assert_eq!(on_board, Some(vec![6]), "its root is on the board");
    assert_eq!(bench.queues.room(ALICE), Some(0));
    drop(bench.push(ALICE, 8, 1));
    bench.queues.end_look(ALICE);
    assert_eq!(bench.queues.left_in_tables(HERE), [ALICE.role]);
    assert_eq!(bench.take(slot), work(6, 0));
    drop(bench.begin_look(ALICE, now, now));
    bench.push(ALICE, 9, 1);
    bench.queues.end_look(ALICE);
    assert_eq!(bench.queues.left_in_tables(HERE), [], "there was room");
}

#[test]
fn who_has_less_than_a_share_has_room_made_by_who_has_more() {
    let (mut bench, _) = full();
    bench.serve(THERE, 3);
    assert_eq!(bench.push(BOB, 7, 1), [SCHEDULER, LAUNCHER]);
    let there = Tenant { database: THERE, ..BOB };
    assert_eq!(bench.push(there, 7, 1), [3]);
    assert_eq!((bench.queues.queued(HERE), bench.queues.queued(THERE)), (ITEMS - 1, 1));
    assert_eq!(
        (bench.queues.left_in_tables(HERE), bench.queues.left_in_tables(THERE)),
        (vec![ALICE.role], vec![])
    );
    // Down to an equal share each, and no further.
    for branch in 0..ITEMS {
        drop(bench.push(BOB, 8, branch));
        drop(bench.push(there, 8, branch));
    }
    assert_eq!(bench.queues.queued(THERE), ITEMS / 3);
    assert_eq!(bench.queues.queued(HERE), ITEMS - ITEMS / 3);
    assert_eq!(bench.queues.left_in_tables(THERE), [BOB.role]);
}

#[test]
fn the_newest_work_is_given_back() {
    let mut bench = Bench::new();
    let [slot] = bench.sleepers(ALICE);
    let [bobs] = bench.sleepers(BOB);
    for branch in 0..ITEMS {
        drop(bench.push(ALICE, 6, branch));
    }
    assert_eq!(bench.push(BOB, 7, 1), [place(bobs), LAUNCHER]);
    assert_eq!(bench.take(bobs), work(7, 1));
    for branch in 0..ITEMS - 1 {
        assert_eq!(bench.take(slot), work(6, branch));
    }
    assert_eq!(bench.take(slot), Taken::Nothing, "the last one made room");
}

#[test]
fn timers_take_no_room_from_work_and_each_database_may_have_as_many() {
    let (mut bench, _) = full();
    bench.serve(THERE, 3);
    for instance in 0..ITEMS {
        assert_eq!(woken(bench.set_timer(ALICE, target(instance.into(), 1), 9)), [SCHEDULER]);
    }
    assert_eq!(met(&bench, Wall::Timers), (0, ITEMS));
    assert_eq!(woken(bench.set_timer(ALICE, target(0, 2), 9)), [SCHEDULER, LAUNCHER]);
    assert_eq!(bench.queues.left_in_tables(HERE), [ALICE.role]);
    let there = Tenant { database: THERE, ..BOB };
    assert_eq!(woken(bench.set_timer(there, target(1, 1), 9)), [3], "of those here one gives way");
    assert_eq!((bench.take_timers(HERE).len(), bench.take_timers(THERE).len()), (ITEMS as usize - 1, 1));
    assert_eq!(met(&bench, Wall::Timers), (1, 0));
    assert_eq!(bench.queues.left_in_tables(THERE), []);
}

#[test]
fn what_a_dead_executor_held_on_a_full_board_is_left_in_the_tables() {
    let (mut bench, slot) = full();
    assert_eq!(bench.leave(slot), [LAUNCHER]);
    assert_eq!(bench.queues.left_in_tables(HERE), [ALICE.role]);
}

#[test]
fn who_has_no_queue_is_known_and_takes_the_place_of_who_had_one_for_long() {
    let mut bench = Bench::new();
    for role in 1..=QUEUES {
        drop(bench.push(of(role), 5, 1));
    }
    assert_eq!(bench.databases.take_orphans(HERE), []);
    let late = of(QUEUES + 1);
    assert_eq!(bench.push(late, 5, 1), [LAUNCHER, SCHEDULER]);
    assert_eq!(bench.push(late, 6, 1), [], "it is known");
    assert_eq!(bench.databases.take_orphans(HERE), [late.role]);
    assert_eq!((bench.queues.queued(HERE), met(&bench, Wall::Queues)), (QUEUES, (1, QUEUES)));
    let since = bench.now;
    assert_eq!(bench.board.begin_look(late, since, since).0, None, "all have just come");
    bench.now += TURN_US;
    let now = bench.now;
    let (on_board, wake) = bench.begin_look(late, since, now);
    assert_eq!((on_board, woken(wake)), (Some(vec![]), vec![SCHEDULER]));
    let [role] = bench.databases.take_orphans(HERE)[..] else { panic!("one has given its queue") };
    assert_eq!(bench.queues.queued(HERE), QUEUES - 1, "what it held is in the tables");
    // One that is empty, and whose tenant has nothing in the tables, may be had at once.
    bench.clear_queue(of(if role == RoleId(7) { 8 } else { 7 }));
    drop(bench.push(Tenant { role, ..ALICE }, 5, 1));
    assert_eq!(bench.queues.queued(HERE), QUEUES - 1);
}

#[test]
fn who_came_later_gives_way_to_who_has_waited_longer() {
    let mut bench = Bench::new();
    let since = bench.now;
    bench.now += 1;
    for role in 1..=QUEUES {
        drop(bench.push(of(role), 5, 1));
    }
    let now = bench.now;
    assert!(bench.begin_look(of(QUEUES + 1), since, now).0.is_some());
}

#[test]
fn with_many_orphans_all_of_a_database_is_looked_for() {
    let mut bench = Bench::new();
    for role in 1..=QUEUES + 8 {
        drop(bench.push(of(role), 5, 1));
    }
    assert!(!bench.databases.wants_rescan(HERE));
    drop(bench.push(of(QUEUES + 9), 5, 1));
    assert!(bench.databases.wants_rescan(HERE));
    assert_eq!(bench.databases.take_orphans(HERE).len(), 8);
}

#[test]
fn a_database_that_is_refused_is_served_when_another_gives_its_place_up() {
    let mut bench = Bench::new();
    for database in 2..=DATABASES {
        drop(bench.want_database(DatabaseId(database)));
    }
    assert!(!bench.launcher.take_refused());
    let (other, now) = (DatabaseId(DATABASES + 1), bench.now);
    assert_eq!(woken(bench.want_database(other)), [LAUNCHER, LAUNCHER], "to say so, and to remember it");
    assert_eq!(bench.walls.take_unsaid(), [Wall::Databases]);
    assert_eq!(woken(bench.create_database(other)), [LAUNCHER]);
    assert!(bench.launcher.take_refused() && !bench.launcher.take_refused());
    assert!(!bench.enter_scheduler(other, 9, 9, now));
    assert!(bench.databases.is_dropped(other));
    assert!(!bench.look_into(other, now).0 && !bench.launcher.take_refused(), "the launcher knows");
    assert!(bench.look_into(THERE, now).0, "it is served");
    assert_eq!(woken(bench.forget_database(THERE)), [LAUNCHER]);
    assert!(bench.look_into(other, now).0);
    assert!(bench.enter_scheduler(other, 9, 9, now));
    assert_eq!(met(&bench, Wall::Databases), (1, DATABASES));
}

#[test]
fn hindrances_and_suspects_that_find_no_place_are_said() {
    let mut bench = Bench::new();
    for role in 1..=HINDRANCES + 1 {
        let now = bench.now;
        let (until, wake) = bench.note_hindrance(of(role), Hindrance::NoConnect, now);
        assert!(until > now, "it is tried again");
        assert_eq!(!woken(wake).is_empty(), role > HINDRANCES);
    }
    assert_eq!(met(&bench, Wall::Hindrances), (1, HINDRANCES));
    for node in 0..=EXECUTORS_MAX as u32 {
        let step = InFlight { instance: 5, generation: 1, database: HERE, node };
        assert_eq!(woken(bench.suspect(step)).contains(&LAUNCHER), node == EXECUTORS_MAX as u32);
    }
    assert_eq!(met(&bench, Wall::Suspects), (1, EXECUTORS_MAX as u32));
}

#[test]
fn one_waiter_too_many_has_to_look_by_itself() {
    let mut bench = Bench::new();
    let now = bench.now;
    for place in 0..WAITERS {
        assert!(bench.wait(HERE, place, Awaited::Any, now).0.is_some());
    }
    let (waiter, wake) = bench.wait(HERE, WAITERS, Awaited::Any, now);
    assert_eq!((waiter, woken(wake)), (None, vec![LAUNCHER]));
    assert_eq!(met(&bench, Wall::Waiters), (1, WAITERS as u32));
    bench.waiters.remove(7);
    assert_eq!(bench.wait(HERE, WAITERS, Awaited::Any, now).0, Some(7));
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
