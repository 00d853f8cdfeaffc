//! SQL: the user's statements and the checkpoint, in one transaction.

use std::cell::Cell;

use pg_durable_graph::kind::Sql;
use pg_durable_graph::verdict::Phase;
use pg_durable_graph::{Failure, NodeId, Outcome, vars};

use crate::engine::instance::{After, Flush, Instance};
use crate::engine::statement::{self, Values};
use crate::engine::stop::{Caught, Stop};
use crate::engine::{checkpoint, elsewhere};
use crate::pg::caught;
use crate::pg::portal::{self, ScriptResult};
use crate::pg::spi::Session;
use crate::pg::xact::{self, Transaction};
use crate::pg::{activity, clock};
use crate::store;

/// Runs the step. `is_abandoned` tells whether a cancellation came from the engine.
pub fn carry_out(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    is_abandoned: impl Fn() -> bool,
) -> Result<After, Stop> {
    let text = vars::substitute(&sql.query, |name| instance.var(name).map(Into::into)).into_owned();
    activity::show_statement(&text);
    // An error in the user's part is the step's failure, one while storing the outcome may be the server's.
    let (phase, has_committed) = (Cell::new(Phase::Statements), Cell::new(false));
    let done = match instance.database.clone() {
        None => caught::catch(|| here(instance, leaf, sql, &text, &phase, &has_committed)),
        Some(database) => match elsewhere::run(&database, &text, &values(instance, leaf, sql)) {
            Ok(result) => {
                instance.note_delivery(leaf, true);
                let outcome = outcome(leaf, result)?;
                let done = checkpoint::complete_as(instance, leaf, outcome, Flush::AsRole);
                return done.map_err(|stop| stop.with(|caught| Caught { has_committed: true, ..caught }));
            }
            Err(failure) if failure.is_cancellation() && is_abandoned() => return Err(Stop::Abandoned),
            Err(failure) => return Err(Stop::Failed { node: leaf, failure }),
        },
    };
    portal::disarm_statement_timeout();
    done.unwrap_or_else(|failure| {
        if failure.is_cancellation() && is_abandoned() {
            return Err(Stop::Abandoned);
        }
        let (phase, has_committed) = (phase.get(), has_committed.get());
        Err(Caught { leaf: Some(leaf), phase, has_committed, failure }.into())
    })
}

fn values<'a>(instance: &'a Instance, leaf: NodeId, sql: &'a Sql) -> Values<'a> {
    Values { bindings: instance.bindings(leaf), input: instance.input(), params: &sql.params }
}

fn here(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    text: &str,
    phase: &Cell<Phase>,
    has_committed: &Cell<bool>,
) -> Result<After, Stop> {
    let transaction = Transaction::begin();
    let result = statement::run_text(text, &values(instance, leaf, sql))
        .map_err(|failure| Stop::Failed { node: leaf, failure })?;
    instance.note_delivery(leaf, result.has_committed);
    has_committed.set(result.has_committed);
    let outcome = outcome(leaf, result)?;
    phase.set(Phase::Checkpoint);
    let after = {
        let _writable = xact::Writable::enter();
        let _owner = store::as_owner();
        let spi = Session::open();
        let branch = instance.progress.graph().branch(leaf);
        let next = instance.progress.complete(leaf, outcome, clock::now());
        instance.settle(&spi, branch, next, Flush::AsRole)?
    };
    phase.set(Phase::Commit);
    transaction.commit();
    Ok(after)
}

fn outcome(leaf: NodeId, result: ScriptResult) -> Result<Outcome, Stop> {
    let value = serde_json::from_str(&result.json).map_err(|error| {
        Stop::from(Caught {
            leaf: Some(leaf),
            phase: Phase::Checkpoint,
            has_committed: result.has_committed,
            failure: Failure::new("22032", format!("result is not JSON: {error}")),
        })
    })?;
    Ok(Outcome { value, columns: Some(result.columns) })
}
