//! What references stand for, and text with what they stand for in their place.

use std::borrow::Cow;

use serde_json::Value;

use super::{Context, Field, INPUT, Piece, Reference, Template, literal_text};
use crate::columns;
use crate::limits::EXPANDED_MAX;
use crate::outcome::{Column, Outcome};
use crate::vars::TooLong;

/// The most rows that `$name.*` stands for.
pub const MAX_ROWS: usize = 10_000;

/// What the name of a reference stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source<'a> {
    /// What a node left behind.
    Result(&'a Outcome),
    /// The instance's input: a JSON document, whatever its shape.
    Input(&'a Value),
}

impl<'a> From<&'a Outcome> for Source<'a> {
    fn from(outcome: &'a Outcome) -> Source<'a> {
        Source::Result(outcome)
    }
}

/// What a reference stands for, and what of its text it does not stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'a> {
    /// What the reference stands for.
    pub resolved: Resolved<'a>,
    /// Text that stays behind it: what follows a column that is no JSON document is left to the server (a field of a
    /// composite type, say), and what follows a scalar inside a literal is not meant.
    pub rest: String,
}

impl<'a> From<Resolved<'a>> for Found<'a> {
    fn from(resolved: Resolved<'a>) -> Found<'a> {
        Found { resolved, rest: String::new() }
    }
}

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved<'a> {
    /// One value; `null` where a column holds that of JSON, which is not NULL.
    Value {
        /// The value.
        value: &'a Value,
        /// The SQL type of the column it came from, where it came from one.
        type_name: Option<&'a str>,
    },
    /// All of a result that has no rows, a `jsonb` by nature. As text it is its JSON text, so that a string
    /// keeps its quotes.
    Document(&'a Value),
    /// A part of a JSON document, never `null`; `None` is NULL. The context decides the SQL type.
    Part(Option<&'a Value>),
    /// NULL.
    Null {
        /// The SQL type of the column it came from, where it came from one.
        type_name: Option<&'a str>,
    },
    /// A row source.
    Rows {
        /// The rows, each an object; at most [`MAX_ROWS`].
        rows: &'a [Value],
        /// The columns in the order of the result.
        columns: Option<&'a [Column]>,
    },
}

/// A reference that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is no first row.
    #[error("{0} has no rows \u{2014} query returned zero results")]
    NoRows(Reference),
    /// The first row has no columns.
    #[error("{0} has no columns")]
    NoColumns(Reference),
    /// The first column is NULL.
    #[error("{0} is NULL \u{2014} first column of first row is NULL")]
    FirstIsNull(Reference),
    /// The column is NULL.
    #[error("{0} is NULL")]
    ColumnIsNull(Reference),
    /// There is no such column or member.
    #[error("{reference}: result has no field '{field}' (available: {})", available.join(", "))]
    NoField {
        /// The reference.
        reference: Reference,
        /// What it asks for.
        field: String,
        /// What there is.
        available: Vec<String>,
    },
    /// Several columns have the name.
    #[error("{reference}: the result has {} columns of the name '{field}'", members.len())]
    Ambiguous {
        /// The reference.
        reference: Reference,
        /// What it asks for.
        field: String,
        /// The members that stand for them.
        members: Vec<String>,
    },
    /// The reference goes into something that is no object.
    #[error("{reference}: {at} is {kind}, not an object")]
    NotObject {
        /// The reference.
        reference: Reference,
        /// The part that is no object.
        at: String,
        /// What it is.
        kind: &'static str,
    },
    /// `$input` in an instance that has none.
    #[error("{0}: the instance was started without input")]
    NoInput(Reference),
    /// Too much for `$name.*`.
    #[error(
        "{reference} \u{2014} result has {rows} rows, exceeding the maximum of {MAX_ROWS} for row-set expansion. Use pagination or intermediate tables for large result sets."
    )]
    TooManyRows {
        /// The reference.
        reference: Reference,
        /// How many there are.
        rows: usize,
    },
    /// `$name.*` of something that has no rows.
    #[error("{0} \u{2014} invalid result format")]
    NotRows(Reference),
    /// The reference stands where no value may: see [`Context::Refused`].
    #[error("{0} stands in a body of code in which a value could become code")]
    InCode(Reference),
    /// The text would become too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

impl ReferenceError {
    /// Its SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            ReferenceError::Ambiguous { .. } => "42702",
            ReferenceError::NoRows(_)
            | ReferenceError::NoColumns(_)
            | ReferenceError::FirstIsNull(_)
            | ReferenceError::ColumnIsNull(_)
            | ReferenceError::NoField { .. }
            | ReferenceError::NotObject { .. }
            | ReferenceError::NoInput(_)
            | ReferenceError::TooManyRows { .. }
            | ReferenceError::NotRows(_)
            | ReferenceError::InCode(_)
            | ReferenceError::TooLong(_) => "22023",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let nullable =
            |reference: &Reference| Some(format!("Write {reference}? where NULL is meant to pass."));
        match self {
            ReferenceError::NoRows(reference)
            | ReferenceError::FirstIsNull(reference)
            | ReferenceError::ColumnIsNull(reference) => nullable(reference),
            ReferenceError::NoField { .. } => Some("Names of columns are case-sensitive.".to_owned()),
            ReferenceError::Ambiguous { reference, members, .. } => {
                let written: Vec<String> =
                    members.iter().skip(1).map(|member| format!("${}.{member}", reference.name)).collect();
                Some(format!(
                    "Give each column a name of its own, with AS. Those after the first are {}.",
                    written.join(", ")
                ))
            }
            ReferenceError::NotObject { .. } => Some("Refer to the part itself.".to_owned()),
            ReferenceError::NoInput(_) => {
                Some("Give it one: df.start(..., input => '{...}'), or df.run(name, input).".to_owned())
            }
            ReferenceError::NotRows(reference) if reference.name == INPUT => {
                Some(format!("Use jsonb_to_recordset(${INPUT}.member) AS x(column type, ...)."))
            }
            ReferenceError::NotRows(reference) => {
                Some(format!("Only the result of SQL has rows; ${} has not.", reference.name))
            }
            ReferenceError::InCode(_) => Some(
                "Write the body in dollar quotes, as in DO $body$ ... $body$. One in another language than SQL and PL/pgSQL reads values from a table or with current_setting()."
                    .to_owned(),
            ),
            ReferenceError::NoColumns(_)
            | ReferenceError::TooManyRows { .. }
            | ReferenceError::TooLong(_) => None,
        }
    }
}

/// Finds what a reference stands for in what its name stands for.
pub fn resolve<'a>(
    reference: &Reference,
    source: Source<'a>,
    context: Context,
) -> Result<Found<'a>, ReferenceError> {
    if context == Context::Refused {
        return Err(ReferenceError::InCode(reference.clone()));
    }
    let input = match (source, &reference.field) {
        (Source::Result(outcome), Field::Deep(path)) => return deep(reference, path, outcome, context),
        (Source::Result(outcome), _) => return result(reference, outcome).map(Found::from),
        (Source::Input(input), _) => input,
    };
    match &reference.field {
        Field::First if input.is_null() => {
            null(reference, || ReferenceError::ColumnIsNull(reference.clone()))
        }
        Field::First => Ok(Resolved::Document(input).into()),
        Field::Column(column) => follow(reference, input, [column.as_str()], &[], context),
        Field::Deep(path) => follow(reference, input, path.iter().map(String::as_str), &[], context),
        Field::Rows => Err(ReferenceError::NotRows(reference.clone())),
    }
}

/// NULL where that is meant to pass.
fn null<'a>(
    reference: &Reference,
    otherwise: impl FnOnce() -> ReferenceError,
) -> Result<Found<'a>, ReferenceError> {
    if reference.nullable { Ok(Resolved::Part(None).into()) } else { Err(otherwise()) }
}

/// `$name.column.member…` in a result.
fn deep<'a>(
    reference: &Reference,
    path: &[String],
    outcome: &'a Outcome,
    context: Context,
) -> Result<Found<'a>, ReferenceError> {
    let (column_name, members) = path.split_first().expect("a path has at least two names");
    let rows = match outcome.value.get("rows") {
        Some(Value::Array(rows)) => Some(rows.as_slice()),
        _ => None,
    };
    let columns = outcome.columns.as_deref().map(Vec::as_slice);
    let type_name = columns
        .filter(|_| rows.is_some())
        .and_then(|columns| columns::of_member(columns, column_name))
        .map(|column| column.type_name.as_str());
    if type_name.is_some_and(|name| !is_json_type(name)) {
        // The column has an SQL type: what follows is for the server, a field of a composite type, say.
        let whole = column(reference, column_name, rows.unwrap_or_default(), columns)?;
        let question = if context.is_quoted() && reference.nullable { "?" } else { "" };
        return Ok(Found { resolved: whole, rest: rest_of(members) + question });
    }
    let whole = match rows {
        Some(rows) => column(reference, column_name, rows, columns)?,
        None => member(reference, column_name, &outcome.value, None)?,
    };
    let members = members.iter().map(String::as_str);
    match whole {
        Resolved::Value { value, .. } => follow(reference, value, members, &[column_name], context),
        Resolved::Document(_) | Resolved::Part(_) | Resolved::Null { .. } | Resolved::Rows { .. } => {
            Ok(Resolved::Part(None).into())
        }
    }
}

fn is_json_type(name: &str) -> bool {
    matches!(name, "json" | "jsonb" | "pg_catalog.json" | "pg_catalog.jsonb")
}

fn rest_of(members: &[impl AsRef<str>]) -> String {
    members.iter().flat_map(|member| [".", member.as_ref()]).collect()
}

/// Follows members into a JSON document. `before` is the way to the document.
fn follow<'a, 'n>(
    reference: &Reference,
    document: &'a Value,
    members: impl IntoIterator<Item = &'n str>,
    before: &[&str],
    context: Context,
) -> Result<Found<'a>, ReferenceError> {
    let members: Vec<&str> = members.into_iter().collect();
    let mut at = document;
    for (place, member) in members.iter().enumerate() {
        let Value::Object(object) = at else {
            let is_text = context.is_quoted() && !at.is_null();
            if is_text && (place > 0 || !before.is_empty()) {
                let question = if reference.nullable { "?" } else { "" };
                let rest = rest_of(&members[place..]) + question;
                return Ok(Found { resolved: Resolved::Part(Some(at)), rest });
            }
            return null(reference, || ReferenceError::NotObject {
                reference: reference.clone(),
                at: format!("${}{}{}", reference.name, rest_of(before), rest_of(&members[..place])),
                kind: kind_of(at),
            });
        };
        let Some(inner) = object.get(*member) else {
            return null(reference, || ReferenceError::NoField {
                reference: reference.clone(),
                field: (*member).to_owned(),
                available: object.keys().cloned().collect(),
            });
        };
        at = inner;
    }
    match at {
        Value::Null => null(reference, || ReferenceError::ColumnIsNull(reference.clone())),
        value => Ok(Resolved::Part(Some(value)).into()),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whatever of a result is not [`Field::Deep`].
fn result<'a>(reference: &Reference, outcome: &'a Outcome) -> Result<Resolved<'a>, ReferenceError> {
    let rows = match outcome.value.get("rows") {
        Some(Value::Array(rows)) => Some(rows.as_slice()),
        _ => None,
    };
    let columns = outcome.columns.as_deref().map(Vec::as_slice);
    match (&reference.field, rows) {
        (Field::First, Some(rows)) => first(reference, rows, columns),
        (Field::First, None) if outcome.value.is_null() => match reference.nullable {
            true => Ok(Resolved::Null { type_name: None }),
            false => Err(ReferenceError::ColumnIsNull(reference.clone())),
        },
        (Field::First, None) => Ok(Resolved::Document(&outcome.value)),
        (Field::Column(field), Some(rows)) => column(reference, field, rows, columns),
        (Field::Deep(path), _) => Ok(deep(reference, path, outcome, Context::Code)?.resolved),
        (Field::Column(field), None) => member(reference, field, &outcome.value, None),
        (Field::Rows, Some(rows)) if rows.len() > MAX_ROWS => {
            Err(ReferenceError::TooManyRows { reference: reference.clone(), rows: rows.len() })
        }
        (Field::Rows, Some(rows)) if rows.iter().all(Value::is_object) => {
            Ok(Resolved::Rows { rows, columns })
        }
        (Field::Rows, Some(_) | None) => Err(ReferenceError::NotRows(reference.clone())),
    }
}

fn first<'a>(
    reference: &Reference,
    rows: &'a [Value],
    columns: Option<&'a [Column]>,
) -> Result<Resolved<'a>, ReferenceError> {
    let first_column = columns.and_then(<[Column]>::first);
    let type_name = first_column.map(|column| column.type_name.as_str());
    let Some(row) = rows.first() else {
        return match reference.nullable {
            true => Ok(Resolved::Null { type_name }),
            false => Err(ReferenceError::NoRows(reference.clone())),
        };
    };
    let value = match (row, first_column) {
        (Value::Object(members), Some(column)) => members.get(&column.name),
        (Value::Object(members), None) => members.values().next(),
        (other, _) => Some(other),
    };
    match value {
        None => Err(ReferenceError::NoColumns(reference.clone())),
        Some(value @ Value::Null) if first_column.is_some_and(|column| column.is_json_null(0)) => {
            Ok(Resolved::Value { value, type_name })
        }
        Some(Value::Null) if reference.nullable => Ok(Resolved::Null { type_name }),
        Some(Value::Null) => Err(ReferenceError::FirstIsNull(reference.clone())),
        Some(value) => Ok(Resolved::Value { value, type_name }),
    }
}

fn column<'a>(
    reference: &Reference,
    field: &str,
    rows: &'a [Value],
    columns: Option<&'a [Column]>,
) -> Result<Resolved<'a>, ReferenceError> {
    let members = columns.map(|columns| columns::ambiguous(columns, field)).unwrap_or_default();
    if !members.is_empty() {
        let (reference, field) = (reference.clone(), field.to_owned());
        return Err(ReferenceError::Ambiguous { reference, field, members });
    }
    let column = columns.and_then(|columns| columns::of_member(columns, field));
    let type_name = column.map(|column| column.type_name.as_str());
    if let Some(row) = rows.first() {
        if let (Some(value @ Value::Null), true) =
            (row.get(field), column.is_some_and(|it| it.is_json_null(0)))
        {
            return Ok(Resolved::Value { value, type_name });
        }
        return member(reference, field, row, type_name);
    }
    // Without a row the columns still tell a typing error from a query that found nothing.
    match columns {
        _ if reference.nullable => Ok(Resolved::Null { type_name }),
        Some(columns) if column.is_none() => Err(ReferenceError::NoField {
            reference: reference.clone(),
            field: field.to_owned(),
            available: columns::members(columns),
        }),
        Some(_) | None => Err(ReferenceError::NoRows(reference.clone())),
    }
}

fn member<'a>(
    reference: &Reference,
    field: &str,
    value: &'a Value,
    type_name: Option<&'a str>,
) -> Result<Resolved<'a>, ReferenceError> {
    match value.get(field) {
        None | Some(Value::Null) if reference.nullable => Ok(Resolved::Null { type_name }),
        Some(Value::Null) => Err(ReferenceError::ColumnIsNull(reference.clone())),
        Some(value) => Ok(Resolved::Value { value, type_name }),
        None => Err(ReferenceError::NoField {
            reference: reference.clone(),
            field: field.to_owned(),
            available: value.as_object().map_or_else(Vec::new, |members| members.keys().cloned().collect()),
        }),
    }
}

impl Resolved<'_> {
    /// The text of one value as it stands inside other text, NULL as `NULL`. Rows become a JSON array.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Resolved::Value { value: Value::Null, .. } => Cow::Borrowed("null"),
            Resolved::Value { value, .. } | Resolved::Part(Some(value)) => literal_text(value),
            Resolved::Document(value) => Cow::Owned(value.to_string()),
            Resolved::Null { .. } | Resolved::Part(None) => Cow::Borrowed("NULL"),
            Resolved::Rows { rows, .. } => Cow::Owned(Value::Array(rows.to_vec()).to_string()),
        }
    }
}

/// Puts the raw text of every value in, for text that is not SQL. A name that `lookup` does not find stays.
pub fn render_text<'o>(
    template: &Template,
    lookup: impl Fn(&str) -> Option<Source<'o>>,
) -> Result<String, ReferenceError> {
    let mut out = String::new();
    for piece in &template.pieces {
        if out.len() > EXPANDED_MAX {
            return Err(TooLong.into());
        }
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Param(number) => out.push_str(&format!("${number}")),
            Piece::Reference { reference, context } => match lookup(&reference.name) {
                Some(source) => {
                    let found = resolve(reference, source, *context)?;
                    out.push_str(&found.resolved.text());
                    out.push_str(&found.rest);
                }
                None => out.push_str(&reference.to_string()),
            },
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::Layout;

    fn reference(text: &str) -> Reference {
        let template = Template::parse_text(text, |_| true);
        let found = template.references().next().map(|(reference, _)| reference.clone());
        found.expect("the text is a reference")
    }

    fn shop() -> Outcome {
        let columns = [("id", "bigint"), ("region", "text"), ("gone", "date")];
        Outcome {
            // Members in another order than the columns, as a `jsonb` may give them back.
            value: json!({"rows": [{"gone": null, "region": "eu", "id": 7}, {"gone": null, "region": "us", "id": 8}], "row_count": 2}),
            columns: Some(Arc::new(columns.map(|(name, type_name)| Column::new(name, type_name)).to_vec())),
            branches: None,
        }
    }

    fn shown(text: &str, outcome: &Outcome) -> String {
        match resolve(&reference(text), outcome.into(), Context::Code).map(|found| found.resolved) {
            Ok(Resolved::Part(part)) => format!("part {part:?}"),
            Ok(Resolved::Value { value, type_name }) => format!("{value} {}", type_name.unwrap_or("-")),
            Ok(Resolved::Document(value)) => format!("document {value}"),
            Ok(Resolved::Null { type_name }) => format!("NULL {}", type_name.unwrap_or("-")),
            Ok(Resolved::Rows { rows, columns }) => {
                format!("{} rows {} columns", rows.len(), columns.map_or(0, <[Column]>::len))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn references_resolve_to_typed_values() {
        let empty = Outcome { value: json!({"rows": [], "row_count": 0}), ..shop() };
        let first_null = Outcome { value: json!({"rows": [{"id": null}], "row_count": 1}), ..shop() };
        let untyped = Outcome::plain(json!({"rows": [{"a": "x"}], "row_count": 1}));
        let bare = Outcome::plain(json!({"rows": [], "row_count": 0}));
        let signal = Outcome::plain(json!({"approved": true, "by": null}));
        for (outcome, text, expected) in [
            (&shop(), "$s", "7 bigint"),
            (&shop(), "$s?", "7 bigint"),
            (&shop(), "$s.region", "\"eu\" text"),
            (&shop(), "$s.gone", "$s.gone is NULL"),
            (&shop(), "$s.gone?", "NULL date"),
            (&shop(), "$s.nope", "$s.nope: result has no field 'nope' (available: gone, region, id)"),
            (&shop(), "$s.nope?", "NULL -"),
            (&shop(), "$s.*", "2 rows 3 columns"),
            (&empty, "$s", "$s has no rows — query returned zero results"),
            (&empty, "$s?", "NULL bigint"),
            (&empty, "$s.region", "$s.region has no rows — query returned zero results"),
            (&empty, "$s.region?", "NULL text"),
            (&empty, "$s.nope", "$s.nope: result has no field 'nope' (available: id, region, gone)"),
            (&empty, "$s.*", "0 rows 3 columns"),
            (&first_null, "$s", "$s is NULL — first column of first row is NULL"),
            (&first_null, "$s?", "NULL bigint"),
            (&untyped, "$s", "\"x\" -"),
            (&untyped, "$s.a", "\"x\" -"),
            (&bare, "$s.a", "$s.a has no rows — query returned zero results"),
            (&signal, "$s", "document {\"approved\":true,\"by\":null}"),
            (&signal, "$s.approved", "true -"),
            (&signal, "$s.by", "$s.by is NULL"),
            (&signal, "$s.by?", "NULL -"),
            (&signal, "$s.no", "$s.no: result has no field 'no' (available: approved, by)"),
            (&signal, "$s.*", "$s.* — invalid result format"),
            (&Outcome::plain(json!("text")), "$s", "document \"text\""),
            (&Outcome::plain(json!(null)), "$s", "$s is NULL"),
            (&Outcome::plain(json!(null)), "$s?", "NULL -"),
        ] {
            assert_eq!(shown(text, outcome), expected, "{text}");
        }
    }

    #[test]
    fn the_null_of_json_is_a_value() {
        let column = Column { json_nulls: vec![0], ..Column::new("doc", "jsonb") };
        let layout = Layout::Rows(vec![column, Column::new("none", "jsonb")]);
        let rows = json!({"rows": [{"doc": null, "none": null}], "row_count": 1});
        let outcome = Outcome::with_layout(rows, Some(layout));
        for (text, expected) in [
            ("$s", "null jsonb"),
            ("$s.doc", "null jsonb"),
            ("$s.doc?", "null jsonb"),
            ("$s.none?", "NULL jsonb"),
            ("$s.none", "$s.none is NULL"),
            ("$s.doc.x?", "part None"),
            ("$s.doc.x", "$s.doc.x: $s.doc is null, not an object"),
        ] {
            assert_eq!(shown(text, &outcome), expected, "{text}");
        }
        let found = resolve(&reference("$s.doc"), (&outcome).into(), Context::Literal);
        assert_eq!(found.expect("it is there").resolved.text(), "null");
    }

    #[test]
    fn paths_go_into_documents() {
        let order = json!({"id": 7, "sku": "A-1", "who": {"name": "Ann", "mail": null, "tags": ["x"]}});
        let signal = Outcome::plain(json!({"signal_name": "s", "timed_out": false, "data": order}));
        let column = |name: &str, type_name: &str| Column::new(name, type_name);
        let rows = Outcome {
            value: json!({"rows": [{"doc": order, "pair": {"name": "p"}, "file": "a"}], "row_count": 1}),
            columns: Some(Arc::new(vec![
                column("doc", "pg_catalog.jsonb"),
                column("pair", "public.pair"),
                column("file", "text"),
            ])),
            branches: None,
        };
        let check = |source: Source<'_>, context: Context, text: &str, expected: &str| {
            let reference = reference(text);
            let found = match resolve(&reference, source, context) {
                Err(error) => error.to_string(),
                Ok(found) => match found.resolved {
                    Resolved::Part(part) => format!("part {}{}", part.unwrap_or(&Value::Null), found.rest),
                    Resolved::Document(value) => format!("document {value}{}", found.rest),
                    other => format!("{}{}", other.text(), found.rest),
                },
            };
            assert_eq!(found, expected, "{text}");
        };
        for (text, expected) in [
            ("$s.data.id", "part 7"),
            ("$s.data.who.name", "part \"Ann\""),
            ("$s.data.who.tags", "part [\"x\"]"),
            ("$s.data.who.mail", "$s.data.who.mail is NULL"),
            ("$s.data.who.mail?", "part null"),
            ("$s.data.nope.x", "$s.data.nope.x: result has no field 'nope' (available: id, sku, who)"),
            ("$s.data.nope.x?", "part null"),
            ("$s.data.id.x", "$s.data.id.x: $s.data.id is a number, not an object"),
            ("$s.data.id.x?", "part null"),
            ("$s.nope.x", "$s.nope.x: result has no field 'nope' (available: signal_name, timed_out, data)"),
            ("$s.nope.x?", "part null"),
        ] {
            check((&signal).into(), Context::Code, text, expected);
        }
        for (text, expected) in [
            ("$s.doc.who.name", "part \"Ann\""),
            ("$s.pair.name", "{\"name\":\"p\"}.name"),
            ("$s.file.csv", "a.csv"),
        ] {
            check((&rows).into(), Context::Code, text, expected);
        }
        for (text, expected) in [
            ("$s.doc.who.name.txt", "part \"Ann\".txt"),
            ("$s.doc.who.name.txt?", "part \"Ann\".txt?"),
            ("$s.file.csv?", "a.csv?"),
            ("$s.doc.who.mail.x", "$s.doc.who.mail.x: $s.doc.who.mail is null, not an object"),
        ] {
            check((&rows).into(), Context::Literal, text, expected);
        }
        for (text, expected) in [
            ("$s", &*format!("document {order}")),
            ("$s.id", "part 7"),
            ("$s.who.name", "part \"Ann\""),
            ("$s.who.mail?", "part null"),
            ("$s.sku.x", "$s.sku.x: $s.sku is a string, not an object"),
            ("$s.*", "$s.* \u{2014} invalid result format"),
        ] {
            check(Source::Input(&order), Context::Code, text, expected);
        }
        // An input of the shape of a result is a document all the same.
        let rows = json!({"rows": [{"a": 1}], "row_count": 1});
        check(Source::Input(&rows), Context::Code, "$s.rows", "part [{\"a\":1}]");
        check(Source::Input(&json!("x")), Context::Code, "$s.a", "$s.a: $s is a string, not an object");
        check(Source::Input(&json!(null)), Context::Code, "$s?", "part null");
    }

    #[test]
    fn row_sources_are_bounded() {
        let rows = |n| Outcome::plain(json!({"rows": vec![json!({"a": 1}); n], "row_count": n}));
        assert_eq!(shown("$s.*", &rows(MAX_ROWS)), "10000 rows 0 columns");
        assert_eq!(
            shown("$s.*", &rows(MAX_ROWS + 1)),
            "$s.* — result has 10001 rows, exceeding the maximum of 10000 for row-set expansion. Use pagination or intermediate tables for large result sets."
        );
    }

    #[test]
    fn text_is_rendered_without_quotes() {
        let (shop, signal) = (shop(), Outcome::plain(json!("hi")));
        let render = |text: &str| {
            let template = Template::parse_text(text, |name| ["shop", "signal", "lost"].contains(&name));
            render_text(&template, |name| match name {
                "shop" => Some(Source::Result(&shop)),
                "signal" => Some(Source::Result(&signal)),
                _ => None,
            })
        };
        for (text, expected) in [
            ("it's $shop.region -- $shop", "it's eu -- 7"),
            ("$shop.gone? $signal", "NULL \"hi\""),
            ("$lost.x? $other $1", "$lost.x? $other $1"),
            ("{\"id\":$shop}", "{\"id\":7}"),
        ] {
            assert_eq!(render(text).as_deref(), Ok(expected));
        }
        assert!(render("$shop.gone").is_err());
    }
}
