//! References to earlier results in text: `$name`, `$name.column`, `$name.column.member`, `$name?`, `$name.*`; the
//! instance's input, `$input`; and bound values, `$1`.
//!
//! A [`Template`] is text cut at its references, each with the [`Context`] that decides how its value is put in.
//! Values become SQL text only through [`sql_literal`], [`body_literal`] and [`Context::escape`].

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::lexer::{Lexer, TokenKind, continues_word, name_after_dollar};
use crate::name;
use crate::outcome::{Column, Outcome};

/// The most rows that `$name.*` stands for.
pub const MAX_ROWS: usize = 10_000;

/// Text with references.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// What the text consists of, in order; no two texts are neighbours.
    pub pieces: Vec<Piece>,
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Stays as it is.
    Text(String),
    /// Is replaced.
    Reference {
        /// What by.
        reference: Reference,
        /// Where it stands.
        context: Context,
    },
    /// A `$n` in code: the bound value of this number, from 1, which there may not be.
    Param(usize),
}

/// One reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The name of the result.
    pub name: String,
    /// What of it.
    pub field: Field,
    /// Whether a missing value is NULL (`?`) and not an error.
    pub nullable: bool,
}

/// What of a result a reference means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// `$name`: the first column of the first row; of a result without rows, all of it.
    First,
    /// `$name.column`: a column of the first row; of a result without rows, a member.
    Column(String),
    /// `$name.column.member…`: a part of the JSON document that a column, or a member, holds.
    ///
    /// All names after the first, at least two.
    Deep(Vec<String>),
    /// `$name.*`: all rows.
    Rows,
}

/// Where a reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// In code: an expression, or with `.*` a row source.
    Code,
    /// Inside `'…'`, or in text that is not SQL.
    Literal,
    /// Inside `E'…'`.
    EscapeLiteral,
    /// Inside a dollar-quoted body, which is code for somebody else.
    Body,
}

impl Template {
    /// Cuts SQL text. `is_known` tells names from other text that begins with `$`.
    pub fn parse(sql: &str, is_known: impl Fn(&str) -> bool) -> Template {
        Template::parse_bound(sql, 0, is_known)
    }

    /// Cuts SQL text that binds so many values: unless it binds none, each `$n` in code is a [`Piece::Param`].
    pub fn parse_bound(sql: &str, params: usize, is_known: impl Fn(&str) -> bool) -> Template {
        let mut cutter = Cutter { text: sql, copied: 0, pieces: Vec::new(), is_known };
        if !sql.contains('$') {
            return cutter.finish();
        }
        let mut lexer = Lexer::new(sql);
        while let Some(token) = lexer.next() {
            match token.kind {
                TokenKind::Name => {
                    if let Some(end) = cutter.cut(token.start, sql.len(), Context::Code) {
                        lexer.seek(end);
                    }
                }
                TokenKind::Literal => cutter.cut_within(token.start, token.end, Context::Literal),
                TokenKind::EscapeLiteral => cutter.cut_within(token.start, token.end, Context::EscapeLiteral),
                TokenKind::Dollar { delimiter, closed } => {
                    let end = token.end - if closed { delimiter } else { 0 };
                    cutter.cut_within(token.start + delimiter, end, Context::Body);
                }
                TokenKind::Space | TokenKind::Comment | TokenKind::Word | TokenKind::QuotedIdent => {}
                TokenKind::Symbol => {
                    if params > 0
                        && let Some(end) = cutter.cut_param(token.start)
                    {
                        lexer.seek(end);
                    }
                }
            }
        }
        cutter.finish()
    }

    /// Cuts text that is not SQL, so that quotes and comment signs mean nothing.
    pub fn parse_text(text: &str, is_known: impl Fn(&str) -> bool) -> Template {
        let mut cutter = Cutter { text, copied: 0, pieces: Vec::new(), is_known };
        cutter.cut_within(0, text.len(), Context::Literal);
        cutter.finish()
    }

    /// Whether anything is to be replaced.
    pub fn has_references(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The references with their contexts, in order.
    pub fn references(&self) -> impl Iterator<Item = (&Reference, Context)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) | Piece::Param(_) => None,
            Piece::Reference { reference, context } => Some((reference, *context)),
        })
    }
}

/// Collects pieces while a text is gone through.
struct Cutter<'a, F> {
    text: &'a str,
    /// How much of the text is in `pieces`.
    copied: usize,
    pieces: Vec<Piece>,
    is_known: F,
}

impl<F: Fn(&str) -> bool> Cutter<'_, F> {
    /// Looks for references between two bytes.
    fn cut_within(&mut self, start: usize, end: usize, context: Context) {
        let mut at = start;
        while let Some(found) = self.text[at..end].find('$') {
            let dollar = at + found;
            at = self.cut(dollar, end, context).unwrap_or(dollar + 1);
        }
    }

    /// Makes a piece of the reference at this `$`, which ends before `limit`, and says where it ends; `None` when
    /// it is none.
    fn cut(&mut self, dollar: usize, limit: usize, context: Context) -> Option<usize> {
        let rest = &self.text[dollar..limit];
        let len = name_after_dollar(rest)?;
        let bytes = rest.as_bytes();
        if context == Context::Body {
            // In code `a$b` is one identifier, and `$tag$` opens or closes a quote within the body.
            let inside_word = dollar > 0 && continues_word(self.text.as_bytes()[dollar - 1]);
            if inside_word || bytes.get(1 + len) == Some(&b'$') {
                return None;
            }
        }
        let name = &rest[1..1 + len];
        if !(self.is_known)(name) {
            return None;
        }
        let (field, mut end) = field_after(rest, 1 + len);
        let nullable = field != Field::Rows
            && bytes.get(end) == Some(&b'?')
            // `?|`, `?&` and `??` are operators.
            && !matches!(bytes.get(end + 1), Some(b'|' | b'&' | b'?'));
        end += usize::from(nullable);
        self.push_text(dollar);
        self.pieces.push(Piece::Reference {
            reference: Reference { name: name.to_owned(), field, nullable },
            context,
        });
        self.copied = dollar + end;
        Some(self.copied)
    }

    /// Makes a piece of the `$n` at this byte, and says where it ends; `None` when there is none.
    fn cut_param(&mut self, dollar: usize) -> Option<usize> {
        let after = self.text[dollar..].strip_prefix('$')?;
        let len = after.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return None;
        }
        self.push_text(dollar);
        self.pieces.push(Piece::Param(after[..len].parse().unwrap_or(usize::MAX)));
        self.copied = dollar + 1 + len;
        Some(self.copied)
    }

    fn push_text(&mut self, end: usize) {
        if self.copied < end {
            self.pieces.push(Piece::Text(self.text[self.copied..end].to_owned()));
            self.copied = end;
        }
    }

    fn finish(mut self) -> Template {
        self.push_text(self.text.len());
        Template { pieces: self.pieces }
    }
}

/// The `.column`, `.column.member…` or `.*` at this byte, and where it ends.
fn field_after(rest: &str, at: usize) -> (Field, usize) {
    let Some(after) = rest[at..].strip_prefix('.') else { return (Field::First, at) };
    if after.starts_with('*') {
        return (Field::Rows, at + 2);
    }
    let len = name::prefix_len(after);
    if len == 0 {
        return (Field::First, at);
    }
    let (mut path, mut end) = (vec![after[..len].to_owned()], at + 1 + len);
    while let Some(after) = rest[end..].strip_prefix('.') {
        let len = name::prefix_len(after);
        if len == 0 {
            break;
        }
        path.push(after[..len].to_owned());
        end += 1 + len;
    }
    match path.len() {
        1 => (Field::Column(path.remove(0)), end),
        _ => (Field::Deep(path), end),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.name)?;
        match &self.field {
            Field::First => {}
            Field::Column(column) => write!(f, ".{column}")?,
            Field::Deep(path) => write!(f, ".{}", path.join("."))?,
            Field::Rows => f.write_str(".*")?,
        }
        f.write_str(if self.nullable { "?" } else { "" })
    }
}

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
    /// One value, never `null`.
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
}

impl ReferenceError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let nullable =
            |reference: &Reference| Some(format!("Write {reference}? where NULL is meant to pass."));
        match self {
            ReferenceError::NoRows(reference)
            | ReferenceError::FirstIsNull(reference)
            | ReferenceError::ColumnIsNull(reference) => nullable(reference),
            ReferenceError::NoField { .. } => Some("Names of columns are case-sensitive.".to_owned()),
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
            ReferenceError::NoColumns(_) | ReferenceError::TooManyRows { .. } => None,
        }
    }
}

/// The name of the instance's input.
pub const INPUT: &str = "input";

/// Finds what a reference stands for in what its name stands for.
pub fn resolve<'a>(
    reference: &Reference,
    source: Source<'a>,
    context: Context,
) -> Result<Found<'a>, ReferenceError> {
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
        .and_then(|columns| columns.iter().find(|column| column.name == *column_name))
        .map(|column| column.type_name.as_str());
    if type_name.is_some_and(|name| !is_json_type(name)) {
        // The column has an SQL type: what follows is for the server, a field of a composite type, say.
        let whole = column(reference, column_name, rows.unwrap_or_default(), columns)?;
        let question = match context {
            Context::Literal | Context::EscapeLiteral if reference.nullable => "?",
            _ => "",
        };
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
            let is_text = matches!(context, Context::Literal | Context::EscapeLiteral) && !at.is_null();
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
    let column = columns.and_then(|columns| columns.iter().find(|column| column.name == field));
    let type_name = column.map(|column| column.type_name.as_str());
    if let Some(row) = rows.first() {
        return member(reference, field, row, type_name);
    }
    // Without a row the columns still tell a typing error from a query that found nothing.
    match columns {
        _ if reference.nullable => Ok(Resolved::Null { type_name }),
        Some(columns) if column.is_none() => Err(ReferenceError::NoField {
            reference: reference.clone(),
            field: field.to_owned(),
            available: columns.iter().map(|column| column.name.clone()).collect(),
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
            Resolved::Value { value, .. } | Resolved::Part(Some(value)) => literal_text(value),
            Resolved::Document(value) => Cow::Owned(value.to_string()),
            Resolved::Null { .. } | Resolved::Part(None) => Cow::Borrowed("NULL"),
            Resolved::Rows { rows, .. } => Cow::Owned(Value::Array(rows.to_vec()).to_string()),
        }
    }
}

impl Context {
    /// Escapes the text of a value so that it stays inside the literal that the reference stands in. In code and
    /// bodies, where there is no literal around it, this makes one.
    pub fn escape(self, text: &str) -> Cow<'_, str> {
        match self {
            Context::Literal if text.contains('\'') => Cow::Owned(text.replace('\'', "''")),
            Context::EscapeLiteral if text.contains(['\'', '\\']) => {
                Cow::Owned(text.replace('\\', "\\\\").replace('\'', "''"))
            }
            Context::Literal | Context::EscapeLiteral => Cow::Borrowed(text),
            Context::Code => Cow::Owned(quote(text)),
            Context::Body => Cow::Owned(quote_in_body(text)),
        }
    }
}

/// A value as an SQL literal: text and JSON quoted, numbers and booleans bare, `null` as NULL.
pub fn sql_literal(value: &Value) -> String {
    literal_with(value, quote)
}

/// [`sql_literal`] for the inside of a dollar-quoted body, which no value can end: it holds no `$`.
pub fn body_literal(value: &Value) -> String {
    literal_with(value, quote_in_body)
}

fn literal_with(value: &Value, quote: impl Fn(&str) -> String) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        // The space keeps the sign of a negative number from making a comment of a minus before it.
        Value::Number(number) if number.to_string().starts_with('-') => format!(" {number}"),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quote(text),
        Value::Array(_) | Value::Object(_) => quote(&value.to_string()),
    }
}

/// A text literal that means the same whatever `standard_conforming_strings` is.
fn quote(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

fn quote_in_body(text: &str) -> String {
    if !text.contains('$') {
        return quote(text);
    }
    let escaped = text.replace('\\', "\\\\").replace('\'', "''").replace('$', "\\044");
    format!("E'{escaped}'")
}

/// The raw text of a value: a string without quotes, anything else as JSON, `null` as `NULL`.
pub fn literal_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed("NULL"),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
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

    /// Writes a template back with every reference as `<context:reference>`.
    fn show(template: &Template) -> String {
        template
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Param(number) => format!("<${number}>"),
                Piece::Reference { reference, context } => {
                    let letter = match context {
                        Context::Code => 'C',
                        Context::Literal => 'L',
                        Context::EscapeLiteral => 'E',
                        Context::Body => 'B',
                    };
                    format!("<{letter}:{reference}>")
                }
            })
            .collect()
    }

    fn check(sql: &str, expected: &str) {
        let template = Template::parse(sql, |name| ["n", "name", "r"].contains(&name));
        assert_eq!(show(&template), expected, "{sql}");
        assert_eq!(template.has_references(), expected.contains('<'), "{sql}");
    }

    #[test]
    fn references_are_found_in_code() {
        check("", "");
        check("SELECT 1", "SELECT 1");
        check("SELECT $n", "SELECT <C:$n>");
        // `$n$` opens a dollar quote here, which is never closed.
        check("$n$r", "$n$r");
        check("$n, $name.id, $name", "<C:$n>, <C:$name.id>, <C:$name>");
        check("SELECT * FROM $r.*, t", "SELECT * FROM <C:$r.*>, t");
        check("$n.a.b", "<C:$n.a.b>");
        check("$n.a.b.c?, $n.a.*", "<C:$n.a.b.c?>, <C:$n.a>.*");
        check("$n.a.1 $n.a. b", "<C:$n.a>.1 <C:$n.a>. b");
        check("$n. x", "<C:$n>. x");
        check("$n.1", "<C:$n>.1");
        check("$n?", "<C:$n?>");
        check("$n.id? + 1", "<C:$n.id?> + 1");
        check("$n::int", "<C:$n>::int");
        check("$n ? 'a'", "<C:$n> ? 'a'");
        check("$n?|x $n?&x $n??x", "<C:$n>?|x <C:$n>?&x <C:$n>??x");
        check("$r.*?", "<C:$r.*>?");
        check("($n)", "(<C:$n>)");
    }

    #[test]
    fn other_dollars_are_left_alone() {
        for sql in ["$1", "$foo", "$", "a$n", "a$n$b", "$nope", "$n1", "$né", "x$n.id", "$ n"] {
            check(sql, sql);
        }
    }

    #[test]
    fn references_in_literals_know_their_quotes() {
        check("'a $n b'", "'a <L:$n> b'");
        check("'it''s $n' $n", "'it''s <L:$n>' <C:$n>");
        check("'x$n'", "'x<L:$n>'");
        check("'$n$r'", "'<L:$n><L:$r>'");
        check("'$n.id?'", "'<L:$n.id?>'");
        check(r"E'a\'$n' || $n", r"E'a\'<E:$n>' || <C:$n>");
        check(r"'a\' || $n || '\'", r"'a\' || <C:$n> || '\'");
        check("U&'$n'", "U&'<L:$n>'");
        check("'open $n", "'open <L:$n>");
        check("'$.n' '$$' '$1'", "'$.n' '$$' '$1'");
    }

    #[test]
    fn nothing_is_replaced_in_comments_and_quoted_identifiers() {
        for sql in ["-- $n\n", "/* $n /* $n */ $n */", "\"$n\"", "\"a\"\"$n\"", "U&\"$n\""] {
            check(sql, sql);
        }
        check("-- $n\n$n", "-- $n\n<C:$n>");
    }

    #[test]
    fn dollar_quotes_follow_postgresql() {
        check("DO $$ x := $n; $$", "DO $$ x := <B:$n>; $$");
        check("$b$ '$n' $n $b$ $n", "$b$ '<B:$n>' <B:$n> $b$ <C:$n>");
        // `$name$` opens a quote, also when the name is known.
        check("$n$ $r $n$", "$n$ <B:$r> $n$");
        check("$n$ $r", "$n$ <B:$r>");
        // Within a body, `$n$` is the delimiter of another quote and `a$n` an identifier.
        check("$$ $n$ a$n $n$ $n $$", "$$ $n$ a$n $n$ <B:$n> $$");
        check("$$ $n$$", "$$ <B:$n>$$");
        check("$$$$ $n", "$$$$ <C:$n>");
        check("$b$ $n$b$", "$b$ <B:$n>$b$");
    }

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
            columns: Some(Arc::new(
                columns
                    .map(|(name, type_name)| Column {
                        name: name.to_owned(),
                        type_name: type_name.to_owned(),
                    })
                    .to_vec(),
            )),
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
    fn paths_go_into_documents() {
        let order = json!({"id": 7, "sku": "A-1", "who": {"name": "Ann", "mail": null, "tags": ["x"]}});
        let signal = Outcome::plain(json!({"signal_name": "s", "timed_out": false, "data": order}));
        let column =
            |name: &str, type_name: &str| Column { name: name.to_owned(), type_name: type_name.to_owned() };
        let rows = Outcome {
            value: json!({"rows": [{"doc": order, "pair": {"name": "p"}, "file": "a"}], "row_count": 1}),
            columns: Some(Arc::new(vec![
                column("doc", "pg_catalog.jsonb"),
                column("pair", "public.pair"),
                column("file", "text"),
            ])),
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
    fn bound_values_stand_in_code() {
        let check = |sql: &str, expected: &[usize]| {
            let template = Template::parse_bound(sql, 2, |name| name == "n");
            let numbers: Vec<usize> = template
                .pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Param(number) => Some(*number),
                    Piece::Text(_) | Piece::Reference { .. } => None,
                })
                .collect();
            assert_eq!(numbers, expected, "{sql}");
        };
        check("SELECT $1, $2::int, $12, ($1)", &[1, 2, 12, 1]);
        check("SELECT '$1', E'$1', \"$1\", a$1, $$ $1 $$, $q$ $1 $q$ -- $1\n /* $1 */", &[]);
        check("$1$2 $n $1", &[1, 2, 1]);
        assert!(!Template::parse("SELECT $1", |_| true).has_references());
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
    fn literals_cannot_be_left() {
        for (value, sql, body, text) in [
            (json!(null), "NULL", "NULL", "NULL"),
            (json!(true), "true", "true", "true"),
            (json!(1.5), "1.5", "1.5", "1.5"),
            (json!(-3), " -3", " -3", "-3"),
            (json!("it's"), "'it''s'", "'it''s'", "it's"),
            (json!(r"a\'b"), r"E'a\\''b'", r"E'a\\''b'", r"a\'b"),
            (json!("a$$b"), "'a$$b'", r"E'a\044\044b'", "a$$b"),
            (json!([1, "x'"]), r#"'[1,"x''"]'"#, r#"'[1,"x''"]'"#, r#"[1,"x'"]"#),
            (json!({"a": "\\"}), r#"E'{"a":"\\\\"}'"#, r#"E'{"a":"\\\\"}'"#, r#"{"a":"\\"}"#),
        ] {
            assert_eq!(sql_literal(&value), sql);
            assert_eq!(body_literal(&value), body);
            assert_eq!(literal_text(&value), text);
        }
        for (context, expected) in [
            (Context::Code, r"E'a\\''$'"),
            (Context::Literal, r"a\''$"),
            (Context::EscapeLiteral, r"a\\''$"),
            (Context::Body, r"E'a\\''\044'"),
        ] {
            assert_eq!(context.escape(r"a\'$"), expected);
        }
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
