//! Arguments that several functions take.

use crate::pg::gucs::Durability;

/// An argument that says nothing we know.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    #[error("{0} must not be NULL")]
    Null(&'static str),
    #[error("invalid transaction_mode \"{0}\" for df.start(): expected 'caller' or 'new'")]
    TransactionMode(String),
    #[error("invalid durability \"{0}\" for df.start(): expected 'step' or 'barrier'")]
    Durability(String),
}

/// In whose transaction something starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionMode {
    /// In the caller's, so that it starts when that commits.
    Caller,
    /// In one of its own, at once, whatever becomes of the caller's.
    New,
}

/// An argument that must be given.
pub fn given<T>(argument: Option<T>, name: &'static str) -> Result<T, ArgumentError> {
    argument.ok_or(ArgumentError::Null(name))
}

/// The mode of this name; `None` is the caller's.
pub fn transaction_mode(text: Option<&str>) -> Result<TransactionMode, ArgumentError> {
    let text = text.unwrap_or("caller");
    match text.to_ascii_lowercase().as_str() {
        "caller" => Ok(TransactionMode::Caller),
        "new" => Ok(TransactionMode::New),
        _ => Err(ArgumentError::TransactionMode(text.to_owned())),
    }
}

/// The durability of this name.
pub fn durability(text: &str) -> Result<Durability, ArgumentError> {
    let text = text.to_ascii_lowercase();
    Durability::parse(&text).ok_or(ArgumentError::Durability(text))
}
