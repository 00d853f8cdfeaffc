//! Who may see and steer an instance, beside what row security shows.

/// What a role may do with the instances of all roles. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Sees that they are there and how far they have come.
    Metadata,
    /// Sees their texts and values, too.
    Read,
    /// Signals and cancels them, too.
    Operate,
}

/// How much is shown of what somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// All but the texts and values: SQL, parameters, input, results, error messages.
    Shape,
    /// Everything.
    Whole,
}

impl Level {
    /// Every level, the lowest first.
    pub const ALL: [Level; 3] = [Level::Metadata, Level::Read, Level::Operate];

    /// Its word in `df.grant_fleet`.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Metadata => "metadata",
            Level::Read => "read",
            Level::Operate => "operate",
        }
    }

    /// Its place, from 1, for SQL to compare.
    pub fn number(self) -> i32 {
        match self {
            Level::Metadata => 1,
            Level::Read => 2,
            Level::Operate => 3,
        }
    }

    /// How much it shows of the instances of others.
    pub fn sight(self) -> Sight {
        match self {
            Level::Metadata => Sight::Shape,
            Level::Read | Level::Operate => Sight::Whole,
        }
    }
}

/// How somebody stands to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stake {
    /// Has the rights of the role whose instance it is.
    pub owns: bool,
    /// Has the rights of the role that called the workflow, which runs as its owner.
    pub called: bool,
    /// What was granted over the instances of all roles.
    pub level: Option<Level>,
}

impl Stake {
    /// Whether it may be signalled and cancelled. That row security shows it, as to a role with BYPASSRLS, is not enough.
    pub fn may_steer(self) -> bool {
        self.owns || self.called || self.level == Some(Level::Operate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow_and_know_their_place() {
        let mut above = Level::ALL.iter().zip(&Level::ALL[1..]);
        assert!(above.all(|(lower, upper)| lower < upper && lower.number() + 1 == upper.number()));
        assert_eq!(Level::ALL.map(Level::as_str), ["metadata", "read", "operate"]);
        assert_eq!(Level::ALL.map(Level::sight), [Sight::Shape, Sight::Whole, Sight::Whole]);
    }

    #[test]
    fn who_sees_does_not_therefore_steer() {
        let levels = [None, Some(Level::Metadata), Some(Level::Read), Some(Level::Operate)];
        for level in levels {
            for (owns, called) in [(false, false), (false, true), (true, false), (true, true)] {
                let may_steer = Stake { owns, called, level }.may_steer();
                let expected = owns || called || matches!(level, Some(Level::Operate));
                assert_eq!(may_steer, expected, "{owns} {called} {level:?}");
            }
        }
    }
}
