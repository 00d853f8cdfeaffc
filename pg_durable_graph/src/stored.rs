//! The graph as rows of `df.nodes`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::push_json_string;
use crate::error::Problem;
use crate::graph::{Graph, Node};
use crate::json::Children;
use crate::kind::{InnerRow, LeafRow, Members, NodeKind, Row};
use crate::node_id::NodeId;

/// One row: what of `df.nodes` never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredNode<'a> {
    /// `id`.
    pub id: NodeId,
    /// `node_type`.
    pub node_type: Cow<'a, str>,
    /// `query`; children that have no column of their own are ids in it.
    pub query: Option<Cow<'a, str>>,
    /// `params`, as JSON.
    pub params: Option<Cow<'a, str>>,
    /// `result_name`.
    pub result_name: Option<Cow<'a, str>>,
    /// `left_node`.
    pub left_node: Option<NodeId>,
    /// `right_node`.
    pub right_node: Option<NodeId>,
}

/// Rows that make no graph: somebody else wrote to the table, or a newer version did.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// There are no rows.
    #[error("the instance has no nodes")]
    NoNodes,
    /// The ids are not 0 to n-1.
    #[error("the ids of the nodes are not consecutive: {0} is out of place")]
    Ids(NodeId),
    /// A `node_type` that this version does not know.
    #[error("node {id} has the unknown type '{node_type}'")]
    UnknownType {
        /// The node.
        id: NodeId,
        /// Its type.
        node_type: String,
    },
    /// A column that nodes of this type need is NULL.
    #[error("node {id} has no {column}")]
    Missing {
        /// The node.
        id: NodeId,
        /// The column.
        column: &'static str,
    },
    /// A `query` that cannot be read.
    #[error("node {id} has an unreadable query: {reason}")]
    Query {
        /// The node.
        id: NodeId,
        /// What is wrong.
        reason: String,
    },
    /// `params` that cannot be read.
    #[error("node {id} has unreadable params: {reason}")]
    Params {
        /// The node.
        id: NodeId,
        /// What is wrong.
        reason: String,
    },
    /// A child that is not there, comes before its parent or has two parents; or a node without a parent.
    #[error("the nodes are not a tree: {0} is not the child of exactly one node before it")]
    NotATree(NodeId),
}

impl Graph {
    /// The rows to store, in pre-order.
    pub fn to_stored(&self) -> Vec<StoredNode<'_>> {
        self.iter()
            .map(|(id, node)| {
                let children = Children::of(&node.kind);
                StoredNode {
                    id,
                    node_type: Cow::Borrowed(node.kind.name()),
                    query: stored_query(&node.kind, &children),
                    params: node
                        .kind
                        .params()
                        .map(|params| serde_json::to_string(params).expect("a value is always JSON").into()),
                    result_name: node.result_name.as_deref().map(Cow::Borrowed),
                    left_node: children.left,
                    right_node: children.right,
                }
            })
            .collect()
    }

    /// The graph of an instance's rows, which may come in any order.
    ///
    /// Configs were checked when they were stored and are only read here; a cron expression, say, is not parsed.
    pub fn from_stored<'a>(rows: impl IntoIterator<Item = StoredNode<'a>>) -> Result<Graph, StoredError> {
        let mut rows: Vec<StoredNode<'a>> = rows.into_iter().collect();
        if rows.is_empty() {
            return Err(StoredError::NoNodes);
        }
        if !rows.is_sorted_by_key(|row| row.id) {
            rows.sort_unstable_by_key(|row| row.id);
        }
        let mut nodes = Vec::with_capacity(rows.len());
        let mut has_parent = vec![false; rows.len()];
        has_parent[0] = true;
        for (index, row) in rows.into_iter().enumerate() {
            if row.id.index() != index {
                return Err(StoredError::Ids(row.id));
            }
            let id = row.id;
            let node = node_of(row)?;
            let mut misplaced = None;
            node.kind.each_child(|child| {
                let fits = child > id
                    && has_parent
                        .get_mut(child.index())
                        .is_some_and(|has_parent| !std::mem::replace(has_parent, true));
                if !fits {
                    misplaced.get_or_insert(child);
                }
            });
            if let Some(child) = misplaced {
                return Err(StoredError::NotATree(child));
            }
            nodes.push(node);
        }
        match has_parent.iter().position(|has_parent| !has_parent) {
            Some(orphan) => Err(StoredError::NotATree(NodeId(orphan as u32))),
            None => Ok(Graph::from_preorder(nodes)),
        }
    }
}

/// What `query` holds in a row: what it says in the wire form, behind the ids of children that have no column.
fn stored_query<'a>(kind: &'a NodeKind, children: &Children<'_>) -> Option<Cow<'a, str>> {
    let query = kind.query();
    if children.condition.is_none() && children.extra.is_empty() {
        return query;
    }
    let mut out = String::from("{");
    if let Some(condition) = children.condition {
        out.push_str(r#""condition_node":"#);
        push_json_string(&mut out, &condition.to_string());
    }
    for (nth, child) in children.extra.iter().enumerate() {
        out.push_str(if nth == 0 { r#""extra_nodes":["# } else { "," });
        push_json_string(&mut out, &child.to_string());
    }
    if !children.extra.is_empty() {
        out.push(']');
    }
    match query.as_deref().and_then(|query| query.strip_prefix('{')) {
        Some(members) => {
            out.push(',');
            out.push_str(members);
        }
        None => out.push('}'),
    }
    Some(Cow::Owned(out))
}

/// The ids that a `query` may hold.
#[derive(Deserialize, Default)]
struct Ids<'a> {
    #[serde(borrow, default)]
    condition_node: Option<&'a str>,
    #[serde(borrow, default)]
    extra_nodes: Vec<&'a str>,
    /// What the kind says itself.
    #[serde(flatten)]
    own: Map<String, Value>,
}

fn node_of(row: StoredNode<'_>) -> Result<Node, StoredError> {
    let result_name = row.result_name.clone().map(Cow::into_owned);
    let kind = match Row::named(&row.node_type) {
        Some(Row::Leaf(kind)) => leaf_of(row, kind)?,
        Some(Row::Inner(kind)) => inner_of(row, kind)?,
        None => {
            let StoredNode { id, node_type, .. } = row;
            return Err(StoredError::UnknownType { id, node_type: node_type.into_owned() });
        }
    };
    Ok(Node { kind, result_name })
}

fn leaf_of(row: StoredNode<'_>, kind: &LeafRow) -> Result<NodeKind, StoredError> {
    let id = row.id;
    let query = row.query.ok_or(StoredError::Missing { id, column: "query" })?;
    let leaf = (kind.from_stored)(&query);
    let leaf = leaf.map_err(|problem| StoredError::Query { id, reason: problem.to_string() })?;
    let params = row.params.as_deref().map(serde_json::from_str).transpose();
    let params = params.map_err(|error| StoredError::Params { id, reason: error.to_string() })?;
    Ok(leaf.with_stored_params(params.unwrap_or_default()).into())
}

fn inner_of(row: StoredNode<'_>, kind: &InnerRow) -> Result<NodeKind, StoredError> {
    let id = row.id;
    let bad = |reason: String| StoredError::Query { id, reason };
    let ids = match row.query.as_deref() {
        Some(query) => serde_json::from_str::<Ids<'_>>(query).map_err(|error| bad(error.to_string()))?,
        None => Ids::default(),
    };
    let node_id = |text: &str| NodeId::parse(text).ok_or_else(|| bad(format!("'{text}' is not a node id")));
    let condition = ids.condition_node.map(node_id).transpose()?;
    let extra = ids.extra_nodes.into_iter().map(node_id).collect::<Result<Vec<_>, _>>()?;
    let query = (!ids.own.is_empty()).then(|| Value::Object(ids.own).to_string());
    let has_query = query.is_some();
    let members = Members { left: row.left_node, right: row.right_node, condition, extra, query };
    (kind.read)(members).map_err(|problem| match problem {
        Problem::Required { member: "condition_node", .. } if has_query => {
            bad("it has no condition".to_owned())
        }
        Problem::Required { member: "condition_node", .. } => StoredError::Missing { id, column: "query" },
        Problem::Required { member: column, .. } => StoredError::Missing { id, column },
        other => bad(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fragment::Fragment;
    use crate::kind::{Break, Signal, Sleep, Sql, WaitSchedule};

    fn every_kind() -> Graph {
        let sql = Fragment::sql;
        let steps = [
            sql("SELECT 1").named("one").unwrap(),
            Fragment::if_else(&sql("c"), &sql("t"), &Fragment::leaf(Sleep::new(Duration::from_millis(500)))),
            Fragment::if_rows("one", &sql("t"), &sql("e")),
            Fragment::repeat(&Fragment::leaf(Break { value: Some("v".to_owned()) }), None),
            Fragment::repeat(&sql("body"), Some(&sql("while"))),
            Fragment::join(&[sql("1"), sql("2")]).unwrap(),
            Fragment::join(&[sql("1"), sql("2"), sql("3"), sql("4")]).unwrap(),
            Fragment::race(&[sql("1"), sql("2"), Fragment::leaf(Signal::new("go", None).unwrap())]).unwrap(),
            Fragment::race_tagged(&[sql("1"), sql("2")]).unwrap(),
            Fragment::race_tagged(&[sql("1"), sql("2"), sql("3")]).unwrap(),
            Fragment::leaf(WaitSchedule::new("@daily", Some("Europe/Berlin".to_owned())).unwrap()),
            Fragment::leaf(Sql::bound("SELECT $1", vec![serde_json::json!({"a": [1]})]).unwrap()),
        ];
        let all = steps.into_iter().reduce(|first, next| Fragment::then(&first, &next)).unwrap();
        Graph::from_json(all.as_str()).unwrap()
    }

    #[test]
    fn rows_survive_the_round_trip_in_any_order() {
        let graph = every_kind();
        assert_eq!(Graph::from_stored(graph.to_stored()), Ok(graph.clone()));
        assert_eq!(Graph::from_stored(graph.to_stored().into_iter().rev()), Ok(graph.clone()));
    }

    #[test]
    fn queries_hold_the_ids_of_children_without_a_column() {
        let graph = every_kind();
        let queries: Vec<String> = graph
            .to_stored()
            .into_iter()
            .filter(|row| row.left_node.is_some() && row.node_type != "THEN")
            .map(|row| format!("{} {}", row.node_type, row.query.as_deref().unwrap_or("NULL")))
            .collect();
        assert_eq!(
            queries,
            [
                r#"IF {"condition_node":"0000000d"}"#,
                r#"IF {"condition_type":"result_has_rows","result_name":"one"}"#,
                "LOOP NULL",
                r#"LOOP {"condition_node":"00000017"}"#,
                "JOIN NULL",
                r#"JOIN {"extra_nodes":["0000001e","0000001f"]}"#,
                r#"RACE {"extra_nodes":["00000023"]}"#,
                r#"RACE {"tagged":true}"#,
                r#"RACE {"extra_nodes":["0000002a"],"tagged":true}"#,
            ]
        );
    }

    fn row(id: u32, node_type: &'static str, left: Option<u32>, right: Option<u32>) -> StoredNode<'static> {
        StoredNode {
            id: NodeId(id),
            node_type: node_type.into(),
            query: left.is_none().then_some("1".into()),
            params: None,
            result_name: None,
            left_node: left.map(NodeId),
            right_node: right.map(NodeId),
        }
    }

    #[test]
    fn rows_that_make_no_tree_are_refused() {
        let sql = |id| row(id, "SQL", None, None);
        let then = |id, left, right| row(id, "THEN", Some(left), Some(right));
        for (rows, message) in [
            (vec![], "the instance has no nodes"),
            (vec![sql(1)], "the ids of the nodes are not consecutive: 00000001 is out of place"),
            (
                vec![then(0, 1, 2), sql(1)],
                "the nodes are not a tree: 00000002 is not the child of exactly one node before it",
            ),
            (
                vec![then(0, 1, 1), sql(1)],
                "the nodes are not a tree: 00000001 is not the child of exactly one node before it",
            ),
            (
                vec![then(0, 0, 1), sql(1)],
                "the nodes are not a tree: 00000000 is not the child of exactly one node before it",
            ),
            (
                vec![sql(0), sql(1)],
                "the nodes are not a tree: 00000001 is not the child of exactly one node before it",
            ),
            (vec![row(0, "THEN", Some(1), None), sql(1)], "node 00000000 has no right_node"),
            (vec![row(0, "HTTP", None, None)], "node 00000000 has the unknown type 'HTTP'"),
            (
                vec![row(0, "BREAK", None, None)],
                "node 00000000 has an unreadable query: query in BREAK must be a JSON config object",
            ),
        ] {
            assert_eq!(Graph::from_stored(rows).unwrap_err().to_string(), message);
        }
    }
}
