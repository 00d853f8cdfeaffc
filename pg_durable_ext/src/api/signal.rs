//! Sending signals.

use pg_durable_graph::limits::DOCUMENT_MAX;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::visible::{self, NotFound};
use crate::engine::wake;
use crate::pg::role;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::store::{self, instances, signals};

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("Instance ID cannot be empty")]
    EmptyInstanceId,
    #[error("Signal name cannot be empty")]
    EmptyName,
    #[error("the signal's data are larger than {} MB", DOCUMENT_MAX / (1024 * 1024))]
    TooLarge,
    #[error("instance {id} is already {status}")]
    Terminal { id: String, status: String },
}

#[pg_extern]
fn signal_send(instance_id: &str, signal_name: Text, signal_data: Text) -> Result<&'static str, ErrorReport> {
    if instance_id.is_empty() {
        return Err(SignalError::EmptyInstanceId.into());
    }
    if signal_name.is_empty() {
        return Err(SignalError::EmptyName.into());
    }
    if signal_data.len() > DOCUMENT_MAX {
        return Err(SignalError::TooLarge.into());
    }
    let (number, submitter) = visible::steered(instance_id)?;
    let sender = role::current_user();
    // What is no JSON is a JSON string.
    let payload = match serde_json::from_str::<serde_json::Value>(&signal_data) {
        Ok(value) => value.to_string(),
        Err(_) => serde_json::Value::from(signal_data.0).to_string(),
    };
    let _owner = store::as_owner();
    let spi = Session::open();
    let status = instances::get(instance_id).ok_or_else(|| NotFound(instance_id.to_owned()))?.status;
    if !matches!(status.as_str(), "pending" | "running") {
        return Err(SignalError::Terminal { id: instance_id.to_owned(), status }.into());
    }
    signals::insert(&spi, instance_id, &signal_name, &payload, sender);
    wake::after_signal(submitter, number);
    Ok("OK")
}
