//! Trying again what has failed.

use crate::{Part, Step, Workflow};
use pg_durable_graph::{
    Graph, GraphError,
    kind::{Jitter, RetryPolicy},
    matching::Matching,
};
use std::time::Duration;

/// When what has failed is tried again: for [`Workflow::retry`] and [`Step::retry`].
///
/// Without setters there are three attempts at what passes by itself more often than not (`transient`: serialization failures
/// and deadlocks, locks not had in time, lost connections, shortages, a server that shuts down); the second begins up to 1
/// second after the first, each interval is twice as long as the one before and at most 100 seconds, and the pause is drawn
/// from 0 to the interval. Bad values are told by [`Workflow::graph`] and [`Workflow::start`].
///
/// No process waits for the next attempt, which may be days away, and a restart changes nothing.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Retry {
    policy: RetryPolicy,
    on: Option<Vec<String>>,
    except: Vec<String>,
}

impl Retry {
    /// The policy that holds where nothing else is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many attempts there are, the first one included; at most 1,000,000. 0 is as [`unlimited`](Self::unlimited).
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.policy.max_attempts = (attempts > 0).then_some(attempts);
        self
    }

    /// Tries without limit: until it works, the workflow is cancelled, or [`within`](Self::within) has passed.
    pub fn unlimited(mut self) -> Self {
        self.policy.max_attempts = None;
        self
    }

    /// The first interval, by what each is longer than the one before (1 or more), and the longest.
    pub fn backoff(mut self, initial: Duration, factor: f64, longest: Duration) -> Self {
        self.policy.initial_interval = initial;
        self.policy.backoff = factor;
        self.policy.max_interval = longest;
        self
    }

    /// Always the same interval.
    pub fn every(self, interval: Duration) -> Self {
        self.backoff(interval, 1.0, interval)
    }

    /// Waits for exactly the interval. Those who failed at the same time come back at the same time then.
    pub fn without_jitter(mut self) -> Self {
        self.policy.jitter = Jitter::None;
        self
    }

    /// What is tried again: SQLSTATEs (`23505`), the beginning of some (`40*`), `transient`, `timeout`, `http` or `all`.
    pub fn on<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.on = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// What of it is not tried again, in the same words.
    pub fn except<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.except = words.into_iter().map(Into::into).collect();
        self
    }

    /// Lets no attempt begin later than this after the first one has begun.
    pub fn within(mut self, span: Duration) -> Self {
        self.policy.max_duration = Some(span);
        self
    }

    pub(crate) fn over(self, body: Part) -> Part {
        Part::over(vec![body], |graphs| {
            let policy = self.policy()?;
            let [body] = <[Graph; 1]>::try_from(graphs).expect("one graph for one part");
            Graph::retry(body, policy)
        })
    }

    fn policy(self) -> Result<RetryPolicy, GraphError> {
        let retry_on = match self.on {
            Some(words) => Matching::parse_all("retry_on", &words)?,
            None => self.policy.retry_on,
        };
        Ok(RetryPolicy {
            retry_on,
            except_on: Matching::parse_all("except_on", &self.except)?,
            ..self.policy
        })
    }
}

impl<T> Workflow<T> {
    /// Tries all of what there is so far again where it fails with what the policy takes, from its beginning.
    ///
    /// What a failed attempt has bound is unbound, and signals that it has consumed are to be had again; the effects of its
    /// steps stay, each committed with the step. Around a single step the attempts are a matter of that step's row.
    ///
    /// ```
    /// use pg_durable_sdk::{Retry, Workflow, sql};
    /// use std::time::Duration;
    ///
    /// let transfer = Workflow::new()
    ///     .step(sql("SELECT balance FROM accounts WHERE id = 1").named("from"))
    ///     .step(sql("CALL transfer(1, 2, least($from.balance, 100))"))
    ///     .retry(Retry::new().attempts(5).every(Duration::from_secs(10)).on(["transient", "P0001"]));
    /// let workflow = Workflow::new().step(transfer).step(sql("CALL report()"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn retry(self, policy: Retry) -> Workflow<T> {
        self.wrap(|body| policy.over(body))
    }
}

impl<T> Step<T> {
    /// Tries the step again where it fails with what the policy takes: see [`Workflow::retry`].
    ///
    /// ```
    /// use pg_durable_sdk::{Retry, Workflow, sql};
    ///
    /// let workflow = Workflow::new()
    ///     .step(sql("CALL charge($input.order)").retry(Retry::new().attempts(5).on(["40*", "P0001"])));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn retry(self, policy: Retry) -> Workflow<T> {
        Workflow::new().step(self).retry(policy)
    }
}
