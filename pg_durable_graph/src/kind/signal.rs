//! SIGNAL: waits for a named message.

use std::time::Duration;

/// Consumes the oldest signal of this name, or waits for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Never empty.
    pub name: String,
    /// How long to wait; `None` waits for ever.
    pub timeout: Option<Duration>,
}
