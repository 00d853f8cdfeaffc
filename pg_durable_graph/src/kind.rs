//! What a node can be: one variant and one file a kind.

mod branch;
mod end;
mod join;
mod race;
mod repeat;
mod schedule;
mod signal;
mod sleep;
mod sql;
mod then;

pub use branch::{Condition, If};
pub use end::Break;
pub use join::Join;
pub use race::Race;
pub use repeat::Loop;
pub use schedule::WaitSchedule;
pub use signal::Signal;
pub use sleep::Sleep;
pub use sql::{Delivery, Sql};
pub use then::Then;

use crate::graph::NodeId;

/// The kinds of node. Children are fields, so that every walker sees them.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Runs SQL.
    Sql(Sql),
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
    /// Leaves the enclosing loop.
    Break(Break),
    /// Waits for a span of time.
    Sleep(Sleep),
    /// Waits for the next tick of a cron expression.
    WaitSchedule(WaitSchedule),
    /// Waits for a signal.
    Signal(Signal),
}

impl NodeKind {
    /// The children in pre-order.
    pub fn children(&self) -> Vec<NodeId> {
        match self {
            NodeKind::Then(then) => vec![then.first, then.next],
            NodeKind::If(branch) => match branch.condition {
                Condition::Node(condition) => vec![condition, branch.then, branch.otherwise],
                Condition::HasRows(_) => vec![branch.then, branch.otherwise],
            },
            NodeKind::Join(join) => join.branches.clone(),
            NodeKind::Race(race) => race.branches.clone(),
            NodeKind::Loop(repeat) => {
                let mut children = vec![repeat.body];
                children.extend(repeat.condition);
                children
            }
            NodeKind::Sql(_)
            | NodeKind::Break(_)
            | NodeKind::Sleep(_)
            | NodeKind::WaitSchedule(_)
            | NodeKind::Signal(_) => Vec::new(),
        }
    }

    /// The kind's name in JSON and in `df.nodes.node_type`.
    pub fn name(&self) -> &'static str {
        match self {
            NodeKind::Sql(_) => "SQL",
            NodeKind::Then(_) => "THEN",
            NodeKind::If(_) => "IF",
            NodeKind::Join(_) => "JOIN",
            NodeKind::Race(_) => "RACE",
            NodeKind::Loop(_) => "LOOP",
            NodeKind::Break(_) => "BREAK",
            NodeKind::Sleep(_) => "SLEEP",
            NodeKind::WaitSchedule(_) => "WAIT_SCHEDULE",
            NodeKind::Signal(_) => "SIGNAL",
        }
    }
}
