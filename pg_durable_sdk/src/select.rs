//! Several waits at once, and what follows the one that ends first.

use crate::fault::Misplaced;
use crate::{Part, Workflow, sql};
use pg_durable_graph::{Graph, NodeId};

/// The result of the race: which arm it is that goes on.
const SELECTED: &str = "selected";

/// What is waited for, and what follows it; made by [`on`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Arm {
    event: Part,
    handler: Part,
}

/// An arm of [`Workflow::select`]: once `event` has completed before those of the other arms, `handler` is carried out.
///
/// An event may be anything, but a wait is what it is meant for: a signal, a sleep, a schedule. Steps of events that lose
/// may have been done, as the losers' of a [`race`](Workflow::race).
pub fn on(event: impl Into<Part>, handler: impl Into<Part>) -> Arm {
    Arm { event: event.into(), handler: handler.into() }
}

impl<T> Workflow<T> {
    /// Waits for the first of several events and carries out the handler of that one.
    ///
    /// Signals are taken in the order in which they were sent, whichever arm they are for; those of the arms that were not
    /// chosen stay for whoever waits for them next. A handler finds what its event left behind as `$selected.result`, so
    /// that a signal's data are `$selected.result.data`; `$selected.branch` is the number of the arm, from 1. The result is
    /// the handler's.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, on, signal, sql};
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let workflow = Workflow::new().select([
    ///     on(signal("approval"), sql("CALL decide($selected.result.data)")),
    ///     on(signal("withdrawn"), sql("CALL withdraw()")),
    ///     on(Workflow::new().sleep(day), sql("CALL escalate()")),
    /// ]);
    /// # workflow.graph().unwrap();
    /// ```
    pub fn select(self, arms: impl IntoIterator<Item = Arm>) -> Workflow {
        let (events, handlers): (Vec<Part>, Vec<Part>) =
            arms.into_iter().map(|arm| (arm.event, arm.handler)).unzip();
        if events.len() < 2 {
            return self.step(Part::faulty(Misplaced {
                node: NodeId::ROOT,
                message: "select has fewer than two arms".to_owned(),
                hint: Some("Add one; what is to follow a single event is a step behind it.".to_owned()),
            }));
        }
        let race = Part::over(events, Graph::race_tagged).named(Some(SELECTED.to_owned()));
        self.step(race).step(chosen(handlers))
    }

    /// [`race`](Self::race) whose result also tells who has won: an object with `branch`, the winner's number from 1 in the
    /// order given here, and `result`.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, signal, sql};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct First { branch: u32 }
    ///
    /// let workflow: Workflow<First> =
    ///     Workflow::new().race_tagged([signal("yes"), signal("no")]).returns();
    /// # workflow.graph().unwrap();
    /// ```
    pub fn race_tagged<Kind>(self, branches: impl crate::IntoParts<Kind>) -> Workflow {
        self.step(Part::over(branches.into_parts(), Graph::race_tagged))
    }
}

/// The handler of the arm that was chosen.
fn chosen(mut handlers: Vec<Part>) -> Part {
    let last = handlers.pop().expect("there are two at least");
    handlers.into_iter().enumerate().rev().fold(last, |otherwise, (nth, handler)| {
        let condition = sql(format!("SELECT ${SELECTED}.branch = {}", nth + 1));
        Part::over(vec![condition.into(), handler, otherwise], |graphs| {
            let [condition, then, otherwise] = graphs.try_into().expect("there are three");
            Ok(Graph::if_else(condition, then, otherwise))
        })
    })
}
