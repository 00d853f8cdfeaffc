//! SIGNAL: waits for a named message.

use std::borrow::Cow;

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

/// Consumes the oldest signal of this name, or waits for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Never empty.
    pub name: String,
    /// How long to wait; `None` waits for ever.
    pub timeout: Option<Span>,
}

impl Signal {
    /// Makes a wait that is complete: it has a name, and a timeout that is not over before it begins.
    pub fn new(name: impl Into<String>, timeout: Option<Span>) -> Result<Signal, Problem> {
        let signal = Signal { name: name.into(), timeout };
        signal.check().map(|()| signal)
    }

    /// What the wait leaves behind when the signal has come.
    pub fn received(&self, data: Value) -> Outcome {
        Outcome::plain(json!({"signal_name": self.name, "timed_out": false, "data": data}))
    }

    /// What the wait leaves behind when no signal has come in time.
    pub fn timed_out(&self) -> Outcome {
        Outcome::plain(json!({"signal_name": self.name, "timed_out": true, "data": null}))
    }
}

impl Facts for Signal {
    fn from_query(query: &str) -> Result<Signal, Problem> {
        let object = config::object("SIGNAL", query)?;
        let not_number = |reason: &str| Problem::Config {
            node_type: "SIGNAL",
            reason: format!("has a timeout_seconds {reason}"),
        };
        let timeout = match object.get("timeout_seconds") {
            None | Some(Value::Null) => None,
            Some(Value::Number(number)) => {
                let timeout = seconds::of_number(number).map_err(|bad| match bad {
                    Bad::Negative => Problem::TimeoutNotPositive,
                    Bad::TooLong => Problem::TimeoutTooLong,
                    Bad::TooFine => not_number("finer than a microsecond"),
                    Bad::NotNumber => not_number("that is not a plain decimal number"),
                })?;
                Some(Span::Fixed(timeout))
            }
            Some(Value::String(text)) => Some(Span::For(text.clone())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(not_number("that is neither a number nor a text"));
            }
        };
        Signal::new(config::text("SIGNAL", &object, "signal_name")?, timeout)
    }

    fn query(&self) -> Cow<'_, str> {
        let mut out = String::from(r#"{"signal_name":"#);
        config::push_json_string(&mut out, &self.name);
        out.push_str(r#","timeout_seconds":"#);
        match &self.timeout {
            None => out.push_str("null"),
            Some(Span::Fixed(timeout)) => out.push_str(&seconds::print(*timeout)),
            Some(Span::For(text) | Span::Until(text)) => config::push_json_string(&mut out, text),
        }
        out.push('}');
        out.into()
    }

    fn label(&self) -> String {
        match &self.timeout {
            Some(timeout) => format!("SIGNAL '{}' ({})", self.name, timeout.label()),
            None => format!("SIGNAL '{}'", self.name),
        }
    }

    fn check(&self) -> Result<(), Problem> {
        if self.name.is_empty() {
            return Err(Problem::EmptySignalName);
        }
        match &self.timeout {
            Some(Span::Fixed(timeout)) if timeout.as_micros() == 0 => Err(Problem::TimeoutNotPositive),
            Some(Span::Fixed(timeout)) if *timeout > SPAN_MAX => Err(Problem::TimeoutTooLong),
            Some(Span::Fixed(_)) | None => Ok(()),
            Some(Span::For(text)) => not_blank("SIGNAL", text.clone()).map(|_| ()),
            Some(Span::Until(_)) => {
                let reason = "has a timeout that is a point in time".to_owned();
                Err(Problem::Config { node_type: "SIGNAL", reason })
            }
        }
    }

    fn texts(&self) -> Vec<Text<'_>> {
        self.timeout.as_ref().and_then(Span::texts).into_iter().collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut String> {
        self.timeout.as_mut().and_then(Span::texts_mut).into_iter().collect()
    }

    fn wait(&self) -> Option<&dyn Wait> {
        Some(self)
    }

    fn sample(&self) -> Option<Value> {
        Some(Signal { name: "1".to_owned(), timeout: None }.received(Value::Null).value)
    }
}

impl Wait for Signal {
    fn words(&self) -> (&'static str, Option<&str>) {
        ("signal", Some(&self.name))
    }

    fn is_for_signal(&self) -> bool {
        true
    }

    fn given(&self) -> Option<Given<'_>> {
        self.timeout.as_ref().and_then(Span::given)
    }

    #[cfg(feature = "engine")]
    fn until(&self, now: Instant) -> Result<Option<Instant>, Problem> {
        Ok(self.timeout.as_ref().and_then(|timeout| timeout.until(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_survive_the_round_trip() {
        for (query, label) in [
            (r#"{"signal_name":"go","timeout_seconds":null}"#, "SIGNAL 'go'"),
            (r#"{"signal_name":"go","timeout_seconds":30}"#, "SIGNAL 'go' (30s)"),
            (r#"{"signal_name":"go","timeout_seconds":0.25}"#, "SIGNAL 'go' (0.25s)"),
            (r#"{"signal_name":"go","timeout_seconds":"$a.wait"}"#, "SIGNAL 'go' ($a.wait)"),
        ] {
            let node = Signal::from_query(query).unwrap();
            assert_eq!(node.query(), query);
            assert_eq!(node.label(), label);
        }
    }

    #[test]
    fn signals_need_a_name_and_a_positive_timeout() {
        for (query, message) in [
            (r#"{"signal_name":""}"#, "Signal name cannot be empty"),
            (r#"{}"#, "query in SIGNAL has no signal_name"),
            (r#"{"signal_name":"go","timeout_seconds":0}"#, "Timeout must be positive"),
            (r#"{"signal_name":"go","timeout_seconds":-1}"#, "Timeout must be positive"),
            (r#"{"signal_name":"go","timeout_seconds":1e40}"#, "Timeout must not exceed 100 years"),
            (
                r#"{"signal_name":"go","timeout_seconds":[1]}"#,
                "query in SIGNAL has a timeout_seconds that is neither a number nor a text",
            ),
            ("go", "query in SIGNAL must be valid JSON config: expected value at line 1 column 1"),
            ("1", "query in SIGNAL must be a JSON config object"),
        ] {
            assert_eq!(Signal::from_query(query).unwrap_err().to_string(), message);
        }
    }
}
