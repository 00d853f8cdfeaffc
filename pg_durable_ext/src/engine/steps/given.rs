//! A wait whose length a text says: looked up when the wait is reached, and kept from then on.

use pg_durable_graph::kind::{Given, Leaf, Wait};
use pg_durable_graph::limits::SPAN_MAX;
use pg_durable_graph::status::NodeStatus;
use pg_durable_graph::verdict::Phase;
use pg_durable_graph::{Failure, NodeId};

use crate::engine::checkpoint;
use crate::engine::instance::Instance;
use crate::engine::statement;
use crate::engine::stop::{Caught, Stop};
use crate::pg::clock;
use crate::pg::spi::{Arg, statement};

/// Arms the timer of a wait that is reached, where a text says when it ends. In a transaction of its own: what led here is
/// committed, and is not lost where the text says nothing.
pub fn arm(instance: &mut Instance, node: NodeId, leaf: &Leaf) -> Result<(), Stop> {
    let Some(given) = leaf.wait().and_then(Wait::given) else { return Ok(()) };
    if instance.progress.status(node) == NodeStatus::Running {
        return Ok(());
    }
    let wake_at = end_of(instance, node, given)?;
    checkpoint::internal(instance, |instance, spi| instance.begin_given_wait(spi, node, wake_at))
}

statement!(FOR, c"SELECT $1 OPERATOR(pg_catalog.+) $2::pg_catalog.interval", [TIMESTAMPTZOID, TEXTOID]);
statement!(UNTIL, c"SELECT $1::pg_catalog.timestamptz", [TEXTOID]);

fn end_of(instance: &Instance, node: NodeId, given: Given<'_>) -> Result<i64, Stop> {
    let failed = |failure| Stop::Failed { node, failure };
    let now = clock::now();
    let (text, what) = match given {
        Given::For(text) => (text, "neither a number of seconds nor an interval"),
        Given::Until(text) => (text, "no point in time"),
    };
    let text = statement::expand(instance, node, text).map_err(failed)?;
    let read = checkpoint::in_transaction(|spi| {
        let rows = match given {
            // PostgreSQL reads a plain number as seconds, too.
            Given::For(_) => spi.run(&FOR, &[Arg::Timestamp(now), Arg::Text(&text)]),
            Given::Until(_) => spi.run(&UNTIL, &[Arg::Text(&text)]),
        };
        rows.int(0, 1)
    });
    let far = now.saturating_add(SPAN_MAX.as_micros() as i64);
    match read {
        Ok(Some(until)) if until > far => {
            Err(failed(Failure::new("22023", format!("'{text}' is more than 100 years away"))))
        }
        // Negative or past: at once.
        Ok(Some(until)) => Ok(until.max(now)),
        Ok(None) => Err(failed(bad(&text, what))),
        Err(failure) if failure.sqlstate.starts_with("22") => Err(failed(bad(&text, what))),
        // That is not the text's: it may pass.
        Err(failure) => Err(Caught::in_phase(Phase::Engine, failure).into()),
    }
}

fn bad(text: &str, what: &str) -> Failure {
    Failure::new("22007", format!("'{text}' is {what}"))
        .hint("Write 90, '1.5 hours' or '2030-01-31 09:00+01', or references to results that hold such.")
}
