//! The call that starts an instance.

use crate::connection::{Parameter, text};

/// The arguments of `df.start`.
pub(crate) struct Start {
    pub(crate) graph: String,
    pub(crate) label: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) durability: Option<&'static str>,
}

impl Start {
    pub(crate) const SQL: &str = "SELECT df.start($1, label => $2, database => $3, idempotency_key => $4, \
                                  durability => $5)";

    pub(crate) fn parameters(&self) -> [Parameter<'_>; 5] {
        [
            text(&self.graph),
            text(&self.label),
            text(&self.database),
            text(&self.idempotency_key),
            text(&self.durability),
        ]
    }

    pub(crate) fn idempotency_key(&self) -> &str {
        self.idempotency_key.as_deref().unwrap_or_default()
    }
}
