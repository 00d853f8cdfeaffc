//! Reading the wire form.

use serde_json::Value;

use super::raw::{self, Child, Extra, Params, Raw, Text};
use crate::error::{GraphError, Problem};
use crate::graph::{Graph, Node, depth_below, path_of};
use crate::kind::{self, Member, Members, NodeKind, Row, Sql};
use crate::limits::{MAX_BRACKETS, MAX_DEPTH, MAX_NODES, TEXT_MAX};
use crate::name::check_result_name;
use crate::node_id::NodeId;

/// What text turned out to be; see [`read`].
pub(crate) enum Wire {
    /// A graph.
    Graph(Graph),
    /// Text that is not Durofut JSON at all, and so is taken for SQL.
    Sql,
}

impl Graph {
    /// Reads what `df.start` takes: Durofut JSON, or else plain SQL, which becomes one SQL node.
    pub fn from_json(text: &str) -> Result<Graph, GraphError> {
        match read(text)? {
            Wire::Graph(graph) => Ok(graph),
            Wire::Sql => Ok(Graph::leaf(Sql::new(text))),
        }
    }
}

/// Reads text that may be Durofut JSON.
pub(crate) fn read(text: &str) -> Result<Wire, GraphError> {
    if text.len() > TEXT_MAX {
        return Err(Problem::TooLong.into());
    }
    if !text.trim_start().starts_with('{') {
        return Ok(Wire::Sql);
    }
    if brackets(text) > MAX_BRACKETS {
        return Err(Problem::TooManyBrackets.into());
    }
    match raw::read(text) {
        Ok(arena) if arena.last().is_some_and(|root| matches!(root.node_type, Text::Given(_))) => {
            build(arena).map(Wire::Graph)
        }
        // Not JSON, JSON with a rest, or an object that does not claim to be a node.
        Ok(_) | Err(_) => Ok(Wire::Sql),
    }
}

/// How many brackets are open at once at most. Strings are skipped; whether the text is JSON does not matter.
pub fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match (in_string, byte) {
            (true, b'\\') => {
                bytes.next();
            }
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A node that waits to be built, and where its id then belongs.
struct Pending {
    raw: usize,
    /// The parent's id, the child's number there and its member.
    under: Option<(NodeId, usize, Member)>,
    depth: usize,
}

/// Turns the objects, which are in post-order, into a checked graph in pre-order.
fn build(mut arena: Vec<Raw>) -> Result<Graph, GraphError> {
    let mut nodes: Vec<Node> = Vec::with_capacity(arena.len());
    let mut places: Vec<Option<(NodeId, Member)>> = Vec::with_capacity(arena.len());
    let root = arena.len() - 1;
    let mut pending = vec![Pending { raw: root, under: None, depth: 0 }];
    while let Some(next) = pending.pop() {
        let id = NodeId(nodes.len() as u32);
        places.push(next.under.map(|(parent, _, member)| (parent, member)));
        let fail = |problem| GraphError::at(path_in(&places, id), problem);
        if nodes.len() == MAX_NODES {
            return Err(Problem::TooManyNodes.into());
        }

        let raw = std::mem::take(&mut arena[next.raw]);
        let node = node_of(raw, next.under.is_none()).map_err(fail)?;
        let is_then = matches!(node.kind, NodeKind::Then(_));
        let depth = match next.under {
            Some((parent, _, _)) => {
                depth_below(next.depth, matches!(nodes[parent.index()].kind, NodeKind::Then(_)), is_then)
            }
            None => 0,
        };
        if depth > MAX_DEPTH {
            return Err(fail(Problem::TooDeep));
        }
        if let Some((parent, nth, _)) = next.under {
            *nodes[parent.index()].kind.child_mut(nth).expect("the kind was made with this child") = id;
        }
        for (nth, (member, raw)) in node.kind.members().into_iter().enumerate().rev() {
            pending.push(Pending { raw: raw.index(), under: Some((id, nth, member)), depth });
        }
        nodes.push(node);
    }
    Ok(Graph::from_preorder(nodes))
}

fn path_in(places: &[Option<(NodeId, Member)>], id: NodeId) -> String {
    let mut members = Vec::new();
    let mut at = id;
    while let Some((parent, member)) = places[at.index()] {
        members.push(member);
        at = parent;
    }
    path_of(members)
}

/// Checks one object and makes its node. Its children still bear the numbers of their objects, until they are built.
fn node_of(raw: Raw, is_root: bool) -> Result<Node, Problem> {
    let node_type = match &raw.node_type {
        Text::Given(text) => text.clone(),
        Text::Absent => return Err(malformed(is_root, "", "missing field `node_type`")),
        Text::Other => return Err(malformed(is_root, "", "node_type must be a string")),
    };
    let query = raw.query.optional(is_root, &node_type, "query")?;
    let result_name = raw.result_name.optional(is_root, &node_type, "result_name")?;
    if let Some(name) = &result_name {
        check_result_name(name)?;
    }
    let left = raw.left.optional(Problem::ChildNotObject)?;
    let right = raw.right.optional(Problem::ChildNotObject)?;
    let condition = raw.condition.optional(Problem::ConditionNotObject)?;
    let extra = raw.extra.entries()?;
    let params = raw.params.entries()?;
    let members = Members { left, right, condition, extra, query };
    let kind = match Row::named(&node_type) {
        Some(Row::Leaf(row)) => {
            members.refuse(row.name, &["left_node", "right_node", "condition_node", "extra_nodes"])?;
            let query = members.query.ok_or(Problem::Required { member: "query", node_type: row.name })?;
            (row.from_query)(&query)?.into()
        }
        Some(Row::Inner(row)) => (row.read)(members)?,
        None => return Err(kind::unknown(&node_type)),
    };
    Ok(Node { kind: kind.with_params(params)?, result_name })
}

fn malformed(is_root: bool, node_type: &str, reason: &str) -> Problem {
    if is_root {
        Problem::Malformed { node_type: node_type.to_owned(), reason: reason.to_owned() }
    } else {
        Problem::Child(reason.to_owned())
    }
}

impl Text {
    fn optional(self, is_root: bool, node_type: &str, member: &str) -> Result<Option<String>, Problem> {
        match self {
            Text::Absent => Ok(None),
            Text::Given(text) => Ok(Some(text)),
            Text::Other => Err(malformed(is_root, node_type, &format!("{member} must be a string"))),
        }
    }
}

impl Child {
    fn optional(self, otherwise: Problem) -> Result<Option<NodeId>, Problem> {
        match self {
            Child::Absent => Ok(None),
            Child::Node(raw) => Ok(Some(NodeId(raw as u32))),
            Child::NotObject => Err(otherwise),
        }
    }
}

impl Extra {
    fn entries(self) -> Result<Vec<NodeId>, Problem> {
        match self {
            Extra::Absent => Ok(Vec::new()),
            Extra::NotArray => Err(Problem::ExtraNotObject),
            Extra::Given(children) => children
                .into_iter()
                .map(|child| child.optional(Problem::ExtraNotObject)?.ok_or(Problem::ExtraNotObject))
                .collect(),
        }
    }
}

impl Params {
    fn entries(self) -> Result<Vec<Value>, Problem> {
        match self {
            Params::Absent => Ok(Vec::new()),
            Params::Given(values) => Ok(values),
            Params::NotArray => Err(Problem::ParamsNotArray),
            Params::TooDeep => Err(Problem::ParamsTooDeep),
            Params::Unreadable(unreadable) => Err(Problem::ParamsUnreadable(unreadable)),
        }
    }
}
