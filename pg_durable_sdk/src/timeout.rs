//! Bounding how long something takes.

use crate::{Part, Step, Workflow};
use pg_durable_graph::Graph;
use std::time::Duration;

impl<T> Workflow<T> {
    /// Fails with SQLSTATE `PDT01` where what there is so far has not completed so long after it was reached, at most 100
    /// years. The statement that is running then is interrupted, waits end, and what was bound is unbound.
    ///
    /// ```
    /// use pg_durable_sdk::{Retry, Workflow, signal, sql};
    /// use std::time::Duration;
    ///
    /// let ask = Workflow::new()
    ///     .step(sql("CALL ask()").timeout(Duration::from_secs(5)).retry(Retry::new().on(["timeout"])))
    ///     .wait_for_signal(signal("answer"))
    ///     .timeout(Duration::from_secs(3600))
    ///     .catch_on(["timeout"], sql("CALL give_up()"));
    /// # ask.graph().unwrap();
    /// ```
    pub fn timeout(self, duration: Duration) -> Workflow<T> {
        self.wrap(|body| {
            Part::over(vec![body], |graphs| {
                let [body] = <[Graph; 1]>::try_from(graphs).expect("one graph for one part");
                Graph::timeout(body, duration)
            })
        })
    }
}

impl<T> Step<T> {
    /// Fails with SQLSTATE `PDT01` where the step takes longer than this: see [`Workflow::timeout`]. Of a step that is tried
    /// again it is the time of each attempt.
    pub fn timeout(self, duration: Duration) -> Workflow<T> {
        Workflow::new().step(self).timeout(duration)
    }
}
