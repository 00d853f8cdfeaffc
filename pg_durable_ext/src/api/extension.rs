//! The extension itself.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::ApiError;
use crate::engine::wake;
use crate::pg::shmem;

#[pg_extern]
fn check_preload() -> Result<(), ErrorReport> {
    if shmem::is_preloaded() { Ok(()) } else { Err(ApiError::NotPreloaded.into()) }
}

#[pg_extern]
fn announce() {
    wake::after_create();
}

#[pg_extern]
fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
