//! Cutting text at its references.

use super::{Context, Field, Piece, Reference, Template};
use crate::lexer::{Lexer, Token, TokenKind, name_after_dollar};
use crate::name;

/// How deep bodies lie in bodies that are looked into.
const BODIES_MAX: usize = 8;

/// Cuts SQL text that binds so many values.
pub(super) fn sql(text: &str, params: usize, is_known: impl Fn(&str) -> bool) -> Template {
    let mut cutter = Cutter { text, copied: 0, pieces: Vec::new(), is_known };
    if text.contains('$') {
        cutter.cut_code(params);
    }
    cutter.finish()
}

/// Cuts text that is not SQL.
pub(super) fn plain(text: &str, is_known: impl Fn(&str) -> bool) -> Template {
    let mut cutter = Cutter { text, copied: 0, pieces: Vec::new(), is_known };
    cutter.cut_within(0, text.len(), Context::Literal);
    cutter.finish()
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
    fn cut_code(&mut self, params: usize) {
        let text = self.text;
        let mut lexer = Lexer::new(text);
        let mut statement = Statement::default();
        let mut begins_at = 0;
        while let Some(token) = lexer.next() {
            let is_body = statement.takes_as_body(token, text);
            let in_quotes = |context| if is_body { Context::Refused } else { context };
            match token.kind {
                TokenKind::Name => {
                    if let Some(end) = self.cut(token.start, text.len(), Context::Code) {
                        lexer.seek(end);
                    }
                }
                TokenKind::Literal => self.cut_within(token.start, token.end, in_quotes(Context::Literal)),
                TokenKind::EscapeLiteral => self.cut_escapes(token, in_quotes(Context::EscapeLiteral)),
                TokenKind::UnicodeLiteral => {
                    let context = Context::UnicodeLiteral(unicode_escape(&text[token.end..]));
                    self.cut_within(token.start, token.end, in_quotes(context));
                }
                TokenKind::Dollar { delimiter, closed } => {
                    let end = token.end - if closed { delimiter } else { 0 };
                    self.cut_body(token.start + delimiter, end, 1);
                }
                TokenKind::Space | TokenKind::Comment | TokenKind::Word | TokenKind::QuotedIdent => {}
                TokenKind::Symbol => {
                    if params > 0
                        && let Some(end) = self.cut_param(token.start)
                    {
                        lexer.seek(end);
                    }
                }
            }
            if statement.begins() {
                begins_at = self.pieces.len();
            } else if statement.is_foreign {
                self.refuse_since(begins_at);
                begins_at = self.pieces.len();
            }
        }
    }

    /// The statement creates code in a language whose quotes we do not know.
    fn refuse_since(&mut self, place: usize) {
        for piece in &mut self.pieces[place..] {
            if let Piece::Reference { context: context @ (Context::Body | Context::BodyLiteral), .. } = piece
            {
                *context = Context::Refused;
            }
        }
    }

    /// Goes through a dollar-quoted body, which is code for somebody else, with quotes, comments and bodies of its own.
    fn cut_body(&mut self, start: usize, limit: usize, depth: usize) {
        if depth > BODIES_MAX {
            return self.cut_within(start, limit, Context::Refused);
        }
        let text = &self.text[..limit];
        let mut lexer = Lexer::new(text);
        lexer.seek(start);
        while let Some(token) = lexer.next() {
            match token.kind {
                TokenKind::Name => {
                    if let Some(end) = self.cut(token.start, limit, Context::Body) {
                        lexer.seek(end);
                    }
                }
                TokenKind::Literal if token.text(text).starts_with('\'') => {
                    self.cut_literal_of_body(token);
                }
                TokenKind::EscapeLiteral => self.cut_escapes(token, Context::BodyLiteral),
                // After a prefix the value cannot be written without a `$`, which might end the body.
                TokenKind::Literal | TokenKind::UnicodeLiteral => {
                    self.cut_within(token.start, token.end, Context::Refused);
                }
                TokenKind::Dollar { delimiter, closed } => {
                    let end = token.end - if closed { delimiter } else { 0 };
                    self.cut_body(token.start + delimiter, end, depth + 1);
                }
                TokenKind::Space
                | TokenKind::Comment
                | TokenKind::Word
                | TokenKind::QuotedIdent
                | TokenKind::Symbol => {}
            }
        }
    }

    /// Makes a literal of a body that holds references one with escapes: only these write a `$` as something else.
    fn cut_literal_of_body(&mut self, token: Token) {
        let mut inner =
            Cutter { text: self.text, copied: token.start, pieces: Vec::new(), is_known: &self.is_known };
        inner.cut_within(token.start, token.end, Context::BodyLiteral);
        if inner.pieces.is_empty() {
            return;
        }
        inner.push_text(token.end);
        let pieces = inner.pieces;
        self.push_text(token.start);
        // The space keeps a word before it from becoming one with the prefix.
        self.push(" E");
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.push(&text.replace('\\', "\\\\")),
                Piece::Reference { .. } | Piece::Param(_) => self.pieces.push(piece),
            }
        }
        self.copied = token.end;
    }

    /// Looks for references in an `E'…'`, where `\$` is a character.
    fn cut_escapes(&mut self, token: Token, context: Context) {
        let bytes = self.text.as_bytes();
        let mut at = token.start + 2;
        while at < token.end {
            match bytes[at] {
                b'\\' => at += 2,
                b'$' => at = self.cut(at, token.end, context).unwrap_or(at + 1),
                _ => at += 1,
            }
        }
    }

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
            let text = &self.text[self.copied..end];
            self.push(text);
            self.copied = end;
        }
    }

    fn push(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            Some(Piece::Reference { .. } | Piece::Param(_)) | None => {
                self.pieces.push(Piece::Text(text.to_owned()));
            }
        }
    }

    fn finish(mut self) -> Template {
        self.push_text(self.text.len());
        Template { pieces: self.pieces }
    }
}

/// As much of a statement as tells which of its literals are bodies of code, and in what language.
#[derive(Debug, Default)]
struct Statement {
    kind: Kind,
    /// How many parentheses are open.
    depth: usize,
    next: Next,
    /// The language is neither SQL nor PL/pgSQL.
    is_foreign: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Begins,
    /// `CREATE`, perhaps with `OR REPLACE`.
    Create,
    /// Creates a function or procedure.
    Routine,
    Do,
    Other,
}

/// What a literal would be that comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Next {
    #[default]
    Text,
    /// A body: `AS` stands before it, or another body and a comma.
    Body,
    Language,
}

impl Statement {
    fn begins(&self) -> bool {
        self.kind == Kind::Begins
    }

    /// Takes note of a token, and says whether it is a literal that holds code.
    fn takes_as_body(&mut self, token: Token, sql: &str) -> bool {
        let text = token.text(sql);
        match token.kind {
            TokenKind::Space | TokenKind::Comment => return false,
            TokenKind::Literal | TokenKind::EscapeLiteral | TokenKind::UnicodeLiteral => match self.next {
                Next::Language => self.note_language(text),
                Next::Body => return true,
                Next::Text => return self.kind == Kind::Do,
            },
            TokenKind::Dollar { .. } => {}
            TokenKind::Symbol => {
                match text {
                    ";" if self.depth == 0 => *self = Statement::default(),
                    "(" => self.depth += 1,
                    ")" => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                if text != "," {
                    self.next = Next::Text;
                }
            }
            TokenKind::Word => self.note_word(text),
            TokenKind::QuotedIdent if self.next == Next::Language => self.note_language(text),
            TokenKind::Name | TokenKind::QuotedIdent => self.next = Next::Text,
        }
        false
    }

    fn note_word(&mut self, text: &str) {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        self.kind = match self.kind {
            Kind::Begins if is("do") => Kind::Do,
            Kind::Begins if is("create") => Kind::Create,
            Kind::Create if is("function") || is("procedure") => Kind::Routine,
            Kind::Create if is("or") || is("replace") => Kind::Create,
            Kind::Begins | Kind::Create | Kind::Other => Kind::Other,
            Kind::Routine => Kind::Routine,
            Kind::Do => Kind::Do,
        };
        if self.next == Next::Language {
            return self.note_language(text);
        }
        let has_body = self.depth == 0 && matches!(self.kind, Kind::Routine | Kind::Do);
        self.next = match has_body {
            true if is("as") => Next::Body,
            true if is("language") => Next::Language,
            true | false => Next::Text,
        };
    }

    fn note_language(&mut self, text: &str) {
        let name = text.trim_matches(['\'', '"']);
        self.is_foreign |= !["sql", "plpgsql"].iter().any(|known| name.eq_ignore_ascii_case(known));
        self.next = Next::Text;
    }
}

/// The escape character of a `U&'…'` before this text: what a `UESCAPE` says, or a backslash.
fn unicode_escape(after: &str) -> char {
    let mut tokens =
        Lexer::new(after).filter(|token| !matches!(token.kind, TokenKind::Space | TokenKind::Comment));
    let is_named = tokens.next().is_some_and(|token| token.text(after).eq_ignore_ascii_case("uescape"));
    let named = tokens.next().filter(|_| is_named).map(|token| token.text(after).chars());
    named.and_then(|mut literal| literal.nth(1)).unwrap_or('\\')
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
