//! SLEEP: waits for a span of time.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use super::facts::{Facts, Given, Text, Wait};
use super::span::{Span, not_blank};
use crate::config;
use crate::error::Problem;
#[cfg(feature = "engine")]
use crate::instant::Instant;
use crate::limits::SPAN_MAX;
use crate::outcome::Outcome;
use crate::seconds::{self, Bad};

/// Waits for so long, counted from when it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// How long.
    pub span: Span,
}

impl Sleep {
    /// A sleep of this length.
    pub fn new(duration: Duration) -> Sleep {
        Sleep { span: Span::Fixed(duration) }
    }

    /// A sleep whose length, or end, a text says.
    pub fn by_text(span: Span) -> Result<Sleep, Problem> {
        let sleep = Sleep { span };
        sleep.check().map(|()| sleep)
    }

    /// What the sleep leaves behind when it is over. Of one whose length a text gave it does not tell how long it was.
    pub fn outcome(&self) -> Outcome {
        let seconds = match &self.span {
            Span::Fixed(duration) if duration.subsec_nanos() == 0 => json!(duration.as_secs()),
            Span::Fixed(duration) => json!(duration.as_secs_f64()),
            Span::For(_) | Span::Until(_) => Value::Null,
        };
        Outcome::plain(json!({"slept": true, "seconds": seconds}))
    }
}

impl Facts for Sleep {
    fn from_query(query: &str) -> Result<Sleep, Problem> {
        if query.trim_start().starts_with('{') {
            let object = config::object("SLEEP", query)?;
            return Span::from_object("SLEEP", object).map(|span| Sleep { span });
        }
        let config = |reason: &str| Problem::Config { node_type: "SLEEP", reason: reason.to_owned() };
        let duration = seconds::parse(query).map_err(|bad| match bad {
            Bad::Negative => Problem::NegativeSleep,
            Bad::TooLong => Problem::SleepTooLong,
            Bad::TooFine => config("must not be finer than a microsecond"),
            Bad::NotNumber => config("must be a number of seconds"),
        })?;
        Ok(Sleep::new(duration))
    }

    fn query(&self) -> Cow<'_, str> {
        let mut out = String::new();
        self.span.push_object(&mut out);
        out.into()
    }

    fn label(&self) -> String {
        format!("SLEEP {}", self.span.label())
    }

    fn check(&self) -> Result<(), Problem> {
        match &self.span {
            Span::Fixed(duration) if *duration > SPAN_MAX => Err(Problem::SleepTooLong),
            Span::Fixed(_) => Ok(()),
            Span::For(text) | Span::Until(text) => not_blank("SLEEP", text.clone()).map(|_| ()),
        }
    }

    fn texts(&self) -> Vec<Text<'_>> {
        self.span.texts().into_iter().collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut String> {
        self.span.texts_mut().into_iter().collect()
    }

    fn wait(&self) -> Option<&dyn Wait> {
        Some(self)
    }

    fn sample(&self) -> Option<Value> {
        Some(Sleep::new(Duration::from_secs(1)).outcome().value)
    }
}

impl Wait for Sleep {
    fn words(&self) -> (&'static str, Option<&str>) {
        ("timer", None)
    }

    fn is_listed(&self) -> bool {
        false
    }

    fn given(&self) -> Option<Given<'_>> {
        self.span.given()
    }

    #[cfg(feature = "engine")]
    fn until(&self, now: Instant) -> Result<Option<Instant>, Problem> {
        Ok(self.span.until(now))
    }

    fn is_empty(&self) -> bool {
        match &self.span {
            Span::Fixed(duration) => duration.is_zero(),
            // What the text says may be nothing.
            Span::For(_) | Span::Until(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_survive_the_round_trip() {
        for (query, label) in [
            ("60", "SLEEP 60s"),
            ("0.5", "SLEEP 0.5s"),
            ("0", "SLEEP 0s"),
            (r#"{"for":"$a.wait"}"#, "SLEEP $a.wait"),
            (r#"{"until":"$a.due"}"#, "SLEEP until $a.due"),
        ] {
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
            (r#"{"for":" "}"#, "query in SLEEP has an empty text for a span"),
            (r#"{"for":1}"#, "query in SLEEP has a for that is not a string"),
            (r#"{"for":"1","until":"2"}"#, "query in SLEEP must have either for or until"),
            (r#"{"until":"2","as":""}"#, "query in SLEEP has the unknown member 'as'"),
            ("4000000000", "Sleep duration must not exceed 100 years"),
        ] {
            assert_eq!(Sleep::from_query(query).unwrap_err().to_string(), message);
        }
    }
}
