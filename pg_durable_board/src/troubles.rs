//! Troubles: what a scheduler could not do, and when it tries again.
//!
//! Each duty has a trouble of its own, so that one that fails holds up no other. They outlive the scheduler: one that
//! is started anew does not begin with what failed a moment ago.

use bytemuck::Zeroable;

/// How long until a duty that has failed once is tried again; doubled with every further failure.
const FIRST_US: i64 = 1_000_000;
/// The longest pause.
const LONGEST_US: i64 = 300_000_000;

/// What a scheduler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Looking whether the instances are at home.
    Home,
    /// Counting steps that took their process with them.
    Deaths,
    /// Failing instances that cannot be carried out.
    Failing,
    /// Firing timers, and forgetting those that mean nothing any more.
    Timers,
    /// Looking for unfinished instances.
    Scan,
    /// Starting executors.
    Executors,
    /// Saying in rows which instances run.
    Marks,
    /// Looking for what prepared transactions have started.
    Sweep,
    /// Deleting what has been kept for long enough.
    Retention,
}

impl Duty {
    /// In the order in which they are done.
    pub const ALL: [Duty; 9] = [
        Duty::Home,
        Duty::Deaths,
        Duty::Failing,
        Duty::Timers,
        Duty::Scan,
        Duty::Executors,
        Duty::Marks,
        Duty::Sweep,
        Duty::Retention,
    ];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Duty::Deaths => "counting dead processes",
            Duty::Home => "looking whether instances are at home",
            Duty::Timers => "timers",
            Duty::Scan => "looking for unfinished instances",
            Duty::Executors => "starting executors",
            Duty::Marks => "marking what runs",
            Duty::Failing => "failing instances that cannot run",
            Duty::Sweep => "sweeping for prepared transactions",
            Duty::Retention => "retention",
        }
    }
}

/// That a duty failed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Zeroable)]
#[repr(C)]
pub struct Trouble {
    /// When it is tried again.
    pub again_at: i64,
    /// How often in a row it has failed; 0 where it has not.
    pub attempts: u32,
    /// The last error's.
    pub sqlstate: [u8; 5],
}

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub(crate) struct Troubles {
    by_duty: [Trouble; Duty::ALL.len()],
}

impl Troubles {
    /// A duty has failed; says when it is to be tried again.
    pub fn note(&mut self, duty: Duty, sqlstate: [u8; 5], now: i64) -> i64 {
        let trouble = &mut self.by_duty[duty as usize];
        let pause =
            FIRST_US.checked_shl(trouble.attempts.min(16)).map_or(LONGEST_US, |us| us.min(LONGEST_US));
        *trouble = Trouble { again_at: now + pause, attempts: trouble.attempts.saturating_add(1), sqlstate };
        trouble.again_at
    }

    /// A duty has been done.
    pub fn clear(&mut self, duty: Duty) {
        self.by_duty[duty as usize] = Trouble::zeroed();
    }

    /// The trouble with a duty, if there is any.
    pub fn of(&self, duty: Duty) -> Option<Trouble> {
        Some(self.by_duty[duty as usize]).filter(|trouble| trouble.attempts > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_each_duty_has_its_own() {
        let mut troubles = Troubles::zeroed();
        let seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        for (attempts, seconds) in seconds.into_iter().enumerate() {
            let again_at = troubles.note(Duty::Retention, *b"23503", 7);
            assert_eq!(again_at, 7 + seconds * 1_000_000);
            let trouble = Trouble { again_at, attempts: attempts as u32 + 1, sqlstate: *b"23503" };
            assert_eq!(troubles.of(Duty::Retention), Some(trouble));
        }
        for _ in 0..100 {
            assert_eq!(troubles.note(Duty::Retention, *b"55P03", 0), 300_000_000);
        }
        assert_eq!(troubles.of(Duty::Sweep), None);
        troubles.clear(Duty::Retention);
        assert_eq!(troubles.of(Duty::Retention), None);
        assert_eq!(troubles.note(Duty::Retention, *b"23503", 0), 1_000_000, "it begins anew");
    }

    #[test]
    fn every_duty_has_its_place() {
        for (place, duty) in Duty::ALL.into_iter().enumerate() {
            assert_eq!(duty as usize, place);
        }
    }
}
