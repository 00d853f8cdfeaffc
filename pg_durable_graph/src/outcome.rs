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
    /// Of a JOIN what is known of its branches' results, in their order.
    pub branches: Option<Arc<Vec<Option<Layout>>>>,
}

/// What JSON does not say of a result: its columns' order, types and names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Layout {
    /// Of rows.
    Rows(Vec<Column>),
    /// Of a JOIN: `None` for a branch whose result is not SQL's.
    Branches(Vec<Option<Layout>>),
}

/// One column of an SQL result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// The column's name as the result had it.
    pub name: String,
    /// The type, schema-qualified and with its modifier, as `format_type` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The rows, from 0, in which the column holds the JSON value `null`, which is not NULL and looks like it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json_nulls: Vec<u64>,
}

impl Column {
    /// A column of this name and type.
    pub fn new(name: impl Into<String>, type_name: impl Into<String>) -> Column {
        Column { name: name.into(), type_name: type_name.into(), json_nulls: Vec::new() }
    }

    /// Whether what looks like NULL in a row is the JSON value `null`.
    pub fn is_json_null(&self, row: usize) -> bool {
        self.json_nulls.binary_search(&(row as u64)).is_ok()
    }
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
        Outcome { value, columns: None, branches: None }
    }

    /// A value with what is known of it beside its JSON.
    pub fn with_layout(value: Value, layout: Option<Layout>) -> Outcome {
        let (columns, branches) = match layout {
            Some(Layout::Rows(columns)) => (Some(Arc::new(columns)), None),
            Some(Layout::Branches(branches)) => (None, Some(Arc::new(branches))),
            None => (None, None),
        };
        Outcome { value, columns, branches }
    }

    /// What a JOIN of these leaves behind.
    pub fn of_branches<'a>(branches: impl Iterator<Item = &'a Outcome> + Clone) -> Outcome {
        let value = branches.clone().map(|branch| branch.value.clone()).collect();
        let layouts = branches.map(Outcome::layout).collect();
        Outcome { value: Value::Array(value), columns: None, branches: Some(Arc::new(layouts)) }
    }

    /// What is known of it beside its JSON.
    pub fn layout(&self) -> Option<Layout> {
        let rows = || self.columns.as_deref().cloned().map(Layout::Rows);
        let branches = || self.branches.as_deref().cloned().map(Layout::Branches);
        rows().or_else(branches)
    }

    /// The value and its layout as `df.nodes` and the results of instances have them.
    pub fn to_json(&self) -> (String, Option<String>) {
        let text = |layout| serde_json::to_string(&layout).expect("columns are always JSON");
        (self.value.to_string(), self.layout().map(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn layouts_come_back_as_they_were() {
        let rows = || {
            Layout::Rows(vec![
                Column::new("v", "jsonb"),
                Column { json_nulls: vec![0, 2], ..Column::new("w", "json") },
            ])
        };
        let none = Layout::Rows(Vec::new());
        for layout in [
            None,
            Some(rows()),
            Some(none),
            Some(Layout::Branches(vec![None, Some(Layout::Branches(vec![Some(rows()), None]))])),
        ] {
            let outcome = Outcome::with_layout(json!([]), layout.clone());
            assert_eq!(outcome.layout(), layout);
            let stored = outcome.to_json().1;
            let read: Option<Layout> = stored.map(|text| serde_json::from_str(&text).expect("it is one"));
            assert_eq!(read, layout);
        }
        let Layout::Rows(columns) = rows() else { unreachable!("they are rows") };
        assert!(columns[1].is_json_null(2) && !columns[1].is_json_null(1) && !columns[0].is_json_null(0));
    }
}
