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
    /// Whether it fails only once all branches have; else with the first that fails.
    pub any: bool,
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
        let (tagged, any) = members.query.as_deref().map_or(Ok((false, false)), read)?;
        Ok(Race { branches: members.branches("RACE")?, tagged, any })
    }

    fn query(&self) -> Option<String> {
        let mut config = config::Writer::default();
        if self.tagged {
            config.push("tagged", "true");
        }
        if self.any {
            config.push_text("policy", "any");
        }
        config.finish()
    }

    fn label(&self) -> Cow<'static, str> {
        match (self.any, self.tagged) {
            (false, false) => "RACE",
            (false, true) => "RACE, tagged",
            (true, false) => "RACE, any",
            (true, true) => "RACE, any, tagged",
        }
        .into()
    }

    fn opens_branches(&self) -> bool {
        true
    }

    fn fails_by_branch(&self) -> bool {
        self.any
    }
}

/// Whether it is tagged, and whether any will do.
fn read(query: &str) -> Result<(bool, bool), Problem> {
    let mut object = config::object("RACE", query)?;
    let tagged = object.remove("tagged");
    let any = config::takes_policy("RACE", &mut object, "any")?;
    config::refuse_members("RACE", "extra_nodes", &object)?;
    match tagged {
        None | Some(Value::Null) => Ok((false, any)),
        Some(Value::Bool(tagged)) => Ok((tagged, any)),
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
        for (query, expected) in [
            ("{}", (false, false)),
            (r#"{"tagged":false}"#, (false, false)),
            (r#"{"tagged":null,"policy":null}"#, (false, false)),
            (r#"{"tagged":true}"#, (true, false)),
            (r#"{"tagged":true,"policy":"any"}"#, (true, true)),
        ] {
            assert_eq!(read(query), Ok(expected), "{query}");
        }
        for (query, message) in [
            (r#"{"tagged":1}"#, "query in RACE has a tagged that is neither true nor false"),
            (r#"{"policy":"all"}"#, "query in RACE has the unknown policy 'all'"),
            (r#"{"tag":true}"#, "query in RACE has the unknown member 'tag'"),
        ] {
            assert_eq!(read(query).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_tagged_race_tells_who_has_won() {
        let outcome = Arc::new(Outcome::plain(json!({"slept": 1})));
        let race = |tagged| Race { branches: vec![NodeId(1), NodeId(2)], tagged, any: false };
        assert_eq!(race(false).won_by(1, outcome.clone()), outcome);
        assert_eq!(race(true).won_by(1, outcome).value, json!({"branch": 2, "result": {"slept": 1}}));
    }
}
