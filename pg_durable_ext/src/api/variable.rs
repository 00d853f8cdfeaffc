//! Variables: `df.setvar` and its like.

use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::not_a_step;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::pg::{process, role};
use crate::store::{self, vars};

/// A step may not change variables: those of its instance were copied at the start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InWorkflow(&'static str);

#[pg_extern]
fn variable_set(name: Text, value: Text) -> Result<&'static str, ErrorReport> {
    refuse_in_workflow(
        "df.setvar() cannot be called inside a workflow - set variables before starting the workflow",
    )?;
    change("setvar", |spi, role| vars::set(spi, role, &name, &value));
    Ok("OK")
}

#[pg_extern]
fn variable_unset(name: Text) -> Result<&'static str, ErrorReport> {
    refuse_in_workflow(
        "df.unsetvar() cannot be called inside a workflow - manage variables before starting the workflow",
    )?;
    change("unsetvar", |spi, role| vars::unset(spi, role, Some(&name)));
    Ok("OK")
}

#[pg_extern]
fn variable_clear() -> Result<&'static str, ErrorReport> {
    refuse_in_workflow(
        "df.clearvars() cannot be called inside a workflow - manage variables before starting the workflow",
    )?;
    change("clearvars", |spi, role| vars::unset(spi, role, None));
    Ok("OK")
}

fn refuse_in_workflow(message: &'static str) -> Result<(), InWorkflow> {
    if process::is_executor() { Err(InWorkflow(message)) } else { Ok(()) }
}

fn change(function: &'static str, change: impl FnOnce(&Session, Oid)) {
    let role = role::current_user();
    let _owner = store::as_owner();
    change(&Session::open(), role);
    not_a_step::note(function);
}
