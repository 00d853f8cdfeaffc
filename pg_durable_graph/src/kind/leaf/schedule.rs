//! WAIT_SCHEDULE: waits for the next tick of a cron expression.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::facts::{Facts, Wait};
use crate::config;
use crate::error::Problem;
#[cfg(feature = "engine")]
use crate::instant::Instant;
use crate::outcome::Outcome;
use crate::schedule;

/// Waits until the first tick strictly after the moment it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitSchedule {
    /// A cron expression as [`crate::schedule`] reads it.
    pub cron_expr: String,
    /// An IANA time zone; `None` is UTC.
    pub timezone: Option<String>,
}

impl WaitSchedule {
    /// Makes a wait whose expression and time zone are known to be good.
    pub fn new(cron_expr: impl Into<String>, timezone: Option<String>) -> Result<WaitSchedule, Problem> {
        let cron_expr = cron_expr.into();
        schedule::parse(&cron_expr, timezone.as_deref())?;
        Ok(WaitSchedule { cron_expr, timezone })
    }

    /// What the wait leaves behind when it is over.
    pub fn outcome(&self) -> Outcome {
        Outcome::plain(json!({"scheduled": true}))
    }
}

impl Facts for WaitSchedule {
    fn from_query(query: &str) -> Result<WaitSchedule, Problem> {
        let node = WaitSchedule::from_stored(query)?;
        WaitSchedule::new(node.cron_expr, node.timezone)
    }

    fn from_stored(query: &str) -> Result<WaitSchedule, Problem> {
        let object = config::object("WAIT_SCHEDULE", query)?;
        Ok(WaitSchedule {
            cron_expr: config::text("WAIT_SCHEDULE", &object, "cron_expr")?,
            timezone: config::optional_text("WAIT_SCHEDULE", &object, "timezone")?,
        })
    }

    fn query(&self) -> Cow<'_, str> {
        let mut out = String::from(r#"{"cron_expr":"#);
        config::push_json_string(&mut out, &self.cron_expr);
        if let Some(timezone) = &self.timezone {
            out.push_str(r#","timezone":"#);
            config::push_json_string(&mut out, timezone);
        }
        out.push('}');
        out.into()
    }

    fn label(&self) -> String {
        match &self.timezone {
            Some(timezone) => format!("WAIT '{}' {timezone}", self.cron_expr),
            None => format!("WAIT '{}'", self.cron_expr),
        }
    }

    fn check(&self) -> Result<(), Problem> {
        schedule::parse(&self.cron_expr, self.timezone.as_deref())?;
        Ok(())
    }

    fn wait(&self) -> Option<&dyn Wait> {
        Some(self)
    }

    fn sample(&self) -> Option<Value> {
        Some(self.outcome().value)
    }
}

impl Wait for WaitSchedule {
    fn words(&self) -> (&'static str, Option<&str>) {
        ("schedule", Some(&self.cron_expr))
    }

    #[cfg(feature = "engine")]
    fn until(&self, now: Instant) -> Result<Option<Instant>, Problem> {
        Ok(Some(schedule::next_tick(&self.cron_expr, self.timezone.as_deref(), now)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_survive_the_round_trip() {
        for (query, label) in [
            (r#"{"cron_expr":"*/5 * * * *"}"#, "WAIT '*/5 * * * *'"),
            (r#"{"cron_expr":"@daily","timezone":"Europe/Berlin"}"#, "WAIT '@daily' Europe/Berlin"),
        ] {
            let node = WaitSchedule::from_query(query).unwrap();
            assert_eq!(node.query(), query);
            assert_eq!(node.label(), label);
        }
    }

    #[test]
    fn schedules_are_checked_when_they_are_built() {
        let error = WaitSchedule::from_query(r#"{"cron_expr":"61 * * * *"}"#).unwrap_err().to_string();
        assert!(error.starts_with("Invalid cron expression '61 * * * *': "), "{error}");
    }
}
