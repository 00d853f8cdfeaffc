//! What an executor stores of an instance, in transactions of the engine's own.

use std::convert::Infallible;
use std::time::Duration;

use pg_durable_graph::verdict::Phase;
use pg_durable_graph::{Failure, NodeId, Outcome};

use super::committing;
use super::flush::Flush;
use super::instance::{After, Instance};
use super::stop::{Caught, Stop};
use crate::pg::spi::Session;
use crate::pg::xact::Transaction;
use crate::pg::{caught, clock, process};
use crate::store;

/// How long what is written behind a step waits for somebody who has a row locked, before both are rolled back and tried again.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Does something to an instance in a transaction of the engine's own.
pub fn internal<T>(
    instance: &mut Instance,
    work: impl FnOnce(&mut Instance, &Session) -> Result<T, Stop>,
) -> Result<T, Stop> {
    attempt(|spi| work(instance, spi)).unwrap_or_else(|failure| {
        let was_refused = committing::take_refusal();
        Err(if was_refused { Stop::Abandoned } else { Caught::in_phase(Phase::Engine, failure).into() })
    })
}

/// Does something in a transaction of the engine's own.
pub fn in_transaction<T>(work: impl FnOnce(&Session) -> T) -> Result<T, Failure> {
    attempt(|spi| Ok::<_, Infallible>(work(spi))).map(|done| done.unwrap_or_else(|never| match never {}))
}

/// Commits what `work` does unless it thinks better of it; an error of the server's comes back beside.
fn attempt<T, E>(work: impl FnOnce(&Session) -> Result<T, E>) -> Result<Result<T, E>, Failure> {
    process::without_cancellation(|| caught::catch(|| transact(work)))
}

/// Commits what `work` does unless it thinks better of it. An error of the server's unwinds, that of a lock that is not to
/// be had in time too.
pub fn transact<T, E>(work: impl FnOnce(&Session) -> Result<T, E>) -> Result<T, E> {
    let transaction = Transaction::begin_internal();
    let owner = store::as_owner();
    let spi = Session::open();
    let done = work(&spi);
    drop(spi);
    drop(owner);
    if done.is_ok() {
        transaction.commit();
    }
    done
}

/// Completes a leaf in a transaction of the engine's own, whose flush may wait.
pub fn complete(instance: &mut Instance, leaf: NodeId, outcome: Outcome) -> Result<After, Stop> {
    complete_as(instance, leaf, outcome, Flush::Later)
}

/// Completes a leaf in a transaction of the engine's own.
pub fn complete_as(
    instance: &mut Instance,
    leaf: NodeId,
    outcome: Outcome,
    flush: Flush,
) -> Result<After, Stop> {
    internal(instance, |instance, spi| complete_in(instance, spi, leaf, outcome, flush))
}

/// Completes a leaf in the current transaction.
pub fn complete_in(
    instance: &mut Instance,
    spi: &Session,
    leaf: NodeId,
    outcome: Outcome,
    flush: Flush,
) -> Result<After, Stop> {
    let branch = instance.progress.graph().branch(leaf);
    let next = instance.progress.complete(leaf, outcome, clock::now());
    instance.settle(spi, branch, next, flush)
}
