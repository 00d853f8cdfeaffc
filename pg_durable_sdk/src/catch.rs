//! What is carried out where something has failed.

use crate::{Part, Workflow};
use pg_durable_graph::{Graph, kind::ERROR, matching::Matching};

impl<T> Workflow<T> {
    /// Carries out `handler` where what there is so far fails, whatever the failure; the workflow then goes on.
    ///
    /// The handler finds the failure as `$error`, with the members `sqlstate`, `message`, `detail`, `hint`, `context`, `node`,
    /// `node_type`, `attempt` and `suppressed`, and the names that were bound before it came. Behind it none of these is
    /// bound. The result is that of what completed, so that a handler has to leave what can be read as `T`, too, where the
    /// result is wanted. A failure of the handler is not caught.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let payment = Workflow::new()
    ///     .step(sql("CALL charge($input.order)"))
    ///     .catch(sql("INSERT INTO failures VALUES ($input.order, $error.sqlstate, $error.message)"));
    /// let workflow = Workflow::new().step(payment).step(sql("CALL close_order($input.order)"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn catch(self, handler: impl Into<Part>) -> Workflow<T> {
        self.catch_on(["all"], handler)
    }

    /// [`catch`](Self::catch) of some failures only: SQLSTATEs (`23505`), the beginning of some (`40*`), `transient`,
    /// `timeout`, `http` or `all`. Any other travels on.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, fail, sql};
    ///
    /// let workflow = Workflow::new()
    ///     .step(sql("INSERT INTO seats VALUES ($input.seat)"))
    ///     .catch_on(["23505"], fail("seat $input.seat is taken").sqlstate("SEAT1"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn catch_on<W: AsRef<str>>(
        self,
        errors: impl IntoIterator<Item = W>,
        handler: impl Into<Part>,
    ) -> Workflow<T> {
        let errors: Vec<W> = errors.into_iter().collect();
        let handler = handler.into();
        self.wrap(|body| {
            Part::over(vec![body, handler], |graphs| {
                let errors = Matching::parse_all("errors", &errors)?;
                let [body, handler] = <[Graph; 2]>::try_from(graphs).expect("two graphs for two parts");
                Graph::catch(body, handler, errors, ERROR)
            })
        })
    }
}
