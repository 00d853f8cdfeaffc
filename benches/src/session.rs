//! A client's session: starts workflows and waits for them, as an application would.

use anyhow::{Result, ensure};
use postgres::{Client, Statement};
use std::time::{Duration, Instant};

/// When a workflow's checkpoints are flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Step,
    Barrier,
}

impl Durability {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Barrier => "barrier",
        }
    }
}

/// See the module.
pub struct Session {
    pub client: Client,
    start: Statement,
    wait: Statement,
}

impl Session {
    pub fn new(mut client: Client) -> Result<Self> {
        let start = client.prepare("SELECT df.start($1, durability => $2)")?;
        let wait = client.prepare("SELECT df.await_instance($1, 300)")?;
        Ok(Self { client, start, wait })
    }

    /// Lets the server build a graph from an SQL expression, so that starting it is all that is timed later.
    pub fn build(&mut self, expression: &str) -> Result<String> {
        Ok(self.client.query_one(&format!("SELECT {expression}"), &[])?.get(0))
    }

    /// Starts a workflow and returns its id.
    pub fn start(&mut self, graph: &str, durability: Durability) -> Result<String> {
        Ok(self.client.query_one(&self.start, &[&graph, &durability.as_str()])?.get(0))
    }

    /// Waits until an instance has completed.
    pub fn wait(&mut self, id: &str) -> Result<()> {
        let status: String = self.client.query_one(&self.wait, &[&id])?.get(0);
        ensure!(status == "completed", "instance {id} is {status}: {}", self.error(id));
        Ok(())
    }

    /// From the call of `df.start` until `df.await_instance` says that the instance has completed.
    pub fn run(&mut self, graph: &str, durability: Durability) -> Result<Duration> {
        let since = Instant::now();
        let id = self.start(graph, durability)?;
        self.wait(&id)?;
        Ok(since.elapsed())
    }

    /// The latencies of so many runs, one after another, in seconds. The first ones, which wake the engine, do not
    /// count.
    pub fn latencies(&mut self, graph: &str, durability: Durability, runs: usize) -> Result<Vec<f64>> {
        for _ in 0..5 {
            self.run(graph, durability)?;
        }
        (0..runs).map(|_| Ok(self.run(graph, durability)?.as_secs_f64())).collect()
    }

    /// From the commit of a start until the client knows of the end, again and again for this long; how many ran in a
    /// second.
    pub fn rate(&mut self, graph: &str, durability: Durability, window: Duration) -> Result<f64> {
        self.run(graph, durability)?;
        let (mut spent, mut runs) = (Duration::ZERO, 0);
        while spent < window {
            self.client.batch_execute("BEGIN")?;
            let id = self.start(graph, durability)?;
            let since = Instant::now();
            self.client.batch_execute("COMMIT")?;
            self.wait(&id)?;
            spent += since.elapsed();
            runs += 1;
        }
        Ok(f64::from(runs) / spent.as_secs_f64())
    }

    fn error(&mut self, id: &str) -> String {
        let row = self.client.query_opt("SELECT message FROM df.error($1)", &[&id]);
        row.ok().flatten().and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_default()
    }
}

/// The expression of a chain of this many equal steps.
pub fn chain(statement: &str, steps: usize) -> String {
    vec![quoted(statement); steps].join(" ~> ")
}

/// The expression of a JOIN of this many equal steps.
pub fn join(statement: &str, width: usize) -> String {
    format!("df.join(VARIADIC array_fill({}::text, ARRAY[{width}]))", quoted(statement))
}

/// The expression of a loop that counts up to a number, and asks after each pass whether to go on.
pub fn counting_loop(iterations: u64) -> String {
    let body = quoted("SELECT nextval('df_bench.counter') AS n");
    let condition = quoted(&format!("SELECT $n < {iterations} AS goes_on"));
    format!("df.loop(df.as({body}, 'n'), {condition})")
}

/// A text as a literal.
pub fn quoted(text: &str) -> String {
    format!("'{}'::text", text.replace('\'', "''"))
}
