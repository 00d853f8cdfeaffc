//! IF: one of two nodes, by a condition.

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

impl If {
    /// Reads the condition that stands in `query`, if one does; `None` leaves it to `condition_node`.
    pub(crate) fn has_rows_from_query(query: Option<&str>) -> Result<Option<String>, Problem> {
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

    pub(crate) fn query(&self) -> Option<String> {
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
