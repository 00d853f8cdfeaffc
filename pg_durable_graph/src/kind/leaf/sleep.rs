//! SLEEP: waits for a span of time.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use super::facts::{Facts, Wait};
use crate::error::Problem;
use crate::instant::Instant;
use crate::limits::SPAN_MAX;
use crate::outcome::Outcome;
use crate::seconds::{self, Bad};

/// Waits for `duration`, counted from when it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// Kept to the microsecond.
    pub duration: Duration,
}

impl Sleep {
    /// What the sleep leaves behind when it is over.
    pub fn outcome(&self) -> Outcome {
        let seconds = self.duration.as_secs_f64();
        let seconds = if seconds.fract() == 0.0 { json!(seconds as u64) } else { json!(seconds) };
        Outcome::plain(json!({"slept": true, "seconds": seconds}))
    }
}

impl Facts for Sleep {
    fn from_query(query: &str) -> Result<Sleep, Problem> {
        let config = |reason: &str| Problem::Config { node_type: "SLEEP", reason: reason.to_owned() };
        let duration = seconds::parse(query).map_err(|bad| match bad {
            Bad::Negative => Problem::NegativeSleep,
            Bad::TooLong => Problem::SleepTooLong,
            Bad::TooFine => config("must not be finer than a microsecond"),
            Bad::NotNumber => config("must be a number of seconds"),
        })?;
        Ok(Sleep { duration })
    }

    fn query(&self) -> Cow<'_, str> {
        seconds::print(self.duration).into()
    }

    fn label(&self) -> String {
        format!("SLEEP {}s", seconds::print(self.duration))
    }

    fn check(&self) -> Result<(), Problem> {
        if self.duration <= SPAN_MAX { Ok(()) } else { Err(Problem::SleepTooLong) }
    }

    fn wait(&self) -> Option<&dyn Wait> {
        Some(self)
    }

    fn sample(&self) -> Option<Value> {
        Some(Sleep { duration: Duration::from_secs(1) }.outcome().value)
    }
}

impl Wait for Sleep {
    fn words(&self) -> (&'static str, Option<&str>) {
        ("timer", None)
    }

    fn is_listed(&self) -> bool {
        false
    }

    fn until(&self, now: Instant) -> Result<Option<Instant>, Problem> {
        let micros = i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX);
        Ok(Some(now.saturating_add(micros)))
    }

    fn is_empty(&self) -> bool {
        self.duration.is_zero()
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
