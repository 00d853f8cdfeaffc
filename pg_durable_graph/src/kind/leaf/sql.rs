//! SQL: one or more statements as one step.

use std::borrow::Cow;

use serde_json::Value;

use super::facts::{Delivery, Facts, Text};
use crate::error::Problem;
use crate::lexer::{Lexer, TokenKind};
use crate::limits::{MAX_PARAM_DEPTH, PARAMS_MAX};
use crate::shorten::shorten;
use crate::template::{Piece, Template};

/// Runs SQL as the submitting role, in one transaction with its checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Sql {
    /// Statements separated by `;`, with `$name` references and `{name}` variables.
    pub query: String,
    /// The values of `$1`, `$2`, … of the statements: bound, never text. The context decides their SQL types.
    pub params: Vec<Value>,
}

impl Sql {
    /// SQL that binds no values.
    pub fn new(query: impl Into<String>) -> Sql {
        Sql { query: query.into(), params: Vec::new() }
    }

    /// SQL whose `$1`, `$2`, … stand for these values. Fails where the text has a `$n` beyond them.
    pub fn bound(query: impl Into<String>, params: Vec<Value>) -> Result<Sql, Problem> {
        let sql = Sql { query: query.into(), params };
        sql.check().map(|()| sql)
    }

    /// Tells by the keywords of each statement what a crash means for it. The server knows better for what
    /// hides in functions and rules; this is what can be said without asking it.
    pub fn delivery(&self) -> Delivery {
        let mut worst = Delivery::ExactlyOnce;
        let mut words = Words::default();
        for token in Lexer::new(&self.query) {
            match token.kind {
                TokenKind::Symbol if token.text(&self.query) == ";" => {
                    worst = worst.max(words.delivery());
                    words = Words::default();
                }
                TokenKind::Symbol => words.symbol(token.text(&self.query)),
                TokenKind::Word => words.push(token.text(&self.query)),
                TokenKind::QuotedIdent => words.push(""),
                TokenKind::Space
                | TokenKind::Comment
                | TokenKind::Name
                | TokenKind::Literal
                | TokenKind::EscapeLiteral
                | TokenKind::UnicodeLiteral
                | TokenKind::Dollar { .. } => {}
            }
        }
        worst.max(words.delivery())
    }
}

impl Facts for Sql {
    fn from_query(query: &str) -> Result<Sql, Problem> {
        Ok(Sql::new(query))
    }

    fn params_mut(&mut self) -> Option<&mut Vec<Value>> {
        Some(&mut self.params)
    }

    fn params(&self) -> &[Value] {
        &self.params
    }

    fn query(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.query)
    }

    fn label(&self) -> String {
        let mut text = format!("SQL: {}", shorten(&self.query, 50));
        if !self.params.is_empty() {
            let shown: Vec<_> = self
                .params
                .iter()
                .enumerate()
                .map(|(place, value)| format!("${} = {value}", place + 1))
                .collect();
            text.push_str(&format!(" ({})", shorten(&shown.join(", "), 50)));
        }
        match self.delivery() {
            Delivery::AtLeastOnce => text + " [at least once]",
            Delivery::ExactlyOnce | Delivery::ExactlyOnceUnlessCommits => text,
        }
    }

    /// Whether each `$n` has its value. Without any values, `$n` is text like any other: the server decides.
    fn check(&self) -> Result<(), Problem> {
        let count = self.params.len();
        if count == 0 {
            return Ok(());
        }
        if count > PARAMS_MAX {
            return Err(Problem::TooManyParams(count));
        }
        if self.params.iter().any(|value| is_deeper_than(value, MAX_PARAM_DEPTH)) {
            return Err(Problem::ParamsTooDeep);
        }
        let template = Template::parse_bound(&self.query, count, |_| false);
        let beyond = template.pieces.iter().find_map(|piece| match piece {
            Piece::Param(number) if *number == 0 || *number > count => Some(*number),
            Piece::Param(_) | Piece::Text(_) | Piece::Reference { .. } => None,
        });
        beyond.map_or(Ok(()), |number| Err(Problem::NoParam { number, count }))
    }

    fn texts(&self) -> Vec<Text<'_>> {
        vec![Text::Sql { text: &self.query, params: &self.params }]
    }

    fn texts_mut(&mut self) -> Vec<&mut String> {
        vec![&mut self.query]
    }

    fn is_tried_in_place(&self) -> bool {
        true
    }

    fn delivered(&self) -> Option<Delivery> {
        Some(self.delivery())
    }

    fn failure_text(&self, message: &str) -> String {
        format!("SQL execution failed: {message}")
    }
}

fn is_deeper_than(value: &Value, levels: usize) -> bool {
    let Some(inner) = levels.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(elements) => elements.iter().any(|element| is_deeper_than(element, inner)),
        Value::Object(members) => members.values().any(|member| is_deeper_than(member, inner)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The words of one statement that stand outside parentheses, in capitals. Option lists such as
/// `REINDEX (CONCURRENTLY) TABLE t` are kept apart.
#[derive(Default)]
struct Words {
    outside: Vec<String>,
    inside: Vec<String>,
    depth: usize,
}

impl Words {
    fn symbol(&mut self, symbol: &str) {
        match symbol {
            "(" => self.depth += 1,
            ")" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn push(&mut self, word: &str) {
        let words = if self.depth == 0 { &mut self.outside } else { &mut self.inside };
        words.push(word.to_ascii_uppercase());
    }

    fn delivery(&self) -> Delivery {
        let words: Vec<&str> = self.outside.iter().map(String::as_str).collect();
        let has = |word: &str| words.contains(&word);
        let commits_itself = match words.as_slice() {
            ["VACUUM", ..]
            | ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
            | ["CREATE" | "ALTER" | "DROP", "SUBSCRIPTION", ..]
            | ["ALTER", "SYSTEM", ..]
            | ["CLUSTER"]
            | ["CLUSTER", "VERBOSE"]
            | ["DISCARD", "ALL"]
            | ["REINDEX", "DATABASE" | "SYSTEM" | "SCHEMA", ..]
            | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
            | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..] => true,
            ["REINDEX", ..] => has("CONCURRENTLY") || self.inside.iter().any(|word| word == "CONCURRENTLY"),
            ["ALTER", "TABLE", ..] => has("DETACH") && has("CONCURRENTLY"),
            ["ALTER", "DATABASE", .., "SET", "TABLESPACE", _] => true,
            _ => false,
        };
        match words.first() {
            _ if commits_itself => Delivery::AtLeastOnce,
            Some(&("CALL" | "DO")) => Delivery::ExactlyOnceUnlessCommits,
            _ => Delivery::ExactlyOnce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Delivery::{AtLeastOnce, ExactlyOnce, ExactlyOnceUnlessCommits};
    use serde_json::json;

    fn check(query: &str, expected: Delivery) {
        assert_eq!(Sql::new(query).delivery(), expected, "{query}");
    }

    #[test]
    fn delivery_is_exactly_once_for_ordinary_statements() {
        for query in [
            "",
            "SELECT 1",
            "select 'VACUUM'; -- VACUUM",
            "/* VACUUM; */ INSERT INTO vacuum VALUES (1)",
            "CREATE INDEX concurrently_made ON t (a)",
            "CREATE INDEX ON t (concurrently)",
            "DROP INDEX \"concurrently\"",
            "REINDEX TABLE t",
            "CLUSTER t",
            "CLUSTER t USING i",
            "ALTER TABLE t DETACH PARTITION p",
            "ALTER DATABASE d SET work_mem = '1MB'",
            "SELECT $$; VACUUM; $$",
            "\"VACUUM\"",
        ] {
            check(query, ExactlyOnce);
        }
    }

    #[test]
    fn delivery_is_at_least_once_for_statements_that_commit_by_themselves() {
        for query in [
            "VACUUM",
            "vacuum (full, analyze) t",
            "SELECT 1; VACUUM t",
            "/* a /* nested */ comment */ -- and another\n VACUUM",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "create unique index concurrently on t (a)",
            "DROP INDEX CONCURRENTLY i",
            "REINDEX INDEX CONCURRENTLY i",
            "REINDEX (CONCURRENTLY, VERBOSE) TABLE t",
            "REINDEX (VERBOSE) DATABASE d",
            "REINDEX SCHEMA s",
            "CREATE DATABASE d",
            "DROP DATABASE d",
            "CREATE TABLESPACE s LOCATION '/x'",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CLUSTER",
            "CLUSTER;",
            "CLUSTER (VERBOSE)",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "DROP SUBSCRIPTION s",
            "CALL p(); VACUUM",
        ] {
            check(query, AtLeastOnce);
        }
    }

    #[test]
    fn delivery_depends_on_what_a_procedure_does() {
        for query in ["CALL p()", "do $$ begin commit; end $$", "SELECT 1; CALL p(); SELECT 2"] {
            check(query, ExactlyOnceUnlessCommits);
        }
    }

    #[test]
    fn label_counts_characters() {
        let label = |query: &str| Sql::new(query).label();
        assert_eq!(label("SELECT 1"), "SQL: SELECT 1");
        assert_eq!(label("VACUUM"), "SQL: VACUUM [at least once]");
        assert_eq!(label(&"ä".repeat(50)), format!("SQL: {}", "ä".repeat(50)));
        assert_eq!(label(&"ä".repeat(51)), format!("SQL: {}...", "ä".repeat(47)));
    }

    #[test]
    fn label_shows_values() {
        let label = |params| Sql::bound("SELECT $1", params).unwrap().label();
        assert_eq!(label(vec![json!(2), json!("A-1")]), r#"SQL: SELECT $1 ($1 = 2, $2 = "A-1")"#);
        assert_eq!(
            label(vec![json!("x".repeat(80))]),
            format!("SQL: SELECT $1 ($1 = \"{}...)", "x".repeat(41))
        );
    }

    #[test]
    fn every_place_has_its_value() {
        for (query, count, beyond) in [
            ("SELECT $1, $2, $1", 2, None),
            ("SELECT '$9', \"$9\", $$ $9 $$ -- $9", 1, None),
            ("SELECT $9", 0, None),
            ("SELECT $1 + $3", 2, Some(3)),
            ("SELECT $0", 1, Some(0)),
            ("SELECT a$9, $name", 1, None),
            ("SELECT $99999999999999999999", 1, Some(usize::MAX)),
        ] {
            let found = Sql::bound(query, vec![json!(null); count]);
            let expected = beyond.map(|number| Problem::NoParam { number, count });
            assert_eq!(found.err(), expected, "{query}");
        }
        assert_eq!(Sql::bound("", vec![json!(1); 65_536]), Err(Problem::TooManyParams(65_536)));
    }
}
