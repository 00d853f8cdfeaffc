//! What a completed instance leaves behind.

use crate::{
    OutputError, ServerError, json,
    read::{self, Column, Reading, Whole, rows_of},
};
use pg_durable_graph::Layout;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Visitor},
};
use serde_json::Value;
use std::{fmt, sync::OnceLock};

/// The result of a completed instance: that of its last step.
///
/// Of an SQL step these are its rows, as JSON objects; [`json`](Self::json) has what any other step left:
/// an array of the branches' results after a fan-out, an object after a signal.
#[derive(Debug, Clone)]
pub struct Output {
    value: json::Value,
    /// The order, types and names of the columns, where the server has told them.
    layout: Option<Layout>,
    /// The value, once it is asked for.
    plain: OnceLock<Value>,
}

impl Output {
    /// A result of which only the JSON is known.
    pub(crate) fn new(value: json::Value) -> Self {
        Self { value, layout: None, plain: OnceLock::new() }
    }

    /// Reads the JSON of a result.
    pub(crate) fn parse(text: &str) -> Result<Self, ServerError> {
        json::Value::parse(text).map(Self::new).map_err(|_| ServerError::unexpected_answer())
    }

    /// Reads what `df._whole_result` tells.
    pub(crate) fn parse_whole(text: &str) -> Result<Self, ServerError> {
        let whole = json::Value::parse(text).ok().and_then(Self::from_whole);
        whole.ok_or_else(ServerError::unexpected_answer)
    }

    fn from_whole(whole: json::Value) -> Option<Self> {
        let json::Value::Object(mut whole) = whole else { return None };
        let layout = Layout::deserialize(whole.get("layout")?).ok();
        Some(Self { layout, ..Self::new(whole.remove("result")?) })
    }

    /// The same as one document, by which an [`Output`] within another type gets it.
    pub(crate) fn to_whole(value: &json::Value, layout: Option<&Layout>) -> String {
        let layout = layout.and_then(|layout| serde_json::to_string(layout).ok());
        let layout = layout.as_deref().unwrap_or("null");
        format!(r#"{{"{}":{{"result":{value},"layout":{layout}}}}}"#, read::WHOLE)
    }

    /// The result as the server keeps it; of an SQL step `{"rows": […], "row_count": n}`.
    ///
    /// A number of more digits than a `serde_json::Number` of your program keeps is a string of them, as `numeric` is; its digits are as
    /// they were in what [`read`](Self::read) reads, and in the text that an output is as `Display`. Members of objects are in the order
    /// of your program's objects; a tuple is read in the order of the columns.
    pub fn json(&self) -> &Value {
        self.plain.get_or_init(|| Value::from(&self.value))
    }

    /// The result as the server keeps it; see [`json`](Self::json).
    pub fn into_json(self) -> Value {
        self.plain.into_inner().unwrap_or_else(|| Value::from(&self.value))
    }

    /// The rows of an SQL step, as objects; none of any other step. They are part of [`json`](Self::json).
    pub fn rows(&self) -> &[Value] {
        let rows = rows_of(&self.value).and_then(|_| self.json()["rows"].as_array());
        rows.map_or(&[], Vec::as_slice)
    }

    /// The result as a `T`, as a typed [`Run`](crate::Run) reads it.
    ///
    /// | `T` | is read from |
    /// |---|---|
    /// | a struct or a map | the only row, by the names of its columns; or its only column, where that is a document |
    /// | a number, a text, an enum, `serde_json::Value`, a type of another crate … | the only column of the only row |
    /// | a tuple | the columns of the only row, in their order; or its only column, where that is an array |
    /// | `Option<T>` | the same, `None` where there is no row or its only column is NULL |
    /// | `Vec<T>` | all rows |
    /// | a tuple, or a `Vec<T>` | of a fan-out the branches' results, each as its own `T` |
    /// | `()` | anything |
    /// | [`Output`] | the result as it is |
    ///
    /// A field of a struct is read from the column of its name: one that no column has is an error, also as an `Option`, which is
    /// for NULL. Where it is to be left out, select `NULL AS note`.
    ///
    /// What is no result of SQL is read as any JSON. SQL's `numeric` comes as text, so that no digit is lost,
    /// and may be read as a Rust number as well as a `String`.
    ///
    /// ```no_run
    /// # async fn read(run: pg_durable_sdk::Run) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Invoice { id: i64, amount: f64 }
    ///
    /// let invoices: Vec<Invoice> = run.result().await?.read()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, OutputError> {
        Reading::of(|reading| {
            T::deserialize(Whole { value: &self.value, layout: self.layout.as_ref(), reading })
        })
    }

    /// The rows of an SQL step, each as a `T`; of any other step its value as the only one.
    ///
    /// Rows of one column may also be read as the type of that column.
    pub fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, OutputError> {
        match rows_of(&self.value) {
            Some(rows) => Reading::of(|reading| {
                read::all(rows, self.layout.as_ref(), reading).map(T::deserialize).collect()
            }),
            None => Ok(vec![T::deserialize(Column::of(&self.value))?]),
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
    /// struct Invoice { id: i64, amount: f64 }
    ///
    /// let output = run.result().await?;
    /// let invoice: Invoice = output.one()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn one<T: DeserializeOwned>(&self) -> Result<T, OutputError> {
        match rows_of(&self.value) {
            Some(rows) => {
                Reading::of(|reading| T::deserialize(read::only(rows, self.layout.as_ref(), reading)?))
            }
            None => T::deserialize(Column::of(&self.value)),
        }
    }
}

/// By its JSON.
impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// As its JSON.
impl Serialize for Output {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// Takes the whole result as it is.
impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = Output;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a result")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, whole: D) -> Result<Output, D::Error> {
                // Who reads it from JSON of its own has the value alone.
                Ok(match json::Value::deserialize(whole)? {
                    json::Value::Object(mut members) => {
                        let known = members.remove(read::WHOLE).and_then(Output::from_whole);
                        known.unwrap_or_else(|| Output::new(json::Value::Object(members)))
                    }
                    value => Output::new(value),
                })
            }
        }

        deserializer.deserialize_newtype_struct(read::WHOLE, Whole)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(rows: Value) -> Output {
        let count = rows.as_array().unwrap().len();
        Output::new(json!({"rows": rows, "row_count": count}).into())
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
        assert_eq!(Output::new(json!([1, 2]).into()).one::<Vec<i64>>().unwrap(), [1, 2]);
        assert!(Output::new(json::Value::Null).one::<Option<i64>>().unwrap().is_none());
    }

    #[test]
    fn one_is_exactly_one() {
        assert!(matches!(rows(json!([])).one::<i64>(), Err(OutputError::RowCount(0))));
        assert!(matches!(rows(json!([{"n": 1}, {"n": 2}])).one::<i64>(), Err(OutputError::RowCount(2))));
        assert!(matches!(rows(json!([{"n": "x"}])).one::<i64>(), Err(OutputError::Shape { .. })));
    }
}
