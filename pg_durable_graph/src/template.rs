//! References to earlier results in text: `$name`, `$name.column`, `$name?`, `$name.*`.
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
                TokenKind::Space
                | TokenKind::Comment
                | TokenKind::Word
                | TokenKind::QuotedIdent
                | TokenKind::Symbol => {}
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
        self.references().next().is_some()
    }

    /// The references with their contexts, in order.
    pub fn references(&self) -> impl Iterator<Item = (&Reference, Context)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
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

/// The `.column` or `.*` at this byte, and where it ends.
fn field_after(rest: &str, at: usize) -> (Field, usize) {
    let Some(after) = rest[at..].strip_prefix('.') else { return (Field::First, at) };
    if after.starts_with('*') {
        return (Field::Rows, at + 2);
    }
    match name::prefix_len(after) {
        0 => (Field::First, at),
        len => (Field::Column(after[..len].to_owned()), at + 1 + len),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.name)?;
        match &self.field {
            Field::First => {}
            Field::Column(column) => write!(f, ".{column}")?,
            Field::Rows => f.write_str(".*")?,
        }
        f.write_str(if self.nullable { "?" } else { "" })
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
            ReferenceError::NotRows(reference) => {
                Some(format!("Only the result of SQL has rows; ${} has not.", reference.name))
            }
            ReferenceError::NoColumns(_) | ReferenceError::TooManyRows { .. } => None,
        }
    }
}

/// Finds what a reference stands for in the result of its name.
pub fn resolve<'a>(reference: &Reference, outcome: &'a Outcome) -> Result<Resolved<'a>, ReferenceError> {
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
            Resolved::Value { value, .. } => literal_text(value),
            Resolved::Document(value) => Cow::Owned(value.to_string()),
            Resolved::Null { .. } => Cow::Borrowed("NULL"),
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
    lookup: impl Fn(&str) -> Option<&'o Outcome>,
) -> Result<String, ReferenceError> {
    let mut out = String::new();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference { reference, .. } => match lookup(&reference.name) {
                Some(outcome) => out.push_str(&resolve(reference, outcome)?.text()),
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
        check("$n.a.b", "<C:$n.a>.b");
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
        match resolve(&reference(text), outcome) {
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
                "shop" => Some(&shop),
                "signal" => Some(&signal),
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
