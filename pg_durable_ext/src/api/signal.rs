//! Sending signals.

use pg_durable_graph::document::{self, Unreadable};
use pg_durable_graph::limits::{DOCUMENT_MAX, SIGNAL_KEY_MAX};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::schema::{self, Misfit, Violation};
use super::visible::{self, NotFound};
use crate::engine::wake;
use crate::pg::json::{self, Verdict};
use crate::pg::role;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::store::signals::{self, NewSignal};
use crate::store::{self, instances, workflows};

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
    #[error("the data of signal '{name}' do not fit its schema")]
    Violates { name: String, violations: Vec<Violation>, more: usize },
    #[error("whether the data fit the schema of signal '{name}' would be too much work to find out")]
    TooMuchWork { name: String },
    #[error("the schema of signal '{name}' cannot be used")]
    Schema { name: String, violation: Violation },
    #[error("the signal's payload {0}")]
    Data(#[from] Unreadable),
    #[error("the idempotency key is longer than {SIGNAL_KEY_MAX} bytes")]
    KeyTooLong,
    #[error("instance {id} is already {status}")]
    Terminal { id: String, status: String },
}

/// What is sent, as it is stored and as it is read.
struct Payload {
    /// JSON.
    json: String,
    value: Value,
}

/// The data as JSON: what `jsonb` does not take is a JSON string, and NULL is JSON's null.
fn payload(data: Option<Text>) -> Result<Payload, SignalError> {
    let Some(data) = data else { return Ok(Payload { json: "null".to_owned(), value: Value::Null }) };
    if data.len() > DOCUMENT_MAX {
        return Err(SignalError::TooLarge);
    }
    match json::is_jsonb(&data) {
        Verdict::Jsonb => {
            let value = document::read(&data)?;
            Ok(Payload { json: data.0, value })
        }
        Verdict::TooDeep => Err(Unreadable::TooDeep.into()),
        Verdict::NotJsonb => {
            let value = Value::from(data.0);
            Ok(Payload { json: value.to_string(), value })
        }
    }
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
    let payload = payload(signal_data)?;
    let (number, submitter) = visible::steered(&instance_id)?;
    let sender = role::current_user();
    let _owner = store::as_owner();
    let spi = Session::open();
    let instance = instances::get(&instance_id).ok_or_else(|| NotFound(instance_id.to_string()))?;
    if !matches!(instance.status.as_str(), "pending" | "running") {
        return Err(SignalError::Terminal { id: instance_id.to_string(), status: instance.status }.into());
    }
    if instance.is_registered
        && let Some(schema) = workflows::signal_schema(&spi, &instance_id, &signal_name)
    {
        check_payload(&signal_name, &schema, &payload.value)?;
    }
    let new = NewSignal {
        instance: &instance_id,
        name: &signal_name,
        payload: &payload.json,
        sender,
        idempotency_key: idempotency_key.as_ref().map(|key| key.0.as_str()),
    };
    if signals::insert(&spi, &new) {
        wake::after_signal(submitter, number);
    }
    Ok("OK")
}

/// Refuses data that the workflow could not use, so that whoever signals cannot fail it.
fn check_payload(name: &str, schema: &str, payload: &Value) -> Result<(), SignalError> {
    let name = name.to_owned();
    schema::fits(schema, payload).map_err(|misfit| match misfit {
        Misfit::Violates { violations, more } => SignalError::Violates { name, violations, more },
        Misfit::TooMuchWork => SignalError::TooMuchWork { name },
        Misfit::Schema(violation) => SignalError::Schema { name, violation },
    })
}
