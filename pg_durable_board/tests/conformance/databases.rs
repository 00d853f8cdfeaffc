//! Databases: who serves them, and what their schedulers are told.

use pg_durable_board::{Duty, Hold, InFlight, Taken, Timer};

use crate::bench::{ALICE, BOB, Bench, HERE, LAUNCHER, LIMIT, SCHEDULER, THERE, place, target, woken};

#[test]
fn a_timer_reaches_the_scheduler_once() {
    let mut bench = Bench::new();
    let timers = [(ALICE, 5, 900), (BOB, 6, 700), (ALICE, 5, 900)];
    for (tenant, instance, at) in timers {
        assert_eq!(woken(bench.set_timer(tenant, target(instance, 1), at)), [SCHEDULER]);
    }
    let expected = timers.map(|(of, instance, at)| Timer { at, target: target(instance, 1), role: of.role });
    assert_eq!(bench.take_timers(THERE), []);
    assert_eq!(bench.take_timers(HERE), expected, "in the order in which they were set");
    assert_eq!(bench.take_timers(HERE), []);
}

#[test]
fn a_database_is_served_by_one_scheduler() {
    let mut bench = Bench::new();
    let now = bench.now;
    assert_eq!(bench.databases.without_scheduler(), []);
    assert!(!bench.enter_scheduler(HERE, 9, 9, now));
    assert_eq!(woken(bench.leave_scheduler(HERE, 9)), [LAUNCHER], "it was not the one");
    assert!(!bench.enter_scheduler(HERE, 9, 9, now));
    assert_eq!(woken(bench.leave_scheduler(HERE, SCHEDULER)), [LAUNCHER]);
    assert_eq!(bench.databases.without_scheduler(), [HERE]);
    assert!(!bench.enter_scheduler(THERE, 9, 9, now), "nobody wants one there");
    assert!(bench.enter_scheduler(HERE, 9, 9, now));
}

#[test]
fn what_changed_during_the_look_is_looked_at_again() {
    let mut bench = Bench::new();
    let changes = bench.databases.changes(HERE);
    drop(bench.databases.note_drop(HERE));
    assert!(bench.databases.is_dropped(HERE));
    assert_eq!(bench.decide_served(HERE, changes, true).0, None);
    let changes = bench.databases.changes(HERE);
    assert_eq!(bench.decide_served(HERE, changes, true).0, Some(true));
    assert!(!bench.databases.is_dropped(HERE));
    let (is_served, wake) = bench.decide_served(HERE, changes, false);
    assert_eq!((is_served, woken(wake)), (Some(false), vec![LAUNCHER]));
    assert!(bench.databases.is_dropped(HERE), "it is not known any more");
}

#[test]
fn what_is_left_of_a_database_that_is_not_served_is_forgotten() {
    let mut bench = Bench::new();
    bench.push(ALICE, 5, 1);
    drop(bench.set_timer(ALICE, target(5, 2), 7));
    drop(bench.forget_database(HERE));
    bench.serve(HERE, SCHEDULER);
    assert_eq!(bench.queues.queued(HERE), 0);
    assert_eq!(bench.take_timers(HERE), []);
}

#[test]
fn a_new_extension_has_nothing_to_be_looked_for() {
    let mut bench = Bench::new();
    assert_eq!(woken(bench.create_database(THERE)), [LAUNCHER]);
    assert!(bench.databases.take_is_new(THERE));
    assert!(!bench.databases.take_is_new(THERE), "the next scheduler looks");
    drop(bench.create_database(HERE));
    assert!(!bench.databases.take_is_new(HERE), "it was there already");
}

#[test]
fn what_the_scheduler_is_asked_for_wakes_it_and_is_done_once() {
    let mut bench = Bench::new();
    assert_eq!(woken(bench.databases.request_rescan(HERE)), [SCHEDULER]);
    assert!(bench.databases.wants_rescan(HERE));
    bench.databases.begin_rescan(HERE);
    assert!(!bench.databases.wants_rescan(HERE));
    assert_eq!(woken(bench.databases.expect_prepared(HERE)), [SCHEDULER]);
    assert!(bench.databases.sweeps(HERE) && bench.databases.sweeps(HERE), "until it is told to stop");
    bench.databases.stop_sweeping(HERE);
    assert!(!bench.databases.sweeps(HERE));
    assert_eq!(woken(bench.databases.wake_schedulers()), [SCHEDULER]);
    drop(bench.leave_scheduler(HERE, SCHEDULER));
    assert_eq!(woken(bench.databases.request_rescan(HERE)), [], "nobody sleeps there");
}

#[test]
fn a_step_that_ended_its_process_is_told_to_the_scheduler_once() {
    let mut bench = Bench::new();
    let step = InFlight { instance: 5, generation: 1, database: HERE, node: 3 };
    assert_eq!(woken(bench.suspect(step)), [SCHEDULER]);
    assert_eq!(bench.suspects.take(THERE), []);
    assert_eq!(bench.suspects.take(HERE), [step]);
    assert_eq!(bench.suspects.take(HERE), []);
}

#[test]
fn whoever_has_work_where_no_scheduler_is_has_one_come() {
    let mut bench = Bench::new();
    let there = pg_durable_board::Tenant { database: THERE, ..ALICE };
    let now = bench.now;
    assert_eq!(woken(bench.push_new(there, target(5, 1), now)), [LAUNCHER]);
    assert_eq!(bench.queues.queued(THERE), 0, "the scheduler finds it in the tables");
    assert_eq!(bench.databases.without_scheduler(), [THERE]);
    assert!(bench.databases.is_in_question(THERE));
    assert_eq!(woken(bench.announce(THERE)), [], "the launcher knows");
    assert!(bench.enter_scheduler(THERE, 9, 9, now));
    let changes = bench.databases.changes(THERE);
    assert_eq!(bench.decide_served(THERE, changes, true).0, Some(true));
    assert!(!bench.databases.is_in_question(THERE) && bench.databases.has_scheduler(THERE));
    assert_eq!(woken(bench.announce(HERE)), []);
}

#[test]
fn a_released_database_is_left_until_somebody_has_work_there() {
    let mut bench = Bench::new();
    let [idle] = bench.sleepers(ALICE);
    assert_eq!(woken(bench.release_database(HERE)), [SCHEDULER, place(idle)]);
    assert!(bench.databases.has_to_be_left(HERE));
    assert_eq!(bench.take(idle), Taken::Retire);
    assert_eq!(woken(bench.leave_scheduler(HERE, SCHEDULER)), [LAUNCHER]);
    assert_eq!(bench.databases.without_scheduler(), []);
    let now = bench.now;
    assert!(!bench.enter_scheduler(HERE, 9, 9, now), "one that was on its way");
    assert_eq!(woken(bench.push_new(ALICE, target(5, 1), now)).last(), Some(&LAUNCHER));
    assert_eq!(bench.databases.without_scheduler(), [HERE]);
    assert!(bench.enter_scheduler(HERE, 9, 9, now));
}

#[test]
fn a_database_is_left_alone_for_as_long_as_somebody_wants_it_so() {
    let mut bench = Bench::new();
    let [idle] = bench.sleepers(ALICE);
    assert_eq!(woken(bench.leave_alone(HERE)), [SCHEDULER, place(idle)]);
    assert_eq!(bench.take(idle), Taken::Retire);
    drop(bench.leave_alone(HERE));
    drop(bench.leave_scheduler(HERE, SCHEDULER));
    let now = bench.now;
    drop(bench.push_new(ALICE, target(5, 1), now));
    assert_eq!(woken(bench.come_back(HERE)), [LAUNCHER]);
    assert_eq!(bench.databases.without_scheduler(), [], "of two who wanted it one still does");
    assert!(!bench.enter_scheduler(HERE, 9, 9, now));
    drop(bench.come_back(HERE));
    assert_eq!(bench.databases.without_scheduler(), [HERE]);
    assert!(bench.enter_scheduler(HERE, 9, 9, now));
    drop(bench.come_back(THERE));
}

#[test]
fn what_is_held_is_carried_out_by_nobody() {
    let mut bench = Bench::new();
    let [busy, other] = bench.holders(ALICE, 5);
    assert_eq!(bench.executors.busy(), 2);
    assert_eq!(bench.databases.hold_of(HERE), Hold::Free);
    assert_eq!(woken(bench.hold(HERE, Hold::SwitchedOff)), [place(busy), place(other)]);
    assert_eq!(woken(bench.hold(HERE, Hold::SwitchedOff)), [], "they know");
    bench.push(ALICE, 7, 1);
    assert_eq!(bench.take(busy), Taken::Retire, "although there is work");
    assert_eq!(bench.executors.busy(), 1);
    assert_eq!(bench.databases.hold_of(HERE), Hold::SwitchedOff);
    assert_eq!(woken(bench.hold(HERE, Hold::Free)), []);
    bench.now += 1_000_000;
    assert_eq!(bench.open(LIMIT).0, [ALICE]);
}

#[test]
fn a_trouble_outlives_the_scheduler_and_ends_with_the_database() {
    let mut bench = Bench::new();
    let now = bench.now;
    let again_at = bench.databases.note_trouble(HERE, Duty::Retention, *b"23503", now);
    assert!(again_at > now);
    drop(bench.leave_scheduler(HERE, SCHEDULER));
    assert!(bench.enter_scheduler(HERE, 9, 9, now));
    let trouble = bench.databases.trouble(HERE, Duty::Retention).expect("it is noted");
    assert_eq!((trouble.again_at, &trouble.sqlstate), (again_at, b"23503"));
    assert_eq!(bench.databases.trouble(HERE, Duty::Sweep), None);
    bench.databases.clear_trouble(HERE, Duty::Retention);
    assert_eq!(bench.databases.trouble(HERE, Duty::Retention), None);
    bench.databases.note_trouble(HERE, Duty::Retention, *b"23503", now);
    drop(bench.forget_database(HERE));
    assert_eq!(bench.databases.trouble(HERE, Duty::Retention), None);
}

#[test]
fn what_has_changed_is_looked_at_once() {
    let mut bench = Bench::new();
    assert_eq!(woken(bench.launcher.request_look()), [LAUNCHER]);
    assert!(bench.launcher.take_look() && !bench.launcher.take_look());
    assert_eq!(woken(bench.databases.look_home(HERE)), [SCHEDULER]);
    assert!(bench.databases.take_look_home(HERE) && !bench.databases.take_look_home(HERE));
}

#[test]
fn a_copy_takes_no_room_on_the_board() {
    let mut bench = Bench::new();
    bench.push(ALICE, 5, 1);
    drop(bench.hold(HERE, Hold::OtherDatabase));
    assert_eq!(bench.queues.queued(HERE), 0, "it is found in the tables when it is at home");
    assert_eq!(bench.push(ALICE, 6, 1), []);
    assert_eq!((bench.queues.queued(HERE), bench.queues.left_in_tables(HERE)), (0, vec![]));
    drop(bench.hold(HERE, Hold::Free));
    bench.push(ALICE, 7, 1);
    assert_eq!(bench.queues.queued(HERE), 1);
}
