//! SQL: the user's statements and the checkpoint, in one transaction.

use std::cell::Cell;

use pg_durable_graph::kind::Sql;
use pg_durable_graph::{Failure, NodeId, Outcome, vars};

use crate::engine::instance::{After, Flush, Instance};
use crate::engine::statement::{self, Values};
use crate::engine::stop::Stop;
use crate::engine::{checkpoint, elsewhere};
use crate::pg::caught;
use crate::pg::portal::{self, ScriptResult};
use crate::pg::spi::Session;
use crate::pg::xact::{self, Transaction};
use crate::pg::{activity, clock};
use crate::store;

/// Which part of the step's transaction is under way: an error in the user's part is the step's failure, one while
/// storing the outcome may be the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Statements,
    Checkpoint,
    Commit,
}

/// Runs the step. `is_abandoned` tells whether a cancellation came from the engine.
pub fn carry_out(
    instance: &mut Instance,
    leaf: NodeId,
    sql: &Sql,
    is_abandoned: impl Fn() -> bool,
) -> Result<After, Stop> {
    let text = vars::substitute(&sql.query, |name| instance.var(name).map(Into::into)).into_owned();
    activity::show_statement(&text);
    let phase = Cell::new(Phase::Statements);
    let done = match instance.database.clone() {
        None => caught::catch(|| here(instance, leaf, sql, &text, &phase)),
        Some(database) => match elsewhere::run(&database, &text, &values(instance, leaf, sql)) {
            Ok(result) => {
                instance.note_delivery(leaf, true);
                return checkpoint::complete_as(instance, leaf, outcome(result)?, Flush::AsRole);
            }
            Err(failure) if failure.sqlstate == "57014" && is_abandoned() => return Err(Stop::Abandoned),
            Err(failure) => return Err(Stop::Failed { node: leaf, failure }),
        },
    };
    portal::disarm_statement_timeout();
    done.unwrap_or_else(|failure| {
        if failure.is_cancellation() && is_abandoned() {
            return Err(Stop::Abandoned);
        }
        Err(match phase.get() {
            Phase::Statements => Stop::Failed { node: leaf, failure },
            Phase::Checkpoint | Phase::Commit if is_servers(&failure, phase.get()) => Stop::Unstored(failure),
            Phase::Checkpoint | Phase::Commit => Stop::Failed { node: leaf, failure },
        })
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
) -> Result<After, Stop> {
    let transaction = Transaction::begin();
    let result = statement::run_text(text, &values(instance, leaf, sql))
        .map_err(|failure| Stop::Failed { node: leaf, failure })?;
    instance.note_delivery(leaf, result.has_committed);
    let outcome = outcome(result)?;
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

/// Whether an error says more about the server than about the step: the step is then tried again later.
fn is_servers(failure: &Failure, phase: Phase) -> bool {
    let class = &failure.sqlstate[..2];
    let is_resource = matches!(class, "53" | "58" | "XX") || failure.sqlstate.starts_with("57P");
    // A serialisation failure or deadlock that comes up behind the user's statements: the transaction has left nothing
    // behind, and the same may well succeed now.
    let is_conflict = class == "40";
    is_resource || is_conflict || (phase == Phase::Checkpoint && class != "57")
}

fn outcome(result: ScriptResult) -> Result<Outcome, Stop> {
    let value = serde_json::from_str(&result.json)
        .map_err(|error| Stop::Unstored(Failure::new("XX000", format!("result is not JSON: {error}"))))?;
    Ok(Outcome { value, columns: Some(result.columns) })
}
