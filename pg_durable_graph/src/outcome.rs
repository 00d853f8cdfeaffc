//! What a node left behind: a JSON value, with the SQL types of its columns where it came from SQL.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The stored outcome of a completed node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// For SQL `{"rows": [{column: value, …}, …], "row_count": n}`; the other shapes are listed in `docs/sql.md`.
    pub value: Value,
    /// The columns of `value`'s rows, in the order of the result; `None` where the value is not SQL's.
    pub columns: Option<Arc<Vec<Column>>>,
}

/// One column of an SQL result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// The column's name as the result had it.
    pub name: String,
    /// The type, schema-qualified and with its modifier, as `format_type` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
}

#[cfg(feature = "engine")]
impl Outcome {
    /// What a JOIN leaves behind that has waited for all: of each branch what it has completed with, or why it has failed.
    pub fn settled(ends: &[Result<Arc<Outcome>, Arc<crate::failure::Failure>>]) -> Outcome {
        let told = ends.iter().map(|end| match end {
            Ok(outcome) => serde_json::json!({"status": "completed", "result": outcome.value}),
            Err(failure) => serde_json::json!({"status": "failed", "error": failure.as_value()}),
        });
        Outcome::plain(told.collect())
    }
}

impl Outcome {
    /// A value that did not come from SQL.
    pub fn plain(value: Value) -> Outcome {
        Outcome { value, columns: None }
    }

    /// The value and its columns as `df.nodes` and the results of instances have them.
    pub fn to_json(&self) -> (String, Option<String>) {
        let columns = self.columns.as_deref();
        let columns = columns.map(|columns| serde_json::to_string(columns).expect("columns are always JSON"));
        (self.value.to_string(), columns)
    }
}
