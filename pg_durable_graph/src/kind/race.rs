//! RACE: several branches at once, the first one wins.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::Members;
use crate::config;
use crate::error::Problem;
use crate::node_id::NodeId;
use crate::outcome::Outcome;

/// Completes with its first completed branch; the others are cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// At least two.
    pub branches: Vec<NodeId>,
    /// Whether the result tells who has won.
    pub tagged: bool,
}

impl Race {
    /// What the race leaves behind when this branch, counted from 0, has completed with this outcome: the same or, tagged,
    /// `{"branch": n, "result": …}` with `n` counted from 1.
    pub fn won_by(&self, winner: usize, outcome: Arc<Outcome>) -> Arc<Outcome> {
        if self.tagged {
            Arc::new(Outcome::plain(json!({"branch": winner + 1, "result": outcome.value})))
        } else {
            outcome
        }
    }
}

slots!(Race { branches: Slot::Branches });

impl Inner for Race {
    fn read(members: Members) -> Result<Race, Problem> {
        let tagged = members.query.as_deref().map_or(Ok(false), is_tagged)?;
        Ok(Race { branches: members.branches("RACE")?, tagged })
    }

    fn query(&self) -> Option<String> {
        self.tagged.then(|| r#"{"tagged":true}"#.to_owned())
    }

    fn label(&self) -> Cow<'static, str> {
        if self.tagged { "RACE, tagged" } else { "RACE" }.into()
    }

    fn opens_branches(&self) -> bool {
        true
    }
}

fn is_tagged(query: &str) -> Result<bool, Problem> {
    let mut object = config::object("RACE", query)?;
    let tagged = object.remove("tagged");
    config::refuse_members("RACE", "extra_nodes", &object)?;
    match tagged {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(tagged)) => Ok(tagged),
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            let reason = "has a tagged that is neither true nor false".to_owned();
            Err(Problem::Config { node_type: "RACE", reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_is_tagged_where_its_query_says_so() {
        for (query, tagged) in [
            ("{}", false),
            (r#"{"tagged":false}"#, false),
            (r#"{"tagged":null}"#, false),
            (r#"{"tagged":true}"#, true),
        ] {
            assert_eq!(is_tagged(query), Ok(tagged), "{query}");
        }
        for (query, message) in [
            (r#"{"tagged":1}"#, "query in RACE has a tagged that is neither true nor false"),
            (r#"{"tag":true}"#, "query in RACE has the unknown member 'tag'"),
        ] {
            assert_eq!(is_tagged(query).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_tagged_race_tells_who_has_won() {
        let outcome = Arc::new(Outcome::plain(json!({"slept": 1})));
        let race = |tagged| Race { branches: vec![NodeId(1), NodeId(2)], tagged };
        assert_eq!(race(false).won_by(1, outcome.clone()), outcome);
        assert_eq!(race(true).won_by(1, outcome).value, json!({"branch": 2, "result": {"slept": 1}}));
    }
}
