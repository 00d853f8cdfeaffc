//! SLEEP: waits for a span of time.

use std::time::Duration;

use crate::error::Problem;
use crate::seconds::{self, Bad};

/// Waits for `duration`, counted from when it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// Kept to the microsecond.
    pub duration: Duration,
}

impl Sleep {
    pub(crate) fn from_query(query: &str) -> Result<Sleep, Problem> {
        let config = |reason: &str| Problem::Config { node_type: "SLEEP", reason: reason.to_owned() };
        let duration = seconds::parse(query).map_err(|bad| match bad {
            Bad::Negative => Problem::NegativeSleep,
            Bad::TooLong => Problem::SleepTooLong,
            Bad::TooFine => config("must not be finer than a microsecond"),
            Bad::NotNumber => config("must be a number of seconds"),
        })?;
        Ok(Sleep { duration })
    }

    pub(crate) fn query(&self) -> String {
        seconds::print(self.duration)
    }

    pub(crate) fn label(&self) -> String {
        format!("SLEEP {}s", seconds::print(self.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_survive_the_round_trip() {
        for (query, label) in [("60", "SLEEP 60s"), ("0.5", "SLEEP 0.5s"), ("0", "SLEEP 0s")] {
            let node = Sleep::from_query(query).unwrap();
            assert_eq!(node.query(), query);
            assert_eq!(node.label(), label);
        }
    }

    #[test]
    fn sleeps_are_numbers_of_seconds() {
        for (query, message) in [
            ("-5", "Sleep duration must be non-negative"),
            ("soon", "query in SLEEP must be a number of seconds"),
            ("4000000000", "Sleep duration must not exceed 100 years"),
        ] {
            assert_eq!(Sleep::from_query(query).unwrap_err().to_string(), message);
        }
    }
}
