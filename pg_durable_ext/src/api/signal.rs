//! Sending signals.

use pg_durable_graph::limits::{DOCUMENT_MAX, SIGNAL_KEY_MAX};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::visible::{self, NotFound};
use crate::engine::wake;
use crate::pg::role;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::store::signals::{self, NewSignal};
use crate::store::{self, instances};

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("{0} must not be NULL")]
    Null(&'static str),
    #[error("Instance ID cannot be empty")]
    EmptyInstanceId,
    #[error("Signal name cannot be empty")]
    EmptyName,
    #[error("the signal's data are larger than {} MB", DOCUMENT_MAX / (1024 * 1024))]
    TooLarge,
    #[error("the idempotency key is longer than {SIGNAL_KEY_MAX} bytes")]
    KeyTooLong,
    #[error("instance {id} is already {status}")]
    Terminal { id: String, status: String },
}

#[pg_extern]
fn signal_send(
    instance_id: Option<Text>,
    signal_name: Option<Text>,
    signal_data: Option<Text>,
    idempotency_key: Option<Text>,
) -> Result<&'static str, ErrorReport> {
    let instance_id = instance_id.ok_or(SignalError::Null("instance_id"))?;
    let signal_name = signal_name.ok_or(SignalError::Null("signal_name"))?;
    if instance_id.is_empty() {
        return Err(SignalError::EmptyInstanceId.into());
    }
    if signal_name.is_empty() {
        return Err(SignalError::EmptyName.into());
    }
    if idempotency_key.as_ref().is_some_and(|key| key.len() > SIGNAL_KEY_MAX) {
        return Err(SignalError::KeyTooLong.into());
    }
    // What is no JSON is a JSON string, and NULL is JSON's null.
    let payload = match signal_data {
        Some(data) if data.len() > DOCUMENT_MAX => return Err(SignalError::TooLarge.into()),
        Some(data) => match serde_json::from_str::<serde_json::Value>(&data) {
            Ok(value) => value.to_string(),
            Err(_) => serde_json::Value::from(data.0).to_string(),
        },
        None => "null".to_owned(),
    };
    let (number, submitter) = visible::steered(&instance_id)?;
    let sender = role::current_user();
    let _owner = store::as_owner();
    let spi = Session::open();
    let status = instances::get(&instance_id).ok_or_else(|| NotFound(instance_id.to_string()))?.status;
    if !matches!(status.as_str(), "pending" | "running") {
        return Err(SignalError::Terminal { id: instance_id.to_string(), status }.into());
    }
    let new = NewSignal {
        instance: &instance_id,
        name: &signal_name,
        payload: &payload,
        sender,
        idempotency_key: idempotency_key.as_ref().map(|key| key.0.as_str()),
    };
    if signals::insert(&spi, &new) {
        wake::after_signal(submitter, number);
    }
    Ok("OK")
}
