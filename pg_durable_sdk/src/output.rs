//! What a completed instance leaves behind.

use crate::OutputError;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;

/// The result of a completed instance: that of its last step.
///
/// Of an SQL step these are its rows, as JSON objects; [`json`](Self::json) has what any other step left:
/// an array of the branches' results after a fan-out, an object after a signal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Output {
    value: Value,
}

impl Output {
    pub(crate) fn new(value: Value) -> Self {
        Self { value }
    }

    /// The result as the server keeps it; of an SQL step `{"rows": […], "row_count": n}`.
    pub fn json(&self) -> &Value {
        &self.value
    }

    /// The result as the server keeps it.
    pub fn into_json(self) -> Value {
        self.value
    }

    /// The rows of an SQL step, as objects; none of any other step.
    pub fn rows(&self) -> &[Value] {
        self.sql_rows().unwrap_or_default()
    }

    /// The rows of an SQL step, each as a `T`; of any other step its value as the only one.
    ///
    /// Rows of one column may also be read as the type of that column.
    pub fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, OutputError> {
        match self.sql_rows() {
            Some(rows) => rows.iter().map(read_row).collect(),
            None => Ok(vec![T::deserialize(&self.value).map_err(OutputError::Shape)?]),
        }
    }

    /// The only row of an SQL step as a `T`, or the value of any other step.
    ///
    /// A row of one column may also be read as the type of that column. Errs where there is no row, or more
    /// than one.
    ///
    /// ```no_run
    /// # async fn read(run: pg_durable_sdk::Run) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Invoice { id: i64, amount: String }
    ///
    /// let output = run.result().await?;
    /// let invoice: Invoice = output.one()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn one<T: DeserializeOwned>(&self) -> Result<T, OutputError> {
        let mut all = self.all()?;
        match (all.len(), all.pop()) {
            (1, Some(only)) => Ok(only),
            (count, _) => Err(OutputError::RowCount(count)),
        }
    }

    fn sql_rows(&self) -> Option<&[Value]> {
        let object = self.value.as_object()?;
        match (object.get("rows"), object.get("row_count")) {
            (Some(Value::Array(rows)), Some(Value::Number(_))) => Some(rows),
            _ => None,
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

fn read_row<T: DeserializeOwned>(row: &Value) -> Result<T, OutputError> {
    T::deserialize(row).or_else(|error| {
        match row.as_object().map(|columns| (columns.len(), columns.values().next())) {
            Some((1, Some(column))) => T::deserialize(column).map_err(|_| OutputError::Shape(error)),
            _ => Err(OutputError::Shape(error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(rows: Value) -> Output {
        let count = rows.as_array().unwrap().len();
        Output::new(json!({"rows": rows, "row_count": count}))
    }

    #[test]
    fn one_reads_rows_columns_and_values() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Hold {
            id: i64,
        }
        let output = rows(json!([{"id": 7}]));
        assert_eq!(output.one::<Hold>().unwrap(), Hold { id: 7 });
        assert_eq!(output.one::<i64>().unwrap(), 7);
        assert_eq!(output.rows().len(), 1);
        assert_eq!(Output::new(json!([1, 2])).one::<Vec<i64>>().unwrap(), [1, 2]);
        assert!(Output::new(Value::Null).one::<Option<i64>>().unwrap().is_none());
    }

    #[test]
    fn one_is_exactly_one() {
        assert!(matches!(rows(json!([])).one::<i64>(), Err(OutputError::RowCount(0))));
        assert!(matches!(rows(json!([{"n": 1}, {"n": 2}])).one::<i64>(), Err(OutputError::RowCount(2))));
        assert!(matches!(rows(json!([{"n": "x"}])).one::<i64>(), Err(OutputError::Shape(_))));
    }
}
