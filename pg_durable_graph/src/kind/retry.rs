//! RETRY: a body that may fail some times.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::{Member, Members};
use crate::config;
use crate::error::Problem;
use crate::instant::Instant;
use crate::limits::SPAN_MAX;
use crate::matching::{self, Matching};
use crate::node_id::NodeId;
use crate::seconds;

/// How often a body may be tried, where that is limited.
const ATTEMPTS_MAX: u32 = 1_000_000;

/// Carries out `body`, and again after a while where it fails with what `policy` takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// What is tried.
    pub body: NodeId,
    /// When it is tried again.
    pub policy: RetryPolicy,
}

/// Which failures are followed by another attempt, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// How many attempts there are, the first one included; `None` is without limit.
    pub max_attempts: Option<u32>,
    /// How long after the first attempt the second begins.
    pub initial_interval: Duration,
    /// By what each interval is longer than the one before; 1 or more.
    pub backoff: f64,
    /// The longest interval.
    pub max_interval: Duration,
    /// Whether intervals are drawn.
    pub jitter: Jitter,
    /// What is tried again.
    pub retry_on: Vec<Matching>,
    /// What of it is not.
    pub except_on: Vec<Matching>,
    /// No attempt begins later than this after the first one has begun.
    pub max_duration: Option<Duration>,
}

/// Whether the intervals between attempts are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Each is what the policy says.
    None,
    /// Each is drawn from 0 to what the policy says, so that those who failed at the same time do not come back at the same
    /// time.
    Full,
}

impl Jitter {
    /// Reads `none` or `full`.
    pub fn parse(word: &str) -> Option<Jitter> {
        match word {
            "none" => Some(Jitter::None),
            "full" => Some(Jitter::Full),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Jitter::None => "none",
            Jitter::Full => "full",
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: Some(3),
            initial_interval: Duration::from_secs(1),
            backoff: 2.0,
            max_interval: Duration::from_secs(100),
            jitter: Jitter::Full,
            retry_on: vec![Matching::Transient],
            except_on: Vec::new(),
            max_duration: None,
        }
    }
}

impl RetryPolicy {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Problem> {
        let bad = |member, reason| Err(Problem::Policy { member, reason });
        if self.max_attempts.is_some_and(|attempts| attempts > ATTEMPTS_MAX) {
            return bad("max_attempts", "must not exceed 1000000; 0 is without limit");
        }
        if !(self.backoff.is_finite() && self.backoff >= 1.0) {
            return bad("backoff", "must be 1 or more");
        }
        for (member, span) in [
            ("initial_interval", Some(self.initial_interval)),
            ("max_interval", Some(self.max_interval)),
            ("max_duration", self.max_duration),
        ] {
            if span.is_some_and(|span| span > SPAN_MAX) {
                return bad(member, "must not exceed 100 years");
            }
        }
        if self.max_interval < self.initial_interval {
            return bad("max_interval", "must not be less than initial_interval");
        }
        if self.max_duration.is_some_and(|span| span.is_zero()) {
            return bad("max_duration", "must be positive");
        }
        if self.retry_on.is_empty() {
            return bad("retry_on", "must name at least one kind of failure");
        }
        Ok(())
    }

    /// When the attempt after one that has failed `now` begins; `None` where there is none.
    pub(crate) fn next(&self, failed: &Failed<'_>, draw: u64) -> Option<Instant> {
        if self.max_attempts.is_some_and(|most| failed.attempt >= most)
            || !matching::takes(&self.retry_on, &self.except_on, failed.sqlstate)
        {
            return None;
        }
        let until = failed.now.saturating_add(self.interval(failed.attempt, draw).as_micros() as i64);
        let last = self.max_duration.map(|span| failed.since.saturating_add(span.as_micros() as i64));
        (last.is_none_or(|last| until <= last)).then_some(until)
    }

    /// Whether a failure with this SQLSTATE would be tried again.
    pub(crate) fn takes(&self, sqlstate: &str) -> bool {
        matching::takes(&self.retry_on, &self.except_on, sqlstate)
    }

    /// The interval behind the attempt with this number.
    fn interval(&self, attempt: u32, draw: u64) -> Duration {
        let factor = self.backoff.powf(f64::from(attempt.saturating_sub(1)));
        let seconds = (self.initial_interval.as_secs_f64() * factor).min(self.max_interval.as_secs_f64());
        let share = match self.jitter {
            Jitter::None => 1.0,
            // Of 53 bits, as many as a double keeps.
            Jitter::Full => (draw >> 11) as f64 / ((1_u64 << 53) - 1) as f64,
        };
        Duration::from_secs_f64(seconds * share)
    }
}

/// An attempt that has failed.
pub(crate) struct Failed<'a> {
    /// Its number, from 1.
    pub attempt: u32,
    pub sqlstate: &'a str,
    /// When the first attempt began.
    pub since: Instant,
    pub now: Instant,
}

slots!(Retry { body: Slot::Titled(Member::Left, "body:") });

impl Inner for Retry {
    fn read(members: Members) -> Result<Retry, Problem> {
        members.refuse("RETRY", &["right_node", "condition_node", "extra_nodes"])?;
        let policy = members.query.as_deref().map_or(Ok(RetryPolicy::default()), read)?;
        Ok(Retry { body: members.left("RETRY")?, policy })
    }

    fn query(&self) -> Option<String> {
        let (policy, default) = (&self.policy, RetryPolicy::default());
        let mut config = config::Writer::default();
        if policy.max_attempts != default.max_attempts {
            config.push("max_attempts", &policy.max_attempts.unwrap_or(0).to_string());
        }
        if policy.initial_interval != default.initial_interval {
            config.push("initial_interval", &seconds::print(policy.initial_interval));
        }
        if policy.backoff != default.backoff {
            config.push("backoff", &policy.backoff.to_string());
        }
        if policy.max_interval != default.max_interval {
            config.push("max_interval", &seconds::print(policy.max_interval));
        }
        if policy.jitter != default.jitter {
            config.push_text("jitter", policy.jitter.as_str());
        }
        if policy.retry_on != default.retry_on {
            config.push_texts("retry_on", &policy.retry_on);
        }
        if policy.except_on != default.except_on {
            config.push_texts("except_on", &policy.except_on);
        }
        if let Some(span) = policy.max_duration {
            config.push("max_duration", &seconds::print(span));
        }
        config.finish()
    }

    fn label(&self) -> Cow<'static, str> {
        let policy = &self.policy;
        let attempts = policy.max_attempts.map_or_else(|| "∞".to_owned(), |attempts| format!("{attempts}×"));
        let (first, longest) = (seconds::print(policy.initial_interval), seconds::print(policy.max_interval));
        format!("RETRY ({attempts}, {first}s…{longest}s)").into()
    }

    fn is_scope(&self) -> bool {
        true
    }
}

fn read(query: &str) -> Result<RetryPolicy, Problem> {
    let mut object = config::object("RETRY", query)?;
    let default = RetryPolicy::default();
    let policy = RetryPolicy {
        max_attempts: match object.remove("max_attempts").filter(|value| !value.is_null()) {
            None => default.max_attempts,
            Some(value) => {
                let attempts = value.as_u64().and_then(|attempts| u32::try_from(attempts).ok());
                match attempts.ok_or_else(|| bad("needs a whole number in max_attempts"))? {
                    0 => None,
                    attempts => Some(attempts),
                }
            }
        },
        initial_interval: span(&mut object, "initial_interval")?.unwrap_or(default.initial_interval),
        backoff: match object.remove("backoff").filter(|value| !value.is_null()) {
            None => default.backoff,
            Some(value) => value.as_f64().ok_or_else(|| bad("needs a number in backoff"))?,
        },
        max_interval: span(&mut object, "max_interval")?.unwrap_or(default.max_interval),
        jitter: match config::optional_text("RETRY", &object, "jitter")? {
            None => default.jitter,
            Some(word) => {
                Jitter::parse(&word).ok_or_else(|| bad("has a jitter that is neither full nor none"))?
            }
        },
        retry_on: config::matching("RETRY", &mut object, "retry_on")?.unwrap_or(default.retry_on),
        except_on: config::matching("RETRY", &mut object, "except_on")?.unwrap_or(default.except_on),
        max_duration: span(&mut object, "max_duration")?,
    };
    object.remove("jitter");
    config::refuse_members("RETRY", "left_node", &object)?;
    policy.check()?;
    Ok(policy)
}

fn bad(reason: &str) -> Problem {
    Problem::Config { node_type: "RETRY", reason: reason.to_owned() }
}

fn span(object: &mut Map<String, Value>, member: &str) -> Result<Option<Duration>, Problem> {
    match object.remove(member).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(Value::Number(number)) => match seconds::of_number(&number) {
            Ok(span) => Ok(Some(span)),
            Err(seconds::Bad::Negative) => Err(bad(&format!("has a negative {member}"))),
            Err(seconds::Bad::TooLong) => Err(bad(&format!("has a {member} of more than 100 years"))),
            Err(seconds::Bad::NotNumber | seconds::Bad::TooFine) => {
                Err(bad(&format!("needs a number of seconds in {member}, with at most six decimals")))
            }
        },
        Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) | Value::Null) => {
            Err(bad(&format!("needs a number of seconds in {member}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(query: &str) -> Retry {
        Retry { body: NodeId(1), policy: read(query).unwrap() }
    }

    #[test]
    fn policies_survive_the_round_trip() {
        assert_eq!(retry("{}").query(), None);
        assert_eq!(retry(r#"{"max_attempts":3,"jitter":"full","retry_on":["transient"]}"#).query(), None);
        for (query, label) in [
            (r#"{"max_attempts":5}"#, "RETRY (5×, 1s…100s)"),
            (r#"{"max_attempts":0,"initial_interval":0.5}"#, "RETRY (∞, 0.5s…100s)"),
            (
                r#"{"max_attempts":2,"initial_interval":10,"backoff":1.5,"max_interval":3600,"jitter":"none","retry_on":["40*","timeout"],"except_on":["40001"],"max_duration":86400}"#,
                "RETRY (2×, 10s…3600s)",
            ),
        ] {
            assert_eq!(retry(query).query().as_deref(), Some(query));
            assert_eq!(retry(query).label(), label);
        }
    }

    #[test]
    fn bad_policies_are_refused() {
        for (query, message) in [
            ("[]", "query in RETRY must be a JSON config object"),
            (r#"{"attempts":1}"#, "query in RETRY has the unknown member 'attempts'"),
            (r#"{"max_attempts":-1}"#, "query in RETRY needs a whole number in max_attempts"),
            (r#"{"max_attempts":1000001}"#, "max_attempts must not exceed 1000000; 0 is without limit"),
            (r#"{"initial_interval":-1}"#, "query in RETRY has a negative initial_interval"),
            (r#"{"initial_interval":"1s"}"#, "query in RETRY needs a number of seconds in initial_interval"),
            (r#"{"initial_interval":101}"#, "max_interval must not be less than initial_interval"),
            (r#"{"backoff":0.5}"#, "backoff must be 1 or more"),
            (r#"{"jitter":"some"}"#, "query in RETRY has a jitter that is neither full nor none"),
            (r#"{"retry_on":[]}"#, "retry_on must name at least one kind of failure"),
            (r#"{"retry_on":["4000"]}"#, "retry_on has '4000', which stands for no failures"),
            (r#"{"except_on":[1]}"#, "query in RETRY needs an array of strings in except_on"),
            (r#"{"max_duration":0}"#, "max_duration must be positive"),
        ] {
            assert_eq!(read(query).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_next_attempt_comes_when_the_policy_says() {
        let second = 1_000_000;
        let next = |query: &str, attempt: u32, now: Instant| {
            let policy = retry(query).policy;
            let failed = Failed { attempt, sqlstate: "40001", since: 0, now: now * second };
            policy.next(&failed, u64::MAX).map(|at| at / second)
        };
        let plain = r#"{"max_attempts":6,"jitter":"none","max_interval":10}"#;
        let found: Vec<_> = (1..8).map(|attempt| next(plain, attempt, 100)).collect();
        assert_eq!(found, [Some(101), Some(102), Some(104), Some(108), Some(110), None, None]);
        // The highest draw is the whole interval.
        assert_eq!(next(r#"{"max_attempts":0}"#, 1_000_000, 0), Some(100));
        assert_eq!(next(r#"{"retry_on":["23*"]}"#, 1, 0), None);
        let bounded = r#"{"jitter":"none","max_duration":5}"#;
        assert_eq!((next(bounded, 1, 4), next(bounded, 1, 5)), (Some(5), None));
    }

    #[test]
    fn draws_are_spread_over_the_interval() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.interval(1, 0), Duration::ZERO);
        assert_eq!(policy.interval(3, u64::MAX), Duration::from_secs(4));
        assert_eq!(policy.interval(1, u64::MAX / 2).as_millis(), 500);
    }
}
