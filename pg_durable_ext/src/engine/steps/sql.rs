//! SQL: the user's statements and the checkpoint, in one transaction.

use std::cell::Cell;
use std::time::Duration;

use pg_durable_board::Hindrance;
use pg_durable_graph::kind::Sql;
use pg_durable_graph::progress::ProgressError;
use pg_durable_graph::verdict::Phase;
use pg_durable_graph::{Failure, NodeId, Outcome, document, vars};

use crate::engine::elsewhere::{self, Refusal};
use crate::engine::flush::Flush;
use crate::engine::instance::{After, Instance};
use crate::engine::standing::{Beginning, Standing};
use crate::engine::statement::{self, Values};
use crate::engine::stop::{Caught, Stop};
use crate::engine::{checkpoint, committing};
use crate::pg::portal::{self, ScriptResult};
use crate::pg::spi::Session;
use crate::pg::xact::{self, Patience, Transaction};
use crate::pg::{activity, clock};
use crate::pg::{caught, ending, timeout};
use crate::store;

/// The step's transaction, as far as its error needs it.
struct Attempt {
    /// An error in the user's part is the step's failure, one while storing the outcome may be the server's.
    phase: Cell<Phase>,
    /// How often this process had committed before.
    commits: u64,
    began: Beginning,
}

/// Runs the step. `is_abandoned` tells whether a cancellation came from the engine.
pub fn carry_out(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    standing: &mut Standing,
    is_abandoned: impl Fn() -> bool,
) -> Result<After, Stop> {
    let text = vars::substitute(&sql.query, |name| instance.var(name).map(Into::into))
        .map_err(|error| Stop::Failed { node: leaf, failure: error.into() })?
        .into_owned();
    activity::show_statement(&text);
    timeout::forget();
    let time = Time::of(instance, leaf);
    portal::set_deadline(time.deadline());
    let attempt = Attempt {
        phase: Cell::new(Phase::Statements),
        commits: ending::commits(),
        began: Beginning::default(),
    };
    let done = match instance.database.clone() {
        None => caught::catch(|| here(instance, leaf, sql, &text, standing, &attempt)),
        Some(database) => {
            return match there(instance, leaf, sql, &database, &text, standing) {
                Err(Stop::Caught(caught)) if caught.failure.is_cancellation() && is_abandoned() => {
                    Err(Stop::Abandoned)
                }
                done => done,
            };
        }
    };
    portal::disarm_statement_timeout();
    portal::set_deadline(None);
    done.unwrap_or_else(|failure| {
        if committing::take_refusal() || failure.is_cancellation() && is_abandoned() {
            return Err(Stop::Abandoned);
        }
        if failure.is_cancellation()
            && let Some(stop) = time.is_up(instance, leaf)
        {
            return Err(stop);
        }
        let failure = timeout::explain(failure);
        // Wherever it came up, the next try would take as long.
        let is_over = timeout::is_transaction_timeout(&failure);
        let phase = if is_over { Phase::Statements } else { attempt.phase.get() };
        let has_committed = ending::commits() != attempt.commits;
        Err(if phase == Phase::Statements && attempt.began.explains(&failure) {
            Stop::Hindered { hindrance: Hindrance::ReadOnly, failure }
        } else {
            Caught { leaf: Some(leaf), phase, has_committed, failure }.into()
        })
    })
}

/// How long a step may take, by what is around it.
struct Time {
    /// When the time of the TIMEOUT is up of which the step is all.
    own: Option<(i64, Duration)>,
    /// When that of another one around it is.
    around: Option<i64>,
}

impl Time {
    fn of(instance: &Instance, leaf: NodeId) -> Time {
        let own = instance.progress.graph().time_of(leaf);
        let own = own.map(|span| (clock::now().saturating_add(span.as_micros() as i64), span));
        Time { own, around: instance.progress.deadline(leaf).map(|(_, until)| until) }
    }

    fn deadline(&self) -> Option<i64> {
        self.own.map(|(until, _)| until).into_iter().chain(self.around).min()
    }

    /// What follows an interruption that has come because of it.
    fn is_up(&self, instance: &Instance, leaf: NodeId) -> Option<Stop> {
        let now = clock::now();
        if let Err(error) = instance.progress.check_deadline(leaf, now) {
            return Some(Stop::Failed { node: error.node(), failure: error.into() });
        }
        let (_, duration) = self.own.filter(|(until, _)| *until <= now)?;
        let error = ProgressError::TimedOut { node: leaf, duration };
        Some(Stop::Failed { node: leaf, failure: error.into() })
    }
}

fn values<'a>(instance: &'a Instance, leaf: NodeId, sql: &'a Sql) -> Values<'a> {
    Values { bindings: instance.bindings(leaf), input: instance.input(), params: &sql.params }
}

/// Runs the step in another database.
fn there(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    database: &str,
    text: &str,
    standing: &mut Standing,
) -> Result<After, Stop> {
    checkpoint::internal(instance, |_, _| match (standing.may_run(), committing::is_over()) {
        (false, _) => Err(Stop::Unfit),
        (true, true) => Err(Stop::Abandoned),
        (true, false) => Ok(()),
    })?;
    match elsewhere::run_step(database, text, &values(instance, leaf, sql)) {
        Ok(result) => {
            instance.note_delivery(leaf, true);
            let done = checkpoint::complete_as(instance, leaf, outcome(leaf, result)?, Flush::AsRole);
            done.map_err(|stop| stop.with(|caught| Caught { has_committed: true, ..caught }))
        }
        Err(Refusal::Hindered(hindrance, failure)) => Err(Stop::Hindered { hindrance, failure }),
        Err(Refusal::Failed { failure, has_committed }) => {
            Err(Caught { leaf: Some(leaf), phase: Phase::Statements, has_committed, failure }.into())
        }
    }
}

fn here(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    text: &str,
    standing: &mut Standing,
    attempt: &Attempt,
) -> Result<After, Stop> {
    let transaction = Transaction::begin();
    if !standing.may_run() {
        return Err(Stop::Unfit);
    }
    if committing::is_over() {
        return Err(Stop::Abandoned);
    }
    attempt.began.note();
    let result = statement::run_text(text, &values(instance, leaf, sql))
        .map_err(|failure| Stop::Failed { node: leaf, failure })?;
    instance.note_delivery(leaf, result.has_committed);
    // What has committed must not be done again because somebody has a row locked.
    let patience = (!result.has_committed).then_some(checkpoint::PATIENCE);
    let outcome = outcome(leaf, result)?;
    attempt.phase.set(Phase::Checkpoint);
    let after = {
        let _writable = xact::Writable::enter();
        let _patience = Patience::of(patience);
        let _owner = store::as_owner();
        let spi = Session::open();
        let branch = instance.progress.graph().branch(leaf);
        let next = instance.progress.complete(leaf, outcome, clock::now());
        instance.settle(&spi, branch, next, Flush::AsRole)?
    };
    attempt.phase.set(Phase::Commit);
    transaction.commit();
    Ok(after)
}

fn outcome(leaf: NodeId, result: ScriptResult) -> Result<Outcome, Stop> {
    let value = document::read(&result.json).map_err(|error| {
        Stop::from(Caught {
            leaf: Some(leaf),
            phase: Phase::Checkpoint,
            has_committed: result.has_committed,
            failure: Failure::new("22032", format!("result {error}")),
        })
    })?;
    Ok(Outcome { value, columns: Some(result.columns), branches: None })
}
