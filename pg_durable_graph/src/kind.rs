//! What a node can be: the table of inner kinds, one row and one file a kind; those without children are in the
//! table of leaves.

mod catch;
mod choice;
mod inner;
mod join;
mod leaf;
mod members;
mod race;
mod repeat;
mod retry;
mod then;
mod timeout;

pub use catch::{CAUGHT, Catch, ERROR};
pub use choice::{Condition, If};
pub(crate) use inner::Slot;
pub use join::Join;
pub use leaf::*;
pub(crate) use members::{Member, Members};
pub use race::Race;
pub use repeat::Loop;
#[cfg(feature = "engine")]
pub(crate) use retry::Failed;
pub use retry::{Jitter, Retry, RetryPolicy};
pub use then::Then;
pub use timeout::Timeout;

use std::borrow::Cow;

use inner::Inner;
use serde_json::Value;

use crate::error::Problem;
use crate::node_id::NodeId;

/// Makes of a row a variant of [`NodeKind`], which hands on to what the kind says of itself.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:literal => $kind:ident,)*) => {
        /// The kinds of node. Children are fields, so that every walker sees them.
        #[derive(Debug, Clone, PartialEq)]
        pub enum NodeKind {
            /// A node without children.
            Leaf(Leaf),
            $($(#[$doc])* $kind($kind),)*
        }

        impl NodeKind {
            /// The kind's name in JSON and in `df.nodes.node_type`.
            pub fn name(&self) -> &'static str {
                match self {
                    NodeKind::Leaf(leaf) => leaf.name(),
                    $(NodeKind::$kind(_) => $name,)*
                }
            }

            fn side(&self) -> Side<'_> {
                match self {
                    NodeKind::Leaf(leaf) => Side::Leaf(leaf),
                    $(NodeKind::$kind(inner) => Side::Inner(inner),)*
                }
            }

            fn inner_mut(&mut self) -> Option<&mut dyn Inner> {
                match self {
                    NodeKind::Leaf(_) => None,
                    $(NodeKind::$kind(inner) => Some(inner),)*
                }
            }
        }

        /// The inner kinds by their names.
        const INNER: &[InnerRow] = &[$(InnerRow {
            name: $name,
            read: |members| $kind::read(members).map(NodeKind::$kind),
        },)*];

        $(impl From<$kind> for NodeKind {
            fn from(inner: $kind) -> NodeKind {
                NodeKind::$kind(inner)
            }
        })*
    };
}

kinds! {
    /// One node after the other.
    "THEN" => Then,
    /// One of two nodes, by a condition.
    "IF" => If,
    /// Several branches at once; goes on when all have completed.
    "JOIN" => Join,
    /// Several branches at once; goes on when the first has completed.
    "RACE" => Race,
    /// A body again and again.
    "LOOP" => Loop,
    /// A body that may fail some times.
    "RETRY" => Retry,
    /// What is carried out where a body has failed.
    "CATCH" => Catch,
    /// A body that may take so long.
    "TIMEOUT" => Timeout,
}

impl<L: Into<Leaf>> From<L> for NodeKind {
    fn from(leaf: L) -> NodeKind {
        NodeKind::Leaf(leaf.into())
    }
}

/// Which of the two tables a node's kind is in.
enum Side<'a> {
    Leaf(&'a Leaf),
    Inner(&'a dyn Inner),
}

/// How the nodes of one inner kind are read.
pub(crate) struct InnerRow {
    pub name: &'static str,
    /// Reads what the wire form, or a row, says.
    pub read: fn(Members) -> Result<NodeKind, Problem>,
}

/// How the nodes of one kind are read.
pub(crate) enum Row {
    Leaf(&'static LeafRow),
    Inner(&'static InnerRow),
}

impl Row {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Row> {
        let leaf = LEAVES.iter().find(|row| row.name == name).map(Row::Leaf);
        leaf.or_else(|| INNER.iter().find(|row| row.name == name).map(Row::Inner))
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
    let ours = LEAVES.iter().map(|row| row.name).chain(INNER.iter().map(|row| row.name));
    let more = ours.filter(|name| !REFERENCE.contains(name));
    let valid: Vec<&str> = REFERENCE.into_iter().chain(more).collect();
    Problem::UnknownType { node_type: node_type.to_owned(), valid: valid.join(", ") }
}

impl NodeKind {
    /// The leaf, where it is one.
    pub fn leaf(&self) -> Option<&Leaf> {
        match self.side() {
            Side::Leaf(leaf) => Some(leaf),
            Side::Inner(_) => None,
        }
    }

    fn inner(&self) -> Option<&dyn Inner> {
        match self.side() {
            Side::Leaf(_) => None,
            Side::Inner(inner) => Some(inner),
        }
    }

    /// The children in pre-order.
    pub fn children(&self) -> Vec<NodeId> {
        let mut children = Vec::new();
        self.each_child(|child| children.push(child));
        children
    }

    /// Calls `visit` with every child, in the order of [`NodeKind::children`], without allocating.
    pub fn each_child(&self, mut visit: impl FnMut(NodeId)) {
        self.each_slot(|_, ids| ids.iter().copied().for_each(&mut visit));
    }

    /// Calls `visit` with the children of each slot; all of them are those of [`NodeKind::children`].
    pub(crate) fn each_slot<'a>(&'a self, mut visit: impl FnMut(Slot, &'a [NodeId])) {
        if let Some(inner) = self.inner() {
            inner.each_slot(&mut visit);
        }
    }

    /// The children with the members that hold them in the wire form.
    pub(crate) fn members(&self) -> Vec<(Member, NodeId)> {
        let mut members = Vec::new();
        self.each_slot(|slot, ids| {
            members.extend(ids.iter().enumerate().map(|(nth, id)| (slot.member(nth), *id)));
        });
        members
    }

    /// Calls `change` with every child.
    pub(crate) fn each_child_mut(&mut self, mut change: impl FnMut(&mut NodeId)) {
        if let Some(inner) = self.inner_mut() {
            inner.each_slot_mut(&mut |ids| ids.iter_mut().for_each(&mut change));
        }
    }

    /// The `nth` child, to be changed; the order is that of [`NodeKind::children`].
    pub(crate) fn child_mut(&mut self, nth: usize) -> Option<&mut NodeId> {
        let (mut found, mut before) = (None, 0);
        self.inner_mut()?.each_slot_mut(&mut |ids| {
            let count = ids.len();
            if let Some(id) = nth.checked_sub(before).and_then(|nth| ids.get_mut(nth)) {
                found = Some(id);
            }
            before += count;
        });
        found
    }

    /// Whether its children are branches: carried out at the same time, or those of a scope.
    pub(crate) fn opens_branches(&self) -> bool {
        self.inner().is_some_and(Inner::opens_branches)
    }

    /// Whether one branch may fail and the others go on.
    pub fn fails_by_branch(&self) -> bool {
        self.inner().is_some_and(Inner::fails_by_branch)
    }

    /// Whether it takes failures of a body, of which there is one under way at a time.
    pub fn is_scope(&self) -> bool {
        self.inner().is_some_and(Inner::is_scope)
    }

    /// Whether its completion follows from its children's: it is written only where it bears a name, and when all ends.
    pub fn is_derived(&self) -> bool {
        self.inner().is_some_and(Inner::is_derived)
    }

    /// Whether the node ends the loop around it.
    pub fn breaks(&self) -> bool {
        self.leaf().is_some_and(Leaf::breaks)
    }

    /// Whether the node waits for something that does not come out of the workflow itself.
    pub fn waits(&self) -> bool {
        self.leaf().is_some_and(|leaf| leaf.wait().is_some())
    }

    /// The texts in which references and variables may stand, to be changed.
    pub(crate) fn texts_mut(&mut self) -> Vec<&mut String> {
        if let NodeKind::Leaf(leaf) = self { leaf.texts_mut() } else { Vec::new() }
    }

    /// What `query` says in the wire form.
    pub(crate) fn query(&self) -> Option<Cow<'_, str>> {
        match self.side() {
            Side::Leaf(leaf) => Some(leaf.query()),
            Side::Inner(inner) => inner.query().map(Cow::Owned),
        }
    }

    /// The values that the wire form has beside `query`; `None` where there are none.
    pub(crate) fn params(&self) -> Option<&[Value]> {
        self.leaf().map(Leaf::params).filter(|params| !params.is_empty())
    }

    /// Takes the values that the wire form has beside `query`.
    pub(crate) fn with_params(self, params: Vec<Value>) -> Result<NodeKind, Problem> {
        let node_type = self.name();
        match self {
            NodeKind::Leaf(leaf) => leaf.with_params(params).map(NodeKind::Leaf),
            inner if params.is_empty() => Ok(inner),
            _ => Err(Problem::NotAllowed { member: "params", node_type }),
        }
    }

    /// The line that stands for the node in `explain`, without its name and mark.
    pub(crate) fn label(&self) -> Cow<'static, str> {
        match self.side() {
            Side::Leaf(leaf) => leaf.label().into(),
            Side::Inner(inner) => inner.label(),
        }
    }
}
