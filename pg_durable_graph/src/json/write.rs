//! Writing the wire form.

use serde::Serialize;
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde_json::Value;

use crate::config::push_json_string;
use crate::graph::Graph;
use crate::kind::{Member, NodeKind, Slot};
use crate::node_id::NodeId;

impl Graph {
    /// Writes the graph in wire form, compactly and in a fixed order of members.
    pub fn to_json(&self) -> String {
        enum Piece {
            Text(&'static str),
            Node(NodeId),
            Tail(NodeId),
        }
        let mut out = String::new();
        // The last piece is written next, so each node pushes its parts in reverse.
        let mut pieces = vec![Piece::Node(NodeId::ROOT)];
        while let Some(piece) = pieces.pop() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Node(id) => {
                    out.push_str(r#"{"node_type":""#);
                    out.push_str(self.kind(id).name());
                    out.push('"');
                    pieces.push(Piece::Tail(id));
                    let start = pieces.len();
                    let children = Children::of(self.kind(id));
                    for (member, child) in children.single() {
                        pieces.extend([Piece::Text(member.key()), Piece::Node(child)]);
                    }
                    for (before, child) in children.beyond() {
                        pieces.extend([Piece::Text(before), Piece::Node(child)]);
                    }
                    if !children.extra.is_empty() {
                        pieces.push(Piece::Text("]"));
                    }
                    pieces[start..].reverse();
                }
                Piece::Tail(id) => {
                    if let Some(query) = self.kind(id).query() {
                        out.push_str(r#","query":"#);
                        push_json_string(&mut out, &query);
                    }
                    if let Some(params) = self.kind(id).params() {
                        push_params(&mut out, params);
                    }
                    if let Some(name) = &self.node(id).result_name {
                        out.push_str(r#","result_name":"#);
                        push_json_string(&mut out, name);
                    }
                    out.push('}');
                }
            }
        }
        out
    }
}

/// How deep a serializer may go: what it takes of the stack for a node is its own business, and a chain of steps nests its nodes.
const SERIALIZED_MAX: usize = 512;

/// The wire form as an object. As serializers recurse, more than some five hundred nodes inside each other, which a chain of as
/// many steps has, are an error; [`Graph::to_json`] writes any graph.
impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested { graph: self, id: NodeId::ROOT, depth: 0 }.serialize(serializer)
    }
}

struct Nested<'a> {
    graph: &'a Graph,
    id: NodeId,
    depth: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth > SERIALIZED_MAX {
            return Err(S::Error::custom(format!(
                "more than {SERIALIZED_MAX} nodes inside each other are too many for a serializer: write the graph with to_json()"
            )));
        }
        let nested = |id| Nested { graph: self.graph, id, depth: self.depth + 1 };
        let node = self.graph.node(self.id);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("node_type", node.kind.name())?;
        let children = Children::of(&node.kind);
        for (member, child) in children.single() {
            map.serialize_entry(member.name(), &nested(child))?;
        }
        if !children.extra.is_empty() {
            let extra: Vec<_> = children.extra.iter().map(|child| nested(*child)).collect();
            map.serialize_entry("extra_nodes", &extra)?;
        }
        if let Some(query) = node.kind.query() {
            map.serialize_entry("query", &query)?;
        }
        if let Some(params) = node.kind.params() {
            map.serialize_entry("params", params)?;
        }
        if let Some(name) = &node.result_name {
            map.serialize_entry("result_name", name)?;
        }
        map.end()
    }
}

/// A node's children by their members of the wire form.
#[derive(Default)]
pub(crate) struct Children<'a> {
    pub left: Option<NodeId>,
    pub right: Option<NodeId>,
    pub condition: Option<NodeId>,
    pub extra: &'a [NodeId],
}

impl<'a> Children<'a> {
    pub fn of(kind: &'a NodeKind) -> Children<'a> {
        let mut children = Children::default();
        kind.each_slot(|slot, ids| {
            let direct = match slot {
                Slot::Titled(..) | Slot::Untitled(_) => ids,
                Slot::Branches => {
                    let (direct, extra) = ids.split_at(ids.len().min(2));
                    children.extra = extra;
                    direct
                }
            };
            for (nth, id) in direct.iter().enumerate() {
                match slot.member(nth) {
                    Member::Left => children.left = Some(*id),
                    Member::Right => children.right = Some(*id),
                    Member::Condition => children.condition = Some(*id),
                    Member::Extra(_) => unreachable!("the third child and those behind it are apart"),
                }
            }
        });
        children
    }

    /// The members that hold one child, in the order in which they are written.
    pub fn single(&self) -> impl Iterator<Item = (Single, NodeId)> {
        [(Single::Left, self.left), (Single::Right, self.right), (Single::Condition, self.condition)]
            .into_iter()
            .filter_map(|(member, child)| Some((member, child?)))
    }

    /// The children beyond two branches, each with what comes before it.
    pub fn beyond(&self) -> impl Iterator<Item = (&'static str, NodeId)> {
        let before = |nth| if nth == 0 { r#","extra_nodes":["# } else { "," };
        self.extra.iter().enumerate().map(move |(nth, child)| (before(nth), *child))
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Single {
    Left,
    Right,
    Condition,
}

impl Single {
    fn name(self) -> &'static str {
        match self {
            Single::Left => "left_node",
            Single::Right => "right_node",
            Single::Condition => "condition_node",
        }
    }

    /// What comes before the child: the comma and the member.
    pub fn key(self) -> &'static str {
        match self {
            Single::Left => r#","left_node":"#,
            Single::Right => r#","right_node":"#,
            Single::Condition => r#","condition_node":"#,
        }
    }
}

/// Writes the member `params`, with the comma before it.
pub(crate) fn push_params(out: &mut String, params: &[Value]) {
    out.push_str(r#","params":"#);
    out.push_str(&serde_json::to_string(params).expect("a value is always JSON"));
}
