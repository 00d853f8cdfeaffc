//! The extension itself.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::engine::start::NotPreloaded;
use crate::engine::wake;
use crate::pg::shmem;

#[pg_extern]
fn check_preload() -> Result<(), ErrorReport> {
    Ok(check_preloaded()?)
}

/// Whether the engine is there.
pub fn check_preloaded() -> Result<(), NotPreloaded> {
    if shmem::is_preloaded() { Ok(()) } else { Err(NotPreloaded) }
}

#[pg_extern]
fn announce() {
    wake::after_create();
}

#[pg_extern]
fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
