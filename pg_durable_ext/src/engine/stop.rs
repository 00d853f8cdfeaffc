//! Why an executor stops advancing a branch.

use pg_durable_board::Hindrance;
use pg_durable_graph::verdict::Phase;
use pg_durable_graph::{Failure, NodeId};

/// Why an executor stops advancing a branch without having finished it.
#[derive(Debug)]
pub enum Stop {
    /// The instance has ended, or somebody else has carried out the same step: the transaction does not commit.
    Lost,
    /// The branch was cancelled or lost a race.
    Abandoned,
    /// Somebody else is changing or has locked a row that is to be written: what was done is committed but for that (see
    /// `After::Held`), or there was nothing that would be lost.
    Held,
    /// The node failed.
    Failed { node: NodeId, failure: Failure },
    /// The process is not fit for steps of its role any more: see `standing`.
    Unfit,
    /// Something that will pass keeps the step from running.
    Hindered { hindrance: Hindrance, failure: Failure },
    /// PostgreSQL raised an error; the verdict says what follows.
    Caught(Box<Caught>),
}

/// An error of PostgreSQL's, and what it came up in.
#[derive(Debug)]
pub struct Caught {
    /// The leaf that was being carried out, if one was.
    pub leaf: Option<NodeId>,
    pub phase: Phase,
    /// The leaf's effect is committed already.
    pub has_committed: bool,
    pub failure: Failure,
}

impl Caught {
    /// An error that came up while no leaf was being carried out.
    pub fn in_phase(phase: Phase, failure: Failure) -> Caught {
        Caught { leaf: None, phase, has_committed: false, failure }
    }
}

impl From<Caught> for Stop {
    fn from(caught: Caught) -> Stop {
        Stop::Caught(Box::new(caught))
    }
}

impl Stop {
    /// Changes what is known of a caught error.
    pub fn with(self, change: impl FnOnce(Caught) -> Caught) -> Stop {
        match self {
            Stop::Caught(caught) => change(*caught).into(),
            Stop::Lost
            | Stop::Abandoned
            | Stop::Held
            | Stop::Failed { .. }
            | Stop::Unfit
            | Stop::Hindered { .. } => self,
        }
    }
}
