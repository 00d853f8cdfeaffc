//! Cuts SQL text into tokens as PostgreSQL's own scanner would, as far as we need to tell code from literals.
//!
//! Backslashes count only in `E'…'`, as with `standard_conforming_strings`. A literal that goes on after a line break is
//! one token. What is never closed reaches to the end of the text; the server will say what is wrong with it.

use crate::name;

/// A piece of SQL text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// The byte where it begins.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// What a piece of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenKind {
    /// White space.
    Space,
    /// `-- …` or `/* … */`.
    Comment,
    /// A keyword, an identifier or a number.
    Word,
    /// `"…"`, also `U&"…"`.
    QuotedIdent,
    /// `'…'` in which a backslash is a character, also after `N`, `B` or `X`.
    Literal,
    /// `E'…'`.
    EscapeLiteral,
    /// `U&'…'`, without the `UESCAPE` that may follow.
    UnicodeLiteral,
    /// `$tag$…$tag$`.
    Dollar {
        /// The length of each delimiter.
        delimiter: usize,
        /// Whether the second one is there.
        closed: bool,
    },
    /// `$name` that opens no dollar quote.
    Name,
    /// Any other character.
    Symbol,
}

impl Token {
    /// The text that it stands for in the SQL that was cut.
    pub fn text(self, sql: &str) -> &str {
        &sql[self.start..self.end]
    }
}

/// The tokens of a text, in order and without gaps.
///
/// ```
/// use pg_durable_syntax::lexer::{Lexer, TokenKind};
///
/// let kinds: Vec<TokenKind> = Lexer::new("'it''s' x").map(|token| token.kind).collect();
/// assert_eq!(kinds, [TokenKind::Literal, TokenKind::Space, TokenKind::Word]);
/// ```
#[derive(Debug)]
pub struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the start of the text.
    pub fn new(sql: &'a str) -> Lexer<'a> {
        Lexer { sql, at: 0 }
    }

    /// Goes on at this byte.
    pub fn seek(&mut self, at: usize) {
        self.at = at;
    }

    fn measure(&self) -> (TokenKind, usize) {
        let rest = &self.sql[self.at..];
        let bytes = rest.as_bytes();
        let second = bytes.get(1).copied();
        match bytes[0] {
            byte if byte.is_ascii_whitespace() => {
                (TokenKind::Space, bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
            }
            b'-' if second == Some(b'-') => {
                (TokenKind::Comment, rest.find(['\n', '\r']).unwrap_or(rest.len()))
            }
            b'/' if second == Some(b'*') => (TokenKind::Comment, block_comment(bytes)),
            b'\'' => (TokenKind::Literal, literal(bytes, 1, false)),
            b'"' => (TokenKind::QuotedIdent, quoted_ident(bytes, 1)),
            b'e' | b'E' if second == Some(b'\'') => (TokenKind::EscapeLiteral, literal(bytes, 2, true)),
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if second == Some(b'\'') => {
                (TokenKind::Literal, literal(bytes, 2, false))
            }
            b'u' | b'U' if rest[1..].starts_with("&'") => {
                (TokenKind::UnicodeLiteral, literal(bytes, 3, false))
            }
            b'u' | b'U' if rest[1..].starts_with("&\"") => (TokenKind::QuotedIdent, quoted_ident(bytes, 3)),
            byte if begins_word(byte) => {
                (TokenKind::Word, bytes.iter().take_while(|byte| continues_word(**byte)).count())
            }
            byte if byte.is_ascii_digit() => {
                let continues = |byte: &&u8| continues_word(**byte) && **byte != b'$' || **byte == b'.';
                (TokenKind::Word, bytes.iter().take_while(continues).count())
            }
            b'$' => dollar(rest),
            _ => (TokenKind::Symbol, 1),
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if self.at >= self.sql.len() {
            return None;
        }
        let (kind, len) = self.measure();
        let start = self.at;
        self.at += len;
        Some(Token { kind, start, end: self.at })
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether an identifier may go on with this byte.
pub fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The length up to and with the closing quote; a doubled quote is a character.
fn quoted_ident(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        if bytes[at] != b'"' {
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'"') {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

/// The length of a literal with its continuations: one that goes on after a line break keeps its escapes.
fn literal(bytes: &[u8], from: usize, has_backslashes: bool) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if has_backslashes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => match continuation(&bytes[at + 1..]) {
                Some(skipped) => at += 1 + skipped,
                None => return at + 1,
            },
            _ => at += 1,
        }
    }
    bytes.len()
}

/// How many bytes lie up to and with the quote that continues a literal on another line. Comments may lie between.
fn continuation(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut breaks_line) = (0, false);
    loop {
        match bytes.get(at)? {
            b'\'' => return breaks_line.then_some(at + 1),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
            }
            byte if byte.is_ascii_whitespace() => {
                breaks_line |= matches!(byte, b'\n' | b'\r');
                at += 1;
            }
            _ => return None,
        }
    }
}

fn block_comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// `$tag$…$tag$`, `$name` or a lone `$`.
fn dollar(rest: &str) -> (TokenKind, usize) {
    if let Some(delimiter) = dollar_delimiter(rest) {
        return match rest[delimiter..].find(&rest[..delimiter]) {
            Some(body) => (TokenKind::Dollar { delimiter, closed: true }, delimiter + body + delimiter),
            None => (TokenKind::Dollar { delimiter, closed: false }, rest.len()),
        };
    }
    match name_after_dollar(rest) {
        Some(len) => (TokenKind::Name, 1 + len),
        None => (TokenKind::Symbol, 1),
    }
}

/// The length of the `$tag$` at the start: a tag is an identifier without `$`, or nothing.
fn dollar_delimiter(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let tag = bytes[1..].iter().take_while(|byte| continues_word(**byte) && **byte != b'$').count();
    let begins_well = tag == 0 || begins_word(bytes[1]);
    (begins_well && bytes.get(1 + tag) == Some(&b'$')).then_some(tag + 2)
}

/// The length of the name in `$name`. A name that goes on with other letters is no name of ours.
pub fn name_after_dollar(rest: &str) -> Option<usize> {
    let len = name::prefix_len(&rest[1..]);
    let goes_on = rest.as_bytes().get(1 + len).is_some_and(|byte| *byte >= 0x80);
    (len > 0 && !goes_on).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let found: Vec<String> = Lexer::new(sql)
            .filter(|token| token.kind != TokenKind::Space)
            .map(|token| {
                let kind = match token.kind {
                    TokenKind::Space => unreachable!("filtered"),
                    TokenKind::Comment => "comment",
                    TokenKind::Word => "word",
                    TokenKind::QuotedIdent => "ident",
                    TokenKind::Literal => "literal",
                    TokenKind::EscapeLiteral => "escape",
                    TokenKind::UnicodeLiteral => "unicode",
                    TokenKind::Dollar { .. } => "dollar",
                    TokenKind::Name => "name",
                    TokenKind::Symbol => "symbol",
                };
                format!("{kind} {}", token.text(sql))
            })
            .collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn lexer_knows_where_literals_end() {
        check("'it''s' x", &["literal 'it''s'", "word x"]);
        check(r"'a\' x", &[r"literal 'a\'", "word x"]);
        check(r"E'a\'b' x", &[r"escape E'a\'b'", "word x"]);
        check(r"fooe'a\' x", &["word fooe", r"literal 'a\'", "word x"]);
        check("E'a'\n 'b\\'c' d", &["escape E'a'\n 'b\\'c'", "word d"]);
        check("E'a' 'b\\' c", &["escape E'a'", "literal 'b\\'", "word c"]);
        check("'a'\n'b\\' c", &["literal 'a'\n'b\\'", "word c"]);
        check("E'a' -- it's\r -- x\n 'b\\'c' d", &["escape E'a' -- it's\r -- x\n 'b\\'c'", "word d"]);
        check("'a' -- 'b'", &["literal 'a'", "comment -- 'b'"]);
        check("'a' /* \n */ 'b'", &["literal 'a'", "comment /* \n */", "literal 'b'"]);
        check("'a' 'b'", &["literal 'a'", "literal 'b'"]);
        check(
            "\"a\"\"$n\" U&\"x\" U&'y' N'z'",
            &["ident \"a\"\"$n\"", "ident U&\"x\"", "unicode U&'y'", "literal N'z'"],
        );
        check("'open", &["literal 'open"]);
        check("E'open\\", &["escape E'open\\"]);
    }

    #[test]
    fn lexer_knows_where_comments_end() {
        check("a -- 'b\nc", &["word a", "comment -- 'b", "word c"]);
        check("a /* /* ' */ $n */ c", &["word a", "comment /* /* ' */ $n */", "word c"]);
        check("/* open", &["comment /* open"]);
    }

    #[test]
    fn lexer_tells_dollar_quotes_from_names() {
        check("$$a'b$$ c", &["dollar $$a'b$$", "word c"]);
        check("$f$a$$b$f$c", &["dollar $f$a$$b$f$", "word c"]);
        check("$f$ $g$f$ x", &["dollar $f$ $g$f$", "word x"]);
        check("$name$ open", &["dollar $name$ open"]);
        check("$name, $1 $", &["name $name", "symbol ,", "symbol $", "word 1", "symbol $"]);
        check("a$b$c x", &["word a$b$c", "word x"]);
        check("$naïve ü$a", &["symbol $", "word naïve", "word ü$a"]);
        check("1.5$a", &["word 1.5", "name $a"]);
    }
}
