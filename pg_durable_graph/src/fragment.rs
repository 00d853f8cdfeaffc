//! Pieces of graphs as text, as the SQL functions and operators hand them to each other.
//!
//! `a ~> b ~> c …` calls a function for every operator, each with all of what came before. So a [`Fragment`] is
//! made from others by splicing text; only what a user wrote is parsed.

use std::time::Duration;

use serde::Deserialize;

use crate::config::push_json_string;
use crate::error::{GraphError, Problem};
use crate::graph::Graph;
use crate::json::{self, Children, Wire};
use crate::kind::{
    Catch, Condition, If, Join, Leaf, Loop, NodeKind, Race, Retry, RetryPolicy, Sql, Then, Timeout,
};
use crate::matching::Matching;
use crate::name::{check_result_name, is_name};
use crate::node_id::NodeId;

/// The text of a valid graph, as [`Graph::to_json`] writes it.
///
/// The limits on depth and number of nodes are not checked when fragments are combined, but when the whole is
/// read with [`Graph::from_json`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment(String);

impl Fragment {
    /// Takes what a user gave as a step: Durofut JSON, or else SQL. Unlike `df.start` this takes an unknown
    /// `node_type` for SQL, too.
    pub fn coerce(text: &str) -> Result<Fragment, GraphError> {
        match json::read(text) {
            Ok(Wire::Graph(graph)) => Ok(Fragment(graph.to_json())),
            Ok(Wire::Sql) => Ok(Fragment::sql(text)),
            Err(error) => {
                if let (Problem::UnknownType { .. }, Some("root")) = (error.problem(), error.path()) {
                    return Ok(Fragment::sql(text));
                }
                if let Problem::Malformed { reason, .. } = error.problem() {
                    return Err(Problem::InvalidStep(reason.clone()).into());
                }
                Err(error)
            }
        }
    }

    /// Takes text that a fragment gave out before, without looking at it.
    pub fn trusted(text: String) -> Fragment {
        Fragment(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// A node without children.
    pub fn leaf(leaf: impl Into<Leaf>) -> Fragment {
        let leaf = leaf.into();
        let mut writer = Writer::new(leaf.name()).query(&leaf.query());
        if !leaf.params().is_empty() {
            json::push_params(&mut writer.0, leaf.params());
        }
        writer.finish()
    }

    /// A step that runs SQL, which is what text is that says nothing else.
    pub fn sql(query: &str) -> Fragment {
        Fragment::leaf(Sql::new(query))
    }

    /// A node over these children: where `kind` names a child it says which of them, counted from 0.
    pub fn over(kind: impl Into<NodeKind>, children: &[&Fragment]) -> Fragment {
        let kind = kind.into();
        let places = Children::of(&kind);
        let mut writer = Writer::new(kind.name());
        for (member, nth) in places.single() {
            writer = writer.child(member.key(), children[nth.index()]);
        }
        for (before, nth) in places.beyond() {
            writer = writer.child(before, children[nth.index()]);
        }
        if !places.extra.is_empty() {
            writer.0.push(']');
        }
        match kind.query() {
            Some(query) => writer.query(&query).finish(),
            None => writer.finish(),
        }
    }

    /// `first`, then `next`.
    pub fn then(first: &Fragment, next: &Fragment) -> Fragment {
        Fragment::over(Then { first: NodeId(0), next: NodeId(1) }, &[first, next])
    }

    /// Gives the result a name, in place of the one it had.
    pub fn named(mut self, name: &str) -> Result<Fragment, GraphError> {
        check_result_name(name)?;
        let end = self.unnamed_len();
        self.0.truncate(end);
        self.0.push_str(RESULT_NAME);
        self.0.push_str(name);
        self.0.push_str("\"}");
        Ok(self)
    }

    /// How much of the text comes before the result name of the outermost node, or before its closing brace.
    ///
    /// The name is the last member and holds no character that JSON escapes. Inside a string the quotes of
    /// `"result_name"` would be escaped, and a child's name is followed by two braces, so this finds nothing else.
    fn unnamed_len(&self) -> usize {
        let open = self.0.len() - 1;
        let named = self.0[..open].strip_suffix('"').and_then(|text| {
            let start = text.rfind('"')? + 1;
            let before = text[..start].strip_suffix(RESULT_NAME)?;
            is_name(&text[start..]).then_some(before.len())
        });
        named.unwrap_or(open)
    }

    /// Repeats `body` while `condition` is true after it, or for ever.
    pub fn repeat(body: &Fragment, condition: Option<&Fragment>) -> Fragment {
        Fragment::repeat_as(body, condition, false)
    }

    /// [`repeat`](Self::repeat), also where `body` fails.
    pub fn repeat_after_failures(body: &Fragment, condition: Option<&Fragment>) -> Fragment {
        Fragment::repeat_as(body, condition, true)
    }

    fn repeat_as(body: &Fragment, condition: Option<&Fragment>, continue_on_failure: bool) -> Fragment {
        let children: Vec<&Fragment> = std::iter::once(body).chain(condition).collect();
        let condition = condition.map(|_| NodeId(1));
        Fragment::over(Loop { body: NodeId(0), condition, continue_on_failure }, &children)
    }

    /// `then` or `otherwise`, by the truth of what `condition` leaves.
    pub fn if_else(condition: &Fragment, then: &Fragment, otherwise: &Fragment) -> Fragment {
        let kind = If { condition: Condition::Node(NodeId(0)), then: NodeId(1), otherwise: NodeId(2) };
        Fragment::over(kind, &[condition, then, otherwise])
    }

    /// `then` or `otherwise`, by whether the named result has rows.
    pub fn if_rows(name: &str, then: &Fragment, otherwise: &Fragment) -> Fragment {
        let kind =
            If { condition: Condition::HasRows(name.to_owned()), then: NodeId(0), otherwise: NodeId(1) };
        Fragment::over(kind, &[then, otherwise])
    }

    /// All branches at once, and all of them wanted.
    pub fn join(branches: &[Fragment]) -> Result<Fragment, GraphError> {
        Fragment::branches(branches, "JOIN", |branches| Join { branches, settles: false })
    }

    /// All branches at once, and the first one wins.
    pub fn race(branches: &[Fragment]) -> Result<Fragment, GraphError> {
        Fragment::branches(branches, "RACE", |branches| Race { branches, tagged: false, any: false })
    }

    /// All branches at once, and the first one wins; the result tells which.
    pub fn race_tagged(branches: &[Fragment]) -> Result<Fragment, GraphError> {
        Fragment::branches(branches, "RACE", |branches| Race { branches, tagged: true, any: false })
    }

    /// All branches at once; waits for all, whatever becomes of each.
    pub fn join_settled(branches: &[Fragment]) -> Result<Fragment, GraphError> {
        Fragment::branches(branches, "JOIN", |branches| Join { branches, settles: true })
    }

    /// All branches at once, and the first one that completes wins; fails once all have.
    pub fn race_any(branches: &[Fragment]) -> Result<Fragment, GraphError> {
        Fragment::branches(branches, "RACE", |branches| Race { branches, tagged: false, any: true })
    }

    /// `body`, tried as often as the policy says.
    pub fn retry(body: &Fragment, policy: RetryPolicy) -> Result<Fragment, GraphError> {
        policy.check()?;
        Ok(Fragment::over(Retry { body: NodeId(0), policy }, &[body]))
    }

    /// `body`, and `handler` where that fails with one of `errors`, which it sees under `name`.
    pub fn catch(
        body: &Fragment,
        handler: &Fragment,
        errors: Vec<Matching>,
        name: &str,
    ) -> Result<Fragment, GraphError> {
        let catch = Catch { body: NodeId(0), handler: NodeId(1), errors, name: name.to_owned() };
        catch.check()?;
        Ok(Fragment::over(catch, &[body, handler]))
    }

    /// `body`, which may take so long.
    pub fn timeout(body: &Fragment, duration: Duration) -> Result<Fragment, GraphError> {
        Timeout::check(duration)?;
        Ok(Fragment::over(Timeout { body: NodeId(0), duration }, &[body]))
    }

    fn branches<K: Into<NodeKind>>(
        branches: &[Fragment],
        node_type: &'static str,
        kind: impl FnOnce(Vec<NodeId>) -> K,
    ) -> Result<Fragment, GraphError> {
        if branches.len() < 2 {
            return Err(Problem::TooFewBranches(node_type).into());
        }
        let kind = kind((0..branches.len() as u32).map(NodeId).collect());
        Ok(Fragment::over(kind, &branches.iter().collect::<Vec<_>>()))
    }
}

const RESULT_NAME: &str = r#","result_name":""#;

/// What `condition ?> then` leaves for `!>`: the operands as they were given, in the way a `jsonb` prints.
pub fn partial_if(condition: &str, then: &str) -> String {
    let mut out = String::from(r#"{"condition": "#);
    push_json_string(&mut out, condition);
    out.push_str(r#", "_partial_if": true, "then_branch": "#);
    push_json_string(&mut out, then);
    out.push('}');
    out
}

#[derive(Deserialize)]
struct PartialIf {
    #[serde(rename = "_partial_if")]
    is_partial: bool,
    condition: String,
    then_branch: String,
}

/// Completes what [`partial_if`] left: `partial !> otherwise`.
pub fn complete_if(partial: &str, otherwise: &str) -> Result<Fragment, GraphError> {
    match serde_json::from_str::<PartialIf>(partial) {
        Ok(partial) if partial.is_partial => Ok(Fragment::if_else(
            &Fragment::coerce(&partial.condition)?,
            &Fragment::coerce(&partial.then_branch)?,
            &Fragment::coerce(otherwise)?,
        )),
        Ok(_) | Err(_) => Err(Problem::NotPartialIf.into()),
    }
}

impl From<&Graph> for Fragment {
    fn from(graph: &Graph) -> Fragment {
        Fragment(graph.to_json())
    }
}

/// Writes one object; the caller keeps to the order of members of the wire form.
struct Writer(String);

impl Writer {
    fn new(node_type: &str) -> Writer {
        Writer(format!(r#"{{"node_type":"{node_type}""#))
    }

    /// A child behind what comes before it: the comma and the member, or the comma only.
    fn child(mut self, before: &str, child: &Fragment) -> Writer {
        self.0.reserve(before.len() + child.0.len() + 8);
        self.0.push_str(before);
        self.0.push_str(&child.0);
        self
    }

    fn query(mut self, query: &str) -> Writer {
        self.0.push_str(r#","query":"#);
        push_json_string(&mut self.0, query);
        self
    }

    fn finish(mut self) -> Fragment {
        self.0.push('}');
        Fragment(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Break, Signal, Sleep, WaitSchedule};

    fn sql(query: &str) -> Fragment {
        Fragment::sql(query)
    }

    /// Every fragment must be what its graph would be written as.
    fn check(fragment: Fragment, expected: &str) {
        assert_eq!(fragment.as_str(), expected);
        assert_eq!(Graph::from_json(expected).unwrap().to_json(), expected);
        assert_eq!(Fragment::coerce(expected), Ok(fragment));
    }

    #[test]
    fn fragments_are_canonical() {
        let (a, b, c) = (sql("a"), sql("b"), sql("c"));
        let [ja, jb, jc] = ["a", "b", "c"].map(|q| format!(r#"{{"node_type":"SQL","query":"{q}"}}"#));
        check(sql("it's \"x\"\n"), r#"{"node_type":"SQL","query":"it's \"x\"\n"}"#);
        check(
            Fragment::then(&a, &b),
            &format!(r#"{{"node_type":"THEN","left_node":{ja},"right_node":{jb}}}"#),
        );
        check(Fragment::leaf(Sleep::new(Duration::from_secs(60))), r#"{"node_type":"SLEEP","query":"60"}"#);
        check(
            Fragment::leaf(WaitSchedule::new("*/5 * * * *", None).unwrap()),
            r#"{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"*/5 * * * *\"}"}"#,
        );
        check(Fragment::repeat(&a, None), &format!(r#"{{"node_type":"LOOP","left_node":{ja}}}"#));
        check(
            Fragment::repeat(&a, Some(&b)),
            &format!(r#"{{"node_type":"LOOP","left_node":{ja},"condition_node":{jb}}}"#),
        );
        check(
            Fragment::leaf(Break { value: None }),
            r#"{"node_type":"BREAK","query":"{\"break_value\":null}"}"#,
        );
        check(
            Fragment::leaf(Break { value: Some("x".to_owned()) }),
            r#"{"node_type":"BREAK","query":"{\"break_value\":\"x\"}"}"#,
        );
        check(
            Fragment::if_else(&a, &b, &c),
            &format!(r#"{{"node_type":"IF","left_node":{jb},"right_node":{jc},"condition_node":{ja}}}"#),
        );
        check(
            Fragment::if_rows("n", &b, &c),
            &format!(
                r#"{{"node_type":"IF","left_node":{jb},"right_node":{jc},"query":"{{\"condition_type\":\"result_has_rows\",\"result_name\":\"n\"}}"}}"#
            ),
        );
        check(
            Fragment::join(&[a.clone(), b.clone(), c.clone(), a.clone()]).unwrap(),
            &format!(
                r#"{{"node_type":"JOIN","left_node":{ja},"right_node":{jb},"extra_nodes":[{jc},{ja}]}}"#
            ),
        );
        check(
            Fragment::race(&[a.clone(), b.clone()]).unwrap(),
            &format!(r#"{{"node_type":"RACE","left_node":{ja},"right_node":{jb}}}"#),
        );
        check(
            Fragment::leaf(Signal::new("go", Some(Duration::from_millis(1500).into())).unwrap()),
            r#"{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":1.5}"}"#,
        );
    }

    #[test]
    fn named_replaces_the_outermost_name_only() {
        let named = |fragment: &Fragment, name: &str| fragment.clone().named(name).unwrap();
        let a = named(&sql("a"), "x");
        check(a.clone(), r#"{"node_type":"SQL","query":"a","result_name":"x"}"#);
        check(named(&a, "other"), r#"{"node_type":"SQL","query":"a","result_name":"other"}"#);
        let both = Fragment::then(&a, &a);
        let json = |name: &str| {
            format!(r#"{{"node_type":"THEN","left_node":{0},"right_node":{0}{name}}}"#, a.as_str())
        };
        check(named(&both, "z"), &json(r#","result_name":"z""#));
        check(named(&named(&both, "z"), "y"), &json(r#","result_name":"y""#));
        // A query that looks like a name is text.
        for query in [r#"","result_name":"x"#, r#"","result_name":"x"}"#, "x"] {
            let graph = Graph::from_json(named(&sql(query), "n").as_str()).unwrap();
            assert_eq!(graph, Graph::from_json(sql(query).as_str()).unwrap().named("n").unwrap());
        }
    }

    #[test]
    fn coerce_takes_anything_else_for_sql() {
        for text in [
            "SELECT 1",
            "",
            "  ",
            "{",
            r#"{"a":1}"#,
            r#"{"node_type":7}"#,
            r#"{"node_type":"NOT_A_NODE"}"#,
            r#"{"node_type":"SQL","query":"x"} and more"#,
            "[1]",
            "null",
        ] {
            assert_eq!(Fragment::coerce(text), Ok(sql(text)), "{text}");
        }
        assert_eq!(
            Fragment::coerce(r#" {"result_name":"x","query":"a","node_type":"SQL","left_node":null} "#),
            Ok(sql("a").named("x").unwrap())
        );
    }

    #[test]
    fn bad_operands_are_refused() {
        let signal = |name: &str, timeout: Option<Duration>| {
            Signal::new(name, timeout.map(Into::into)).map(Fragment::leaf).map_err(GraphError::from)
        };
        for (result, message) in [
            (
                Fragment::coerce(r#"{"node_type":"SQL","query":1}"#),
                "Invalid Durofut JSON: failed to deserialize workflow step: query must be a string",
            ),
            (sql("a").named(""), "df.as: result name cannot be empty"),
            (
                sql("a").named("a-b"),
                "df.as: result name 'a-b' is not a valid identifier — must match [a-zA-Z_][a-zA-Z0-9_]*",
            ),
            (signal("", None), "Signal name cannot be empty"),
            (signal("a", Some(Duration::ZERO)), "Timeout must be positive"),
            (Fragment::join(&[sql("a")]), "JOIN needs at least two branches"),
            (Fragment::race(&[]), "RACE needs at least two branches"),
            (complete_if("SELECT 1", "x"), "Invalid if-then-else: left side of !> must be a ?> expression"),
            (
                Fragment::coerce(r#"{"node_type":"HTTP","query":"{}"}"#),
                "node type HTTP is not available in this version of pg_durable",
            ),
        ] {
            assert_eq!(result.unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn partial_if_keeps_its_operands_as_text() {
        let partial = partial_if("SELECT 'a'", &sql("b").into_string());
        assert_eq!(
            partial,
            r#"{"condition": "SELECT 'a'", "_partial_if": true, "then_branch": "{\"node_type\":\"SQL\",\"query\":\"b\"}"}"#
        );
        assert_eq!(
            complete_if(&partial, "c"),
            Ok(Fragment::if_else(&sql("SELECT 'a'"), &sql("b"), &sql("c")))
        );
    }
}
