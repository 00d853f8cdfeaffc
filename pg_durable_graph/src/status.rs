//! The statuses of instances and nodes, and how an instance's status changes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceStatus {
    /// Started; no executor has had it yet.
    Pending,
    /// An executor has had it. It stays so while it waits.
    Running,
    /// The root completed.
    Completed,
    /// A node failed and nothing caught it.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// What happens to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceEvent {
    /// An executor took the lease: for the first time, or again after a restart.
    Leased,
    /// The root completed.
    RootCompleted,
    /// A node failed and nothing caught it, or the instance cannot be carried out at all.
    NodeFailed,
    /// Somebody asked for its end.
    CancelRequested,
}

/// An event that the status does not know: a bug, or news that came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} does not happen to an instance that is {from}")]
pub struct IllegalTransition {
    /// The status it had.
    pub from: InstanceStatus,
    /// The event.
    pub event: InstanceEvent,
}

impl InstanceStatus {
    /// Every status, for tables and checks.
    pub const ALL: [InstanceStatus; 5] = [
        InstanceStatus::Pending,
        InstanceStatus::Running,
        InstanceStatus::Completed,
        InstanceStatus::Failed,
        InstanceStatus::Cancelled,
    ];

    /// The status after an event.
    pub fn after(self, event: InstanceEvent) -> Result<InstanceStatus, IllegalTransition> {
        use InstanceEvent::{CancelRequested, Leased, NodeFailed, RootCompleted};
        use InstanceStatus::{Cancelled, Completed, Failed, Pending, Running};
        match (self, event) {
            (Pending | Running, Leased) => Ok(Running),
            (Running, RootCompleted) => Ok(Completed),
            // From `Pending` when no executor can be started for it, say because its role is gone.
            (Pending | Running, NodeFailed) => Ok(Failed),
            (Pending | Running, CancelRequested) => Ok(Cancelled),
            (Pending, RootCompleted) | (Completed | Failed | Cancelled, _) => {
                Err(IllegalTransition { from: self, event })
            }
        }
    }

    /// Whether nothing follows.
    pub fn is_terminal(self) -> bool {
        match self {
            InstanceStatus::Pending | InstanceStatus::Running => false,
            InstanceStatus::Completed | InstanceStatus::Failed | InstanceStatus::Cancelled => true,
        }
    }

    /// The word in `df.instances.status`.
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceStatus::Pending => "pending",
            InstanceStatus::Running => "running",
            InstanceStatus::Completed => "completed",
            InstanceStatus::Failed => "failed",
            InstanceStatus::Cancelled => "cancelled",
        }
    }
}

/// Where a node stands, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeStatus {
    /// Not reached.
    Pending,
    /// Being carried out, or waiting.
    Running,
    /// Has an outcome.
    Completed,
    /// Has an error.
    Failed,
}

impl NodeStatus {
    /// Every status, for tables and checks.
    pub const ALL: [NodeStatus; 4] =
        [NodeStatus::Pending, NodeStatus::Running, NodeStatus::Completed, NodeStatus::Failed];

    /// Whether nothing follows, in this generation.
    pub fn is_terminal(self) -> bool {
        match self {
            NodeStatus::Pending | NodeStatus::Running => false,
            NodeStatus::Completed | NodeStatus::Failed => true,
        }
    }

    /// The word in `df.nodes.status`.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeStatus::Pending => "pending",
            NodeStatus::Running => "running",
            NodeStatus::Completed => "completed",
            NodeStatus::Failed => "failed",
        }
    }
}

/// A word that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status \"{0}\"")]
pub struct UnknownStatus(pub String);

impl FromStr for InstanceStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<InstanceStatus, UnknownStatus> {
        let found = InstanceStatus::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

impl FromStr for NodeStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<NodeStatus, UnknownStatus> {
        let found = NodeStatus::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for InstanceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InstanceEvent::Leased => "a lease",
            InstanceEvent::RootCompleted => "completion",
            InstanceEvent::NodeFailed => "failure",
            InstanceEvent::CancelRequested => "cancellation",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceEvent::{CancelRequested, Leased, NodeFailed, RootCompleted};
    use InstanceStatus::{Cancelled, Completed, Failed, Pending, Running};

    #[test]
    fn instance_status_follows_the_whole_table() {
        let events = [Leased, RootCompleted, NodeFailed, CancelRequested];
        let table = [
            (Pending, [Some(Running), None, Some(Failed), Some(Cancelled)]),
            (Running, [Some(Running), Some(Completed), Some(Failed), Some(Cancelled)]),
            (Completed, [None; 4]),
            (Failed, [None; 4]),
            (Cancelled, [None; 4]),
        ];
        assert_eq!(table.map(|(from, _)| from), InstanceStatus::ALL);
        for (from, row) in table {
            for (event, to) in events.into_iter().zip(row) {
                assert_eq!(from.after(event), to.ok_or(IllegalTransition { from, event }), "{from} {event}");
            }
            assert_eq!(from.is_terminal(), row == [None; 4]);
        }
        assert_eq!(
            Completed.after(Leased).unwrap_err().to_string(),
            "a lease does not happen to an instance that is completed"
        );
    }

    #[test]
    fn statuses_survive_the_round_trip() {
        for status in InstanceStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for status in NodeStatus::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
        }
        assert_eq!("done".parse::<InstanceStatus>().unwrap_err().to_string(), "unknown status \"done\"");
        assert!("cancelled".parse::<NodeStatus>().is_err());
    }
}
