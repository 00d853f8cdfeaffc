//! Bells: what a client waits for beside instances, so that it can end its call of `df.await_any` from another session.
//!
//! A client that cancelled the call instead would have to know which process carries it out. Behind a pooler that is
//! somebody else's by the time the cancel arrives.

use pg_durable_board::InstanceNumber;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::extension;
use crate::engine::start::NotPreloaded;
use crate::engine::wake;

/// Instances are counted by a `bigint`, so that none ever has such a number.
const FIRST: InstanceNumber = 1 << 63;

/// Why a bell was not rung.
#[derive(Debug, thiserror::Error)]
pub enum BellError {
    #[error("\"{0}\" is no bell")]
    NoBell(String),
    #[error(transparent)]
    NotPreloaded(#[from] NotPreloaded),
}

/// Whether the number is not one of an instance.
pub fn is_bell(number: InstanceNumber) -> bool {
    number >= FIRST
}

#[pg_extern]
fn bell_ring(bell: &str) -> Result<(), ErrorReport> {
    Ok(ring(bell)?)
}

/// Ends the calls that wait for this bell. It has no memory: one that waits for it later does not hear it.
fn ring(bell: &str) -> Result<(), BellError> {
    let number = wake::instance_number(bell).filter(|number| is_bell(*number));
    let number = number.ok_or_else(|| BellError::NoBell(bell.to_owned()))?;
    extension::check_preloaded()?;
    let database = wake::here();
    wake::send(|board| board.waiters.note_ended(database, number));
    Ok(())
}
