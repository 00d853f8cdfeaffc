//! IF: one of two nodes, by a condition.

use std::borrow::Cow;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::{Member, Members};
use crate::config;
use crate::error::Problem;
use crate::node_id::NodeId;

/// Carries out `then` or `otherwise`; its result is that of the one that it chose.
#[derive(Debug, Clone, PartialEq)]
pub struct If {
    /// What decides.
    pub condition: Condition,
    /// Carried out when the condition is true.
    pub then: NodeId,
    /// Carried out when it is not.
    pub otherwise: NodeId,
}

/// What an IF looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The truth of a node's result (see [`crate::truth`]).
    Node(NodeId),
    /// Whether the named result has at least one row (`df.if_rows`).
    HasRows(String),
}

impl Held for Condition {
    fn ids(&self) -> &[NodeId] {
        match self {
            Condition::Node(condition) => condition.ids(),
            Condition::HasRows(_) => &[],
        }
    }

    fn ids_mut(&mut self) -> &mut [NodeId] {
        match self {
            Condition::Node(condition) => condition.ids_mut(),
            Condition::HasRows(_) => &mut [],
        }
    }
}

slots!(If {
    condition: Slot::Titled(Member::Condition, "? condition:"),
    then: Slot::Titled(Member::Left, "✓ then:"),
    otherwise: Slot::Titled(Member::Right, "✗ else:"),
});

impl Inner for If {
    fn read(members: Members) -> Result<If, Problem> {
        members.refuse("IF", &["extra_nodes"])?;
        let has_rows = If::has_rows_from_query(members.query.as_deref())?;
        let (then, otherwise) = members.pair("IF")?;
        let condition = match (has_rows, members.condition) {
            (None, Some(condition)) => Condition::Node(condition),
            (Some(name), None) => Condition::HasRows(name),
            (None, None) => {
                return Err(Problem::Required { member: "condition_node", node_type: "IF" });
            }
            (Some(_), Some(_)) => {
                let reason = "has a condition of its own beside condition_node".to_owned();
                return Err(Problem::Config { node_type: "IF", reason });
            }
        };
        Ok(If { condition, then, otherwise })
    }

    fn query(&self) -> Option<String> {
        match &self.condition {
            Condition::Node(_) => None,
            Condition::HasRows(name) => {
                let mut out = String::from(r#"{"condition_type":"result_has_rows","result_name":"#);
                config::push_json_string(&mut out, name);
                out.push('}');
                Some(out)
            }
        }
    }

    fn label(&self) -> Cow<'static, str> {
        "IF".into()
    }

    fn is_derived(&self) -> bool {
        true
    }
}

impl If {
    /// Reads the condition that stands in `query`, if one does; `None` leaves it to `condition_node`.
    fn has_rows_from_query(query: Option<&str>) -> Result<Option<String>, Problem> {
        let Some(query) = query else { return Ok(None) };
        let object = config::object("IF", query)?;
        if object.contains_key("condition_node") {
            return Err(Problem::Embedded { member: "condition_node", node_type: "IF" });
        }
        match config::optional_text("IF", &object, "condition_type")?.as_deref() {
            None => Ok(None),
            Some("result_has_rows") => config::text("IF", &object, "result_name").map(Some),
            Some(other) => Err(Problem::Config {
                node_type: "IF",
                reason: format!("has the unknown condition_type '{other}'"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Result<Option<&str>, &str>) {
        let found = If::has_rows_from_query(Some(query)).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(|name| name.map(str::to_owned)).map_err(str::to_owned), "{query}");
    }

    #[test]
    fn conditions_in_the_query_are_names_only() {
        check(r#"{"condition_type":"result_has_rows","result_name":"x"}"#, Ok(Some("x")));
        check("{}", Ok(None));
        check(
            r#"{"condition_node":{"node_type":"SQL"}}"#,
            Err("condition_node in IF must be a first-class Durofut field, not embedded in query"),
        );
        check("x", Err("query in IF must be valid JSON config: expected value at line 1 column 1"));
        check("[]", Err("query in IF must be a JSON config object"));
        check(r#"{"condition_type":"moon"}"#, Err("query in IF has the unknown condition_type 'moon'"));
        check(r#"{"condition_type":"result_has_rows"}"#, Err("query in IF has no result_name"));
    }
}
