//! What follows when PostgreSQL answers the engine with an error: one decision for all who catch one.

use std::time::Duration;

/// How often the engine tries to store something.
pub const TRIES_MAX: u32 = 10;
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The longest pause between two looks at a row that somebody is changing.
const HELD_MAX: Duration = Duration::from_secs(60);
/// How soon a conflict is tried again.
const CONFLICT_MIN: Duration = Duration::from_millis(5);
const CONFLICT_MAX: Duration = Duration::from_millis(50);

/// What was under way when an error was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading the instance.
    Loading,
    /// The statements of a step.
    Statements,
    /// Writing the step's outcome behind them, in its transaction.
    Checkpoint,
    /// Committing both.
    Commit,
    /// A transaction of the engine's own: what leads to a step, a wait, or the outcome of a step that ran elsewhere.
    Engine,
    /// Writing that a node or the instance has failed.
    Failing,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The node fails, or the instance where it was at none: trying again would not help.
    Fail,
    /// The same is tried again after this span.
    RetryAfter(Duration),
    /// It was tried often enough: as [`Verdict::Fail`].
    GivenUp,
}

/// The try that an error came up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// Its number, from 1.
    pub number: u32,
    /// The effect of the step, or a part of it, is committed already, so that another try is not without consequences.
    pub has_committed: bool,
    /// How often a conflict with others is tried again.
    pub conflicts_max: u32,
    /// Anything that differs from that of another process, lest two that are in each other's way meet again.
    pub seed: u64,
}

/// Decides about an error with this SQLSTATE.
pub fn verdict(phase: Phase, sqlstate: &str, of: Try) -> Verdict {
    let cause = Cause::of(sqlstate);
    match (phase, cause) {
        // There is nothing to give up to: what cannot be stored is just that.
        (Phase::Failing, _) => Verdict::RetryAfter(pause(of.number)),
        // Nothing has been done yet, and nothing is lost by waiting.
        (
            Phase::Loading,
            Cause::Conflict | Cause::Held | Cause::Shortage | Cause::Passing | Cause::Interrupted,
        ) => Verdict::RetryAfter(pause(of.number)),
        (Phase::Loading, Cause::Data | Cause::Server | Cause::Other) => bounded(of.number),
        // What the statements have committed by themselves would be done again.
        (Phase::Statements, _) if of.has_committed => Verdict::Fail,
        (Phase::Statements | Phase::Checkpoint | Phase::Commit, Cause::Conflict) if !of.has_committed => {
            conflict(of)
        }
        (Phase::Statements, Cause::Shortage) => bounded(of.number),
        (
            Phase::Statements,
            Cause::Data
            | Cause::Conflict
            | Cause::Held
            | Cause::Passing
            | Cause::Server
            | Cause::Interrupted
            | Cause::Other,
        ) => Verdict::Fail,
        // The step's own time-out, or somebody who has cancelled it.
        (Phase::Checkpoint | Phase::Commit, Cause::Interrupted) => Verdict::Fail,
        // That was meant for a step, and this is none.
        (Phase::Engine, Cause::Interrupted) if !of.has_committed => Verdict::RetryAfter(Duration::ZERO),
        (Phase::Engine, Cause::Interrupted) => bounded(of.number),
        (Phase::Checkpoint | Phase::Commit | Phase::Engine, Cause::Data) => Verdict::Fail,
        // Somebody has a row of the engine's locked: sooner or later it is free.
        (Phase::Checkpoint | Phase::Engine, Cause::Held) if !of.has_committed => {
            Verdict::RetryAfter(pause(of.number))
        }
        (
            Phase::Checkpoint | Phase::Commit | Phase::Engine,
            Cause::Conflict | Cause::Shortage | Cause::Passing | Cause::Server,
        ) => bounded(of.number),
        // Nobody knows about the tables; but a deferred constraint or trigger of the user's raises what it likes.
        (Phase::Checkpoint | Phase::Engine, Cause::Held | Cause::Other) => bounded(of.number),
        (Phase::Commit, Cause::Held | Cause::Other) => Verdict::Fail,
    }
}

/// How long until it is looked again at an instance whose row somebody else was changing, for the look with this number: those
/// who end such a change say so, and this is for those who do not.
pub fn until_free(number: u32) -> Duration {
    let doublings = number.saturating_sub(1).min(16);
    Duration::from_millis(10 << doublings).min(HELD_MAX)
}

/// What an error says about its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// What was to be stored: the tables will never take it.
    Data,
    /// Two transactions were in each other's way, and this one was chosen to yield.
    Conflict,
    /// Somebody has a row locked for longer than one waits.
    Held,
    /// No space or memory, an operating system that fails, a server that shuts down.
    Shortage,
    /// Another condition that may pass: a lost connection, a limit that an operator has set.
    Passing,
    /// The server itself: a bug, or damage.
    Server,
    /// Somebody has cancelled the statement.
    Interrupted,
    /// Anything else.
    Other,
}

impl Cause {
    fn of(sqlstate: &str) -> Cause {
        match (sqlstate, sqlstate.get(..2).unwrap_or_default()) {
            ("57014", _) => Cause::Interrupted,
            ("40001" | "40P01", _) => Cause::Conflict,
            ("55P03", _) => Cause::Held,
            // The same statement reaches the same limit.
            ("53400", _) => Cause::Passing,
            (_, "21" | "22" | "23" | "44" | "54") => Cause::Data,
            (_, "53" | "58") => Cause::Shortage,
            (_, "57") if sqlstate.starts_with("57P") => Cause::Shortage,
            (_, "08" | "40") => Cause::Passing,
            (_, "XX") => Cause::Server,
            _ => Cause::Other,
        }
    }
}

/// Again, a moment later.
fn conflict(of: Try) -> Verdict {
    if of.number > of.conflicts_max {
        return Verdict::GivenUp;
    }
    let span = CONFLICT_MAX.as_millis() as u64 - CONFLICT_MIN.as_millis() as u64 + 1;
    Verdict::RetryAfter(CONFLICT_MIN + Duration::from_millis(of.seed % span))
}

fn bounded(tries: u32) -> Verdict {
    if tries < TRIES_MAX { Verdict::RetryAfter(pause(tries)) } else { Verdict::GivenUp }
}

/// The pause behind the try with this number: a second, doubled each time.
fn pause(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    Duration::from_secs(1 << doublings).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 6] =
        [Phase::Loading, Phase::Statements, Phase::Checkpoint, Phase::Commit, Phase::Engine, Phase::Failing];

    /// What is done about a cause, however often it was tried.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Course {
        Fails,
        AtOnce,
        Soon,
        Bounded,
        ForEver,
    }

    fn course(phase: Phase, sqlstate: &str, has_committed: bool) -> Course {
        let second = Duration::from_secs(1);
        let of = |number| verdict(phase, sqlstate, Try { number, has_committed, conflicts_max: 5, seed: 7 });
        match (of(1), of(TRIES_MAX)) {
            (Verdict::Fail, Verdict::Fail) => Course::Fails,
            (Verdict::RetryAfter(Duration::ZERO), Verdict::RetryAfter(Duration::ZERO)) => Course::AtOnce,
            (Verdict::RetryAfter(first), Verdict::GivenUp) if first == second => Course::Bounded,
            (Verdict::RetryAfter(first), Verdict::GivenUp) if first < CONFLICT_MAX => Course::Soon,
            (Verdict::RetryAfter(first), Verdict::RetryAfter(PAUSE_MAX)) if first == second => {
                Course::ForEver
            }
            (first, last) => panic!("{phase:?} {sqlstate}: {first:?} and then {last:?}"),
        }
    }

    #[test]
    fn every_class_in_every_phase_has_its_verdict() {
        use Course::{AtOnce, Bounded, Fails, ForEver, Soon};
        let data = [Bounded, Fails, Fails, Fails, Fails, ForEver];
        let conflict = [ForEver, Soon, Soon, Soon, Bounded, ForEver];
        let held = [ForEver, Fails, ForEver, Fails, ForEver, ForEver];
        let shortage = [ForEver, Bounded, Bounded, Bounded, Bounded, ForEver];
        let passing = [ForEver, Fails, Bounded, Bounded, Bounded, ForEver];
        let server = [Bounded, Fails, Bounded, Bounded, Bounded, ForEver];
        let other = [Bounded, Fails, Bounded, Fails, Bounded, ForEver];
        let interrupted = [ForEver, Fails, Fails, Fails, AtOnce, ForEver];
        for (sqlstates, expected) in [
            (&["21000", "22003", "22021", "22032", "22P05", "23505", "44000", "54000", "54001"][..], data),
            (&["40001", "40P01"], conflict),
            (&["55P03"], held),
            (&["53000", "53100", "53200", "53300", "58030", "57P01", "57P03"], shortage),
            (&["08006", "40000", "40002", "53400"], passing),
            (&["XX000", "XX001"], server),
            (&["57014"], interrupted),
            (
                &[
                    "01000", "0A000", "25006", "25P02", "25P04", "42501", "42P01", "55000", "57000", "P0001",
                    "ZZ123",
                ],
                other,
            ),
            (&["", "5", "größ"], other),
        ] {
            for sqlstate in sqlstates {
                let found = PHASES.map(|phase| course(phase, sqlstate, false));
                assert_eq!(found, expected, "{sqlstate}");
                // Where the effect is committed, nothing is done again without a bound, and no statement at all.
                let found = PHASES.map(|phase| course(phase, sqlstate, true));
                let expected = PHASES.map(|phase| match (phase, expected[phase as usize]) {
                    (Phase::Statements, _) => Fails,
                    (Phase::Loading | Phase::Failing, course) => course,
                    (_, AtOnce | Soon | ForEver) => Bounded,
                    (_, course @ (Fails | Bounded)) => course,
                });
                assert_eq!(found, expected, "{sqlstate}, committed");
            }
        }
    }

    #[test]
    fn conflicts_are_tried_again_as_often_as_set_and_not_all_at_one_moment() {
        let of = |number, conflicts_max, seed| {
            let of = Try { number, has_committed: false, conflicts_max, seed };
            verdict(Phase::Statements, "40P01", of)
        };
        assert_eq!(of(1, 0, 0), Verdict::GivenUp, "switched off");
        assert_eq!((of(5, 5, 0), of(6, 5, 0)), (Verdict::RetryAfter(CONFLICT_MIN), Verdict::GivenUp));
        let pauses: std::collections::HashSet<_> =
            (0..46).map(|seed| format!("{:?}", of(1, 5, seed))).collect();
        assert_eq!(pauses.len(), 46);
        assert_eq!(of(1, 5, 45), Verdict::RetryAfter(CONFLICT_MAX));
        assert_eq!(
            of(1, 5, u64::MAX),
            Verdict::RetryAfter(CONFLICT_MIN + Duration::from_millis(u64::MAX % 46))
        );
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pauses: Vec<u64> = (1..=TRIES_MAX).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
        let last_but_one = Try { number: TRIES_MAX - 1, has_committed: false, conflicts_max: 0, seed: 0 };
        let last_but_one = verdict(Phase::Checkpoint, "53100", last_but_one);
        assert_eq!(last_but_one, Verdict::RetryAfter(Duration::from_secs(256)));
    }

    #[test]
    fn looks_at_what_is_held_become_rare_and_do_not_end() {
        assert_eq!(until_free(1), Duration::from_millis(10));
        assert_eq!(until_free(2), Duration::from_millis(20));
        assert_eq!(until_free(u32::MAX), HELD_MAX);
    }
}
