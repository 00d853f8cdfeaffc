//! TIMEOUT: a body that may take so long.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::{Member, Members};
use crate::config;
use crate::error::Problem;
use crate::limits::SPAN_MAX;
use crate::node_id::NodeId;
use crate::seconds;

/// Carries out `body`, and fails with PDT01 where that has not completed in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeout {
    /// What is carried out.
    pub body: NodeId,
    /// How long that may take, counted from when it is reached.
    pub duration: Duration,
}

impl Timeout {
    /// What is wrong with the duration.
    pub fn check(duration: Duration) -> Result<(), Problem> {
        if duration.is_zero() {
            return Err(Problem::TimeoutNotPositive);
        }
        if duration > SPAN_MAX { Err(Problem::TimeoutTooLong) } else { Ok(()) }
    }
}

slots!(Timeout { body: Slot::Titled(Member::Left, "body:") });

impl Inner for Timeout {
    fn read(members: Members) -> Result<Timeout, Problem> {
        members.refuse("TIMEOUT", &["right_node", "condition_node", "extra_nodes"])?;
        let duration = read(members.query.as_deref().unwrap_or("{}"))?;
        Ok(Timeout { body: members.left("TIMEOUT")?, duration })
    }

    fn query(&self) -> Option<String> {
        Some(format!(r#"{{"timeout_seconds":{}}}"#, seconds::print(self.duration)))
    }

    fn label(&self) -> Cow<'static, str> {
        format!("TIMEOUT {}s", seconds::print(self.duration)).into()
    }

    fn is_scope(&self) -> bool {
        true
    }
}

fn read(query: &str) -> Result<Duration, Problem> {
    let mut object = config::object("TIMEOUT", query)?;
    let bad = |reason: &str| Problem::Config { node_type: "TIMEOUT", reason: reason.to_owned() };
    let duration = match object.remove("timeout_seconds") {
        Some(Value::Number(number)) => match seconds::of_number(&number) {
            Ok(duration) => duration,
            Err(seconds::Bad::Negative) => return Err(Problem::TimeoutNotPositive),
            Err(seconds::Bad::TooLong) => return Err(Problem::TimeoutTooLong),
            Err(seconds::Bad::NotNumber | seconds::Bad::TooFine) => {
                return Err(bad("needs a number of seconds in timeout_seconds, with at most six decimals"));
            }
        },
        Some(Value::Null) | None => return Err(bad("has no timeout_seconds")),
        Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(bad("needs a number of seconds in timeout_seconds"));
        }
    };
    config::refuse_members("TIMEOUT", "left_node", &object)?;
    Timeout::check(duration).map(|()| duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_survive_the_round_trip() {
        for (query, label) in [
            (r#"{"timeout_seconds":30}"#, "TIMEOUT 30s"),
            (r#"{"timeout_seconds":0.000001}"#, "TIMEOUT 0.000001s"),
        ] {
            let timeout = Timeout { body: NodeId(1), duration: read(query).unwrap() };
            assert_eq!((timeout.query().as_deref(), &*timeout.label()), (Some(query), label));
        }
    }

    #[test]
    fn bad_time_outs_are_refused() {
        for (query, message) in [
            ("{}", "query in TIMEOUT has no timeout_seconds"),
            (r#"{"timeout_seconds":0}"#, "Timeout must be positive"),
            (r#"{"timeout_seconds":-1}"#, "Timeout must be positive"),
            (r#"{"timeout_seconds":3155760001}"#, "Timeout must not exceed 100 years"),
            (r#"{"timeout_seconds":"1 s"}"#, "query in TIMEOUT needs a number of seconds in timeout_seconds"),
            (r#"{"timeout_seconds":1,"seconds":1}"#, "query in TIMEOUT has the unknown member 'seconds'"),
        ] {
            assert_eq!(read(query).unwrap_err().to_string(), message);
        }
    }
}
