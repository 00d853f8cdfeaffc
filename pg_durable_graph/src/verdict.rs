//! What follows when PostgreSQL answers the engine with an error: one decision for all who catch one.

use std::time::Duration;

/// How often the engine tries to store something.
pub const TRIES_MAX: u32 = 10;
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(300);

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

/// Decides about an error with this SQLSTATE that came up in the try with this number, from 1.
///
/// `has_committed` tells that the step's effect is committed already, so that a try is not without consequences.
pub fn verdict(phase: Phase, sqlstate: &str, has_committed: bool, tries: u32) -> Verdict {
    let cause = Cause::of(sqlstate);
    match (phase, cause) {
        (Phase::Statements, _) => Verdict::Fail,
        // There is nothing to give up to: what cannot be stored is just that.
        (Phase::Failing, _) => Verdict::RetryAfter(pause(tries)),
        // Nothing has been done yet, and nothing is lost by waiting.
        (Phase::Loading, Cause::Passing | Cause::Interrupted) => Verdict::RetryAfter(pause(tries)),
        (Phase::Loading, Cause::Data | Cause::Server | Cause::Other) => bounded(tries),
        // The step's own time-out, or somebody who has cancelled it.
        (Phase::Checkpoint | Phase::Commit, Cause::Interrupted) => Verdict::Fail,
        // That was meant for a step, and this is none.
        (Phase::Engine, Cause::Interrupted) if !has_committed => Verdict::RetryAfter(Duration::ZERO),
        (Phase::Engine, Cause::Interrupted) => bounded(tries),
        (Phase::Checkpoint | Phase::Commit | Phase::Engine, Cause::Data) => Verdict::Fail,
        (Phase::Checkpoint | Phase::Commit | Phase::Engine, Cause::Passing | Cause::Server) => bounded(tries),
        // Nobody knows about the tables; but a deferred constraint or trigger of the user's raises what it likes.
        (Phase::Checkpoint | Phase::Engine, Cause::Other) => bounded(tries),
        (Phase::Commit, Cause::Other) => Verdict::Fail,
    }
}

/// What an error says about its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// What was to be stored: the tables will never take it.
    Data,
    /// A condition that may pass: no space or memory, a lost connection, a conflict, a server that shuts down.
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
            (_, "21" | "22" | "23" | "44" | "54") => Cause::Data,
            (_, "08" | "40" | "53" | "58") => Cause::Passing,
            (_, "57") if sqlstate.starts_with("57P") => Cause::Passing,
            (_, "XX") => Cause::Server,
            _ => Cause::Other,
        }
    }
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

    /// What is done about a cause, however often it was tried.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Course {
        Fails,
        AtOnce,
        Bounded,
        ForEver,
    }

    fn course(phase: Phase, sqlstate: &str, has_committed: bool) -> Course {
        let second = Duration::from_secs(1);
        let of = |tries| verdict(phase, sqlstate, has_committed, tries);
        match (of(1), of(TRIES_MAX)) {
            (Verdict::Fail, Verdict::Fail) => Course::Fails,
            (Verdict::RetryAfter(Duration::ZERO), Verdict::RetryAfter(Duration::ZERO)) => Course::AtOnce,
            (Verdict::RetryAfter(first), Verdict::GivenUp) if first == second => Course::Bounded,
            (Verdict::RetryAfter(first), Verdict::RetryAfter(PAUSE_MAX)) if first == second => {
                Course::ForEver
            }
            (first, last) => panic!("{phase:?} {sqlstate}: {first:?} and then {last:?}"),
        }
    }

    #[test]
    fn every_class_in_every_phase_has_its_verdict() {
        use Course::{AtOnce, Bounded, Fails, ForEver};
        let phases = [
            Phase::Loading,
            Phase::Statements,
            Phase::Checkpoint,
            Phase::Commit,
            Phase::Engine,
            Phase::Failing,
        ];
        let data = [Bounded, Fails, Fails, Fails, Fails, ForEver];
        let passing = [ForEver, Fails, Bounded, Bounded, Bounded, ForEver];
        let server = [Bounded, Fails, Bounded, Bounded, Bounded, ForEver];
        let other = [Bounded, Fails, Bounded, Fails, Bounded, ForEver];
        let interrupted = [ForEver, Fails, Fails, Fails, AtOnce, ForEver];
        for (sqlstates, expected) in [
            (&["21000", "22003", "22021", "22032", "22P05", "23505", "44000", "54000", "54001"][..], data),
            (&["08006", "40001", "40P01", "53100", "53200", "58030", "57P01", "57P03"], passing),
            (&["XX000", "XX001"], server),
            (&["57014"], interrupted),
            (
                &[
                    "01000", "0A000", "25006", "25P02", "42501", "42P01", "55000", "55P03", "57000", "P0001",
                    "ZZ123",
                ],
                other,
            ),
            (&["", "5", "größ"], other),
        ] {
            for sqlstate in sqlstates {
                let found = phases.map(|phase| course(phase, sqlstate, false));
                assert_eq!(found, expected, "{sqlstate}");
                // Where the effect is committed, nothing is done again without a bound.
                let found = phases.map(|phase| course(phase, sqlstate, true));
                let expected = expected.map(|course| if course == AtOnce { Bounded } else { course });
                assert_eq!(found, expected, "{sqlstate}, committed");
            }
        }
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pauses: Vec<u64> = (1..=TRIES_MAX).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
        let last_but_one = verdict(Phase::Checkpoint, "53100", false, TRIES_MAX - 1);
        assert_eq!(last_but_one, Verdict::RetryAfter(Duration::from_secs(256)));
    }
}
