//! What a node can be: one variant and one file a kind.

mod choice;
mod join;
mod leaf;
mod race;
mod repeat;
mod then;

pub use choice::{Condition, If};
pub use join::Join;
pub use leaf::*;
pub(crate) use leaf::{ROWS, Row};
pub use race::Race;
pub use repeat::Loop;
pub use then::Then;

use std::borrow::Cow;

use serde_json::Value;

use crate::config;
use crate::error::Problem;
use crate::node_id::NodeId;

/// The kinds of node. Children are fields, so that every walker sees them.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// A node without children.
    Leaf(Leaf),
    /// One node after the other.
    Then(Then),
    /// One of two nodes, by a condition.
    If(If),
    /// Several branches at once; goes on when all have completed.
    Join(Join),
    /// Several branches at once; goes on when the first has completed.
    Race(Race),
    /// A body again and again.
    Loop(Loop),
}

impl<L: Into<Leaf>> From<L> for NodeKind {
    fn from(leaf: L) -> NodeKind {
        NodeKind::Leaf(leaf.into())
    }
}

/// The node types that the reference system knows, in the order in which its message lists them.
const REFERENCE: [&str; 12] = [
    "SQL",
    "THEN",
    "IF",
    "JOIN",
    "LOOP",
    "BREAK",
    "RACE",
    "SLEEP",
    "WAIT_SCHEDULE",
    "HTTP",
    "HTTP_MULTIPART",
    "SIGNAL",
];

/// What is wrong with a node type that is none of ours.
pub(crate) fn unknown(node_type: &str) -> Problem {
    if REFERENCE.contains(&node_type) {
        return Problem::Unavailable(node_type.to_owned());
    }
    let ours = ROWS.iter().map(|row| row.name).filter(|name| !REFERENCE.contains(name));
    let valid: Vec<&str> = REFERENCE.into_iter().chain(ours).collect();
    Problem::UnknownType { node_type: node_type.to_owned(), valid: valid.join(", ") }
}

impl NodeKind {
    /// The children in pre-order.
    pub fn children(&self) -> Vec<NodeId> {
        match self {
            NodeKind::Then(then) => vec![then.first, then.next],
            NodeKind::If(choice) => match choice.condition {
                Condition::Node(condition) => vec![condition, choice.then, choice.otherwise],
                Condition::HasRows(_) => vec![choice.then, choice.otherwise],
            },
            NodeKind::Join(join) => join.branches.clone(),
            NodeKind::Race(race) => race.branches.clone(),
            NodeKind::Loop(repeat) => {
                let mut children = vec![repeat.body];
                children.extend(repeat.condition);
                children
            }
            NodeKind::Leaf(_) => Vec::new(),
        }
    }

    /// The kind's name in JSON and in `df.nodes.node_type`.
    pub fn name(&self) -> &'static str {
        match self {
            NodeKind::Leaf(leaf) => leaf.name(),
            NodeKind::Then(_) => "THEN",
            NodeKind::If(_) => "IF",
            NodeKind::Join(_) => "JOIN",
            NodeKind::Race(_) => "RACE",
            NodeKind::Loop(_) => "LOOP",
        }
    }

    /// Calls `visit` with every child, in the order of [`NodeKind::children`], without allocating.
    pub fn each_child(&self, mut visit: impl FnMut(NodeId)) {
        match self {
            NodeKind::Then(then) => {
                visit(then.first);
                visit(then.next);
            }
            NodeKind::If(choice) => {
                if let Condition::Node(condition) = choice.condition {
                    visit(condition);
                }
                visit(choice.then);
                visit(choice.otherwise);
            }
            NodeKind::Join(Join { branches }) | NodeKind::Race(Race { branches }) => {
                branches.iter().copied().for_each(visit);
            }
            NodeKind::Loop(repeat) => {
                visit(repeat.body);
                repeat.condition.into_iter().for_each(visit);
            }
            NodeKind::Leaf(_) => {}
        }
    }

    /// The `nth` child, to be changed; the order is that of [`NodeKind::children`].
    pub(crate) fn child_mut(&mut self, nth: usize) -> Option<&mut NodeId> {
        match self {
            NodeKind::Then(then) => [&mut then.first, &mut then.next].into_iter().nth(nth),
            NodeKind::If(choice) => {
                let condition = match &mut choice.condition {
                    Condition::Node(condition) => Some(condition),
                    Condition::HasRows(_) => None,
                };
                condition.into_iter().chain([&mut choice.then, &mut choice.otherwise]).nth(nth)
            }
            NodeKind::Join(Join { branches }) | NodeKind::Race(Race { branches }) => branches.get_mut(nth),
            NodeKind::Loop(repeat) => {
                Some(&mut repeat.body).into_iter().chain(repeat.condition.as_mut()).nth(nth)
            }
            NodeKind::Leaf(_) => None,
        }
    }

    /// Where the `nth` child stands in the wire form.
    pub(crate) fn member(&self, nth: usize) -> Member {
        match self {
            NodeKind::If(If { condition: Condition::Node(_), .. }) => {
                [Member::Condition, Member::Left, Member::Right][nth]
            }
            NodeKind::Loop(_) => [Member::Left, Member::Condition][nth],
            NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Leaf(_) => match nth {
                0 => Member::Left,
                1 => Member::Right,
                more => Member::Extra(more - 2),
            },
        }
    }

    /// What `query` says in the wire form.
    pub(crate) fn query(&self) -> Option<Cow<'_, str>> {
        match self {
            NodeKind::Leaf(leaf) => Some(leaf.query()),
            NodeKind::If(choice) => choice.query().map(Cow::Owned),
            NodeKind::Then(_) | NodeKind::Join(_) | NodeKind::Race(_) | NodeKind::Loop(_) => None,
        }
    }

    /// The leaf, where it is one.
    pub fn leaf(&self) -> Option<&Leaf> {
        match self {
            NodeKind::Leaf(leaf) => Some(leaf),
            NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_) => None,
        }
    }

    /// Whether its completion follows from its children's: it is written only where it bears a name, and when all ends.
    pub fn is_derived(&self) -> bool {
        match self {
            NodeKind::Then(_) | NodeKind::If(_) | NodeKind::Join(_) => true,
            NodeKind::Leaf(_) | NodeKind::Race(_) | NodeKind::Loop(_) => false,
        }
    }

    /// The texts in which references and variables may stand, to be changed.
    pub(crate) fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            NodeKind::Leaf(leaf) => leaf.texts_mut(),
            NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_) => Vec::new(),
        }
    }

    /// Whether the node ends the loop around it.
    pub fn breaks(&self) -> bool {
        self.leaf().is_some_and(Leaf::breaks)
    }

    /// Whether the node waits for something that does not come out of the workflow itself.
    pub fn waits(&self) -> bool {
        self.leaf().is_some_and(|leaf| leaf.wait().is_some())
    }

    /// Takes the values that the wire form has beside `query`.
    pub(crate) fn with_params(self, params: Vec<Value>) -> Result<NodeKind, Problem> {
        match self {
            NodeKind::Leaf(leaf) => leaf.with_params(params).map(NodeKind::Leaf),
            NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_) => match params.is_empty() {
                true => Ok(self),
                false => Err(Problem::NotAllowed { member: "params", node_type: self.name() }),
            },
        }
    }

    /// The values that the wire form has beside `query`; `None` where there are none.
    pub(crate) fn params(&self) -> Option<&[Value]> {
        self.leaf().map(Leaf::params).filter(|params| !params.is_empty())
    }

    /// The line that stands for the node in `explain`, without its name and mark.
    pub(crate) fn label(&self) -> Cow<'static, str> {
        match self {
            NodeKind::Leaf(leaf) => leaf.label().into(),
            NodeKind::Then(_) => "THEN".into(),
            NodeKind::If(_) => "IF".into(),
            NodeKind::Join(join) => join.label().into(),
            NodeKind::Race(_) => "RACE".into(),
            NodeKind::Loop(repeat) => repeat.label().into(),
        }
    }
}

/// Where a child stands in the wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    Left,
    Right,
    Condition,
    Extra(usize),
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Member::Left => f.write_str(".left"),
            Member::Right => f.write_str(".right"),
            Member::Condition => f.write_str(".condition_node"),
            Member::Extra(nth) => write!(f, ".extra_nodes[{nth}]"),
        }
    }
}

/// Checks the `query` of a kind that has no config: it may be an empty object.
fn refuse_embedded(node_type: &'static str, member: &'static str, query: &str) -> Result<(), Problem> {
    let object = config::object(node_type, query)?;
    if object.contains_key(member) {
        return Err(Problem::Embedded { member, node_type });
    }
    match object.keys().next() {
        Some(other) => {
            Err(Problem::Config { node_type, reason: format!("has the unknown member '{other}'") })
        }
        None => Ok(()),
    }
}
