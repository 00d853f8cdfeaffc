//! Sending signals.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::ApiError;
use super::instance::visible;
use crate::engine::wake;
use crate::pg::role;
use crate::pg::spi::Session;
use crate::store::{self, instances, signals};

#[pg_extern]
fn signal_send(instance_id: &str, signal_name: &str, signal_data: &str) -> Result<&'static str, ErrorReport> {
    if instance_id.is_empty() {
        return Err(ApiError::EmptyInstanceId.into());
    }
    if signal_name.is_empty() {
        return Err(ApiError::EmptySignalName.into());
    }
    let not_found = || ApiError::NotFound(instance_id.to_owned());
    let (number, submitter) = visible(instance_id).ok_or_else(not_found)?;
    let sender = role::current_user();
    // What is no JSON is a JSON string.
    let payload = match serde_json::from_str::<serde_json::Value>(signal_data) {
        Ok(value) => value.to_string(),
        Err(_) => serde_json::Value::from(signal_data).to_string(),
    };
    let _owner = store::as_owner();
    let spi = Session::open();
    let status = instances::get(instance_id).ok_or_else(not_found)?.status;
    if !matches!(status.as_str(), "pending" | "running") {
        return Err(ApiError::Terminal { id: instance_id.to_owned(), status }.into());
    }
    signals::insert(&spi, instance_id, signal_name, &payload, sender);
    wake::after_signal(submitter, number);
    Ok("OK")
}
