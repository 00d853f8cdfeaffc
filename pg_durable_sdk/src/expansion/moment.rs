//! Lengths of time and instants that are known when a wait is reached.

use super::Statement;
use crate::{Part, fault::Misplaced};
use pg_durable_graph::{
    NodeId,
    kind::{Sleep, Span},
};

/// A text that says how long or until when.
#[derive(Debug)]
#[must_use]
pub struct Moment {
    text: String,
    is_instant: bool,
    faults: Vec<Misplaced>,
}

impl Statement {
    pub fn moment(self, is_instant: bool) -> Moment {
        Moment { text: self.query, is_instant, faults: self.faults }
    }
}

impl Moment {
    /// The wait that `sleep` is of this.
    pub fn sleep(self) -> Part {
        let span = if self.is_instant { Span::Until(self.text) } else { Span::For(self.text) };
        super::with_faults(Part::leaf(Sleep::by_text(span)), self.faults)
    }

    /// The wait that `sleep_until` is of this, whose type may be a text.
    pub fn sleep_until(self) -> Part {
        Moment { is_instant: true, ..self }.sleep()
    }

    /// The length of a time-out, and what is wrong with it.
    pub(crate) fn length(self) -> (Span, Vec<Misplaced>) {
        let mut faults = self.faults;
        if self.is_instant {
            faults.push(Misplaced {
                node: NodeId::ROOT,
                message: format!("a time-out is a length of time, and {} is an instant", self.text),
                hint: Some(
                    "Wait for whichever comes first: select! { a = signal(..) => { .. }, _ = sleep({at}) => { .. } }."
                        .to_owned(),
                ),
            });
        }
        (Span::For(self.text), faults)
    }
}
