//! Waiting until an instance waits: for a test that goes on from there.

use crate::{InstanceId, Run, RunError, Status};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    fmt,
    future::IntoFuture,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Between two looks at the instance.
const PAUSE: Duration = Duration::from_millis(25);

/// Unless the test says otherwise: ample, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(30);

/// A wait until an instance waits for something; made by [`Run::until_waiting_for`], begins when it is awaited.
#[must_use = "it begins when it is awaited"]
pub struct UntilWaiting<T> {
    run: Run<T>,
    wanted: String,
    deadline: Duration,
}

/// Why an instance was not seen waiting for what was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitingError {
    /// It did not come to that in time.
    #[error(
        "instance {id} does not wait for {wanted} after {waited:?}; it is {status} and waits for {}",
        listed(.waiting_for)
    )]
    Deadline {
        /// The instance.
        id: InstanceId,
        /// What it was to wait for.
        wanted: String,
        /// How long that was waited for.
        waited: Duration,
        /// Where it stands.
        status: Status,
        /// What it waits for instead, in the order of the graph.
        waiting_for: Vec<String>,
    },
    /// It came to its end before.
    #[error("instance {id} does not wait for {wanted}: it is {status}")]
    Terminal {
        /// The instance.
        id: InstanceId,
        /// What it was to wait for.
        wanted: String,
        /// Its status.
        status: Status,
    },
    /// It could not be looked at.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl<T> Run<T> {
    /// Waits until the instance waits for this, as `df.instance_nodes` tells it: `signal approval`, `timer` or
    /// `schedule 0 9 * * 1-5`.
    ///
    /// For tests, which then know where the instance is when they move the clock, signal, or stop the server. It
    /// looks 40 times a second, for 30 s, or as long as [`within`](UntilWaiting::within) says; a server that is
    /// away meanwhile is waited for. It errs at once where the instance is terminal. Needs the feature `testing`.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Run, testing::TestServer};
    /// # use std::time::Duration;
    /// # async fn test(server: TestServer, run: Run) -> Result<(), Box<dyn std::error::Error>> {
    /// run.until_waiting_for("signal approval").await?;
    /// tokio::task::block_in_place(|| server.advance(Duration::from_secs(24 * 60 * 60)))?;
    /// run.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn until_waiting_for(&self, wanted: impl Into<String>) -> UntilWaiting<T> {
        UntilWaiting { run: self.clone(), wanted: wanted.into(), deadline: DEADLINE }
    }
}

impl<T> UntilWaiting<T> {
    /// Says after how long it gives up with [`WaitingError::Deadline`]; it looks at least once.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    async fn wait(self) -> Result<(), WaitingError> {
        let Self { run, wanted, deadline } = self;
        let started = Instant::now();
        loop {
            let is_late = started.elapsed() >= deadline;
            match look(&run).await {
                Ok((status, _)) if status.is_terminal() => {
                    return Err(WaitingError::Terminal { id: run.id().clone(), wanted, status });
                }
                Ok((_, waiting_for)) if waiting_for.contains(&wanted) => return Ok(()),
                Ok((status, waiting_for)) if is_late => {
                    let id = run.id().clone();
                    return Err(WaitingError::Deadline { id, wanted, waited: deadline, status, waiting_for });
                }
                Ok(_) => {}
                Err(RunError::Server(error)) if error.is_connection_lost() && !is_late => {}
                Err(error) => return Err(error.into()),
            }
            sleep(PAUSE).await;
        }
    }
}

/// Where the instance stands, and what it waits for.
async fn look<T>(run: &Run<T>) -> Result<(Status, Vec<String>), RunError> {
    let status = run.status().await?;
    let nodes = run.nodes().await?;
    Ok((status, nodes.into_iter().filter_map(|node| node.waiting_for).collect()))
}

fn listed(waiting_for: &[String]) -> String {
    if waiting_for.is_empty() { "nothing".to_owned() } else { waiting_for.join(", ") }
}

impl<T: 'static> IntoFuture for UntilWaiting<T> {
    type Output = Result<(), WaitingError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.wait().boxed()
    }
}

impl<T> fmt::Debug for UntilWaiting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilWaiting")
            .field("run", &self.run)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}
