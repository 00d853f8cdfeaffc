//! What an object of the wire form, or a row, says of a node beside its type.

use crate::error::Problem;
use crate::node_id::NodeId;

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

/// The members that were given, each of the right type, not yet checked against the node's type.
pub(crate) struct Members {
    pub left: Option<NodeId>,
    pub right: Option<NodeId>,
    pub condition: Option<NodeId>,
    pub extra: Vec<NodeId>,
    pub query: Option<String>,
}

impl Members {
    /// The two children that a node of this type must have.
    pub fn pair(&self, node_type: &'static str) -> Result<(NodeId, NodeId), Problem> {
        let left = self.left(node_type)?;
        let right = self.right.ok_or(Problem::Required { member: "right_node", node_type })?;
        Ok((left, right))
    }

    /// The child that a node of this type must have.
    pub fn left(&self, node_type: &'static str) -> Result<NodeId, Problem> {
        self.left.ok_or(Problem::Required { member: "left_node", node_type })
    }

    /// The branches of a node of this type, two or more.
    pub fn branches(self, node_type: &'static str) -> Result<Vec<NodeId>, Problem> {
        self.refuse(node_type, &["condition_node"])?;
        let (left, right) = self.pair(node_type)?;
        Ok([left, right].into_iter().chain(self.extra).collect())
    }

    /// Refuses members that nodes of this type do not have.
    pub fn refuse(&self, node_type: &'static str, members: &[&'static str]) -> Result<(), Problem> {
        let given = [
            ("left_node", self.left.is_some()),
            ("right_node", self.right.is_some()),
            ("condition_node", self.condition.is_some()),
            ("extra_nodes", !self.extra.is_empty()),
            ("query", self.query.is_some()),
        ];
        match given.into_iter().find(|(member, is_given)| *is_given && members.contains(member)) {
            Some((member, _)) => Err(Problem::NotAllowed { member, node_type }),
            None => Ok(()),
        }
    }
}
