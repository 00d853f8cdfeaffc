//! References to earlier results in text: `$name`, `$name.column`, `$name.column.member`, `$name?`, `$name.*`; the
//! instance's input, `$input`; and bound values, `$1`.
//!
//! A [`Template`] is text cut at its references, each with the [`Context`] that decides how its value is put in.
//! Values become SQL text only through [`sql_literal`], [`body_literal`] and [`Context::escape`].

mod cut;
#[cfg(feature = "engine")]
mod resolve;

#[cfg(feature = "engine")]
pub use resolve::{Found, MAX_ROWS, ReferenceError, Resolved, Source, render_text, resolve};

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// The name of the instance's input.
pub const INPUT: &str = "input";

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
    /// Inside `U&'…'`, whose escapes begin with this character.
    UnicodeLiteral(char),
    /// In the code of a dollar-quoted body, which is for somebody else.
    Body,
    /// Inside `E'…'` in a dollar-quoted body.
    BodyLiteral,
    /// In code whose quotes we do not know, or could not keep: a body in single quotes or in another language than SQL
    /// and PL/pgSQL. No value may stand there.
    Refused,
}

impl Template {
    /// Cuts SQL text. `is_known` tells names from other text that begins with `$`.
    pub fn parse(sql: &str, is_known: impl Fn(&str) -> bool) -> Template {
        Template::parse_bound(sql, 0, is_known)
    }

    /// Cuts SQL text that binds so many values: unless it binds none, each `$n` in code is a [`Piece::Param`].
    pub fn parse_bound(sql: &str, params: usize, is_known: impl Fn(&str) -> bool) -> Template {
        cut::sql(sql, params, is_known)
    }

    /// Cuts text that is not SQL, so that quotes and comment signs mean nothing.
    pub fn parse_text(text: &str, is_known: impl Fn(&str) -> bool) -> Template {
        cut::plain(text, is_known)
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

impl Context {
    /// Whether a literal is around the reference.
    pub fn is_quoted(self) -> bool {
        match self {
            Context::Literal | Context::EscapeLiteral | Context::UnicodeLiteral(_) | Context::BodyLiteral => {
                true
            }
            Context::Code | Context::Body | Context::Refused => false,
        }
    }

    /// Escapes the text of a value so that it stays inside the literal that the reference stands in. In code and
    /// bodies, where there is no literal around it, this makes one.
    pub fn escape(self, text: &str) -> Cow<'_, str> {
        match self {
            Context::Literal if text.contains('\'') => Cow::Owned(text.replace('\'', "''")),
            Context::EscapeLiteral if text.contains(['\'', '\\']) => {
                Cow::Owned(text.replace('\\', "\\\\").replace('\'', "''"))
            }
            Context::UnicodeLiteral(escape) if text.contains(['\'', escape]) => {
                // No quote can be the escape character.
                Cow::Owned(text.replace(escape, &format!("{escape}{escape}")).replace('\'', "''"))
            }
            Context::BodyLiteral if text.contains(['\'', '\\', '$']) => Cow::Owned(escape_in_body(text)),
            Context::Literal | Context::EscapeLiteral | Context::UnicodeLiteral(_) | Context::BodyLiteral => {
                Cow::Borrowed(text)
            }
            Context::Code => Cow::Owned(quote(text)),
            Context::Body | Context::Refused => Cow::Owned(quote_in_body(text)),
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
    format!("E'{}'", escape_in_body(text))
}

fn escape_in_body(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "''").replace('$', "\\044")
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

#[cfg(test)]
mod tests {
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
                        Context::UnicodeLiteral(escape) => *escape,
                        Context::Body => 'B',
                        Context::BodyLiteral => 'Q',
                        Context::Refused => 'R',
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
        check("U&'$n'", r"U&'<\:$n>'");
        check("U&'$n' /* x */ UESCAPE '!'", "U&'<!:$n>' /* x */ UESCAPE '!'");
        check("U&'$n' x", r"U&'<\:$n>' x");
        check("'a' -- it's\n'$n'", "'a' -- it's\n'<L:$n>'");
        // An escaped `$` is a character: a value behind the backslash would have its first quote escaped.
        check(r"E'\$n \\$n \\\$n'", r"E'\$n \\<E:$n> \\\$n'");
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
        check("$b$ '$n' $n $b$ $n", "$b$  E'<Q:$n>' <B:$n> $b$ <C:$n>");
        // `$name$` opens a quote, also when the name is known.
        check("$n$ $r $n$", "$n$ <B:$r> $n$");
        check("$n$ $r", "$n$ <B:$r>");
        // Within a body, `$n$` is the delimiter of another quote and `a$n` an identifier.
        check("$$ $n$ a$n $n$ $n $$", "$$ $n$ a$n $n$ <B:$n> $$");
        check("$$ $n$$", "$$ <B:$n>$$");
        check("$$$$ $n", "$$$$ <C:$n>");
        check("$b$ $n$b$", "$b$ <B:$n>$b$");
    }

    #[test]
    fn bodies_have_quotes_and_comments_of_their_own() {
        check("$b$ -- $n\n /* $n */ \"$n\" $n $b$", "$b$ -- $n\n /* $n */ \"$n\" <B:$n> $b$");
        check(r"$b$ x'a\b $n' 'a\b' $b$", r"$b$ x'a\b <R:$n>' 'a\b' $b$");
        check(r"$b$ f('a\b $n', 'a\b') $b$", r"$b$ f( E'a\\b <Q:$n>', 'a\b') $b$");
        check(r"$b$ E'\'$n \$n' $b$", r"$b$ E'\'<Q:$n> \$n' $b$");
        check("$b$ U&'$n' N'$n' $b$", "$b$ U&'<R:$n>' N'<R:$n>' $b$");
        check("$b$ EXECUTE $e$ '$n' $n $e$ $b$", "$b$ EXECUTE $e$  E'<Q:$n>' <B:$n> $e$ $b$");
        check("$b$ 'it''s $n'\n'$r' $n", "$b$  E'it''s <Q:$n>'\n'<Q:$r>' <B:$n>");
        let deep: String = (0..2000).map(|place| format!("$t{place}$ ")).collect();
        let template = Template::parse(&format!("{deep} $n"), |name| name == "n");
        assert!(template.references().all(|(_, context)| context == Context::Refused));
    }

    #[test]
    fn a_body_in_single_quotes_is_code() {
        for (sql, expected) in [
            ("DO 'x := $n'", "DO 'x := <R:$n>'"),
            ("do -- x\n language plpgsql E'$n'", "do -- x\n language plpgsql E'<R:$n>'"),
            ("SELECT 1; DO U&'$n'; SELECT '$n'", "SELECT 1; DO U&'<R:$n>'; SELECT '<L:$n>'"),
            (
                "CREATE OR REPLACE FUNCTION f(a text DEFAULT '$n') RETURNS text AS '$n' LANGUAGE sql",
                "CREATE OR REPLACE FUNCTION f(a text DEFAULT '<L:$n>') RETURNS text AS '<R:$n>' LANGUAGE sql",
            ),
            (
                "CREATE PROCEDURE p() LANGUAGE 'sql' AS '$n', '$r' SET x = '$n'",
                "CREATE PROCEDURE p() LANGUAGE 'sql' AS '<R:$n>', '<R:$r>' SET x = '<L:$n>'",
            ),
            ("CREATE TABLE t AS SELECT '$n'", "CREATE TABLE t AS SELECT '<L:$n>'"),
            (
                "INSERT INTO t VALUES ('$n') ON CONFLICT DO NOTHING",
                "INSERT INTO t VALUES ('<L:$n>') ON CONFLICT DO NOTHING",
            ),
            ("DO LANGUAGE plpgsql $$ x := $n $$", "DO LANGUAGE plpgsql $$ x := <B:$n> $$"),
            (
                "DO $$ x := $n $$ LANGUAGE plpython3u; DO $$ $n $$",
                "DO $$ x := <R:$n> $$ LANGUAGE plpython3u; DO $$ <B:$n> $$",
            ),
            (
                "CREATE FUNCTION f() RETURNS int LANGUAGE \"plperl\" AS $$ '$n' $$",
                "CREATE FUNCTION f() RETURNS int LANGUAGE \"plperl\" AS $$  E'<R:$n>' $$",
            ),
        ] {
            check(sql, expected);
        }
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
            (Context::UnicodeLiteral('\\'), r"a\\''$"),
            (Context::UnicodeLiteral('a'), r"aa\''$"),
            (Context::BodyLiteral, r"a\\''\044"),
            (Context::Body, r"E'a\\''\044'"),
        ] {
            assert_eq!(context.escape(r"a\'$"), expected);
        }
    }
}
