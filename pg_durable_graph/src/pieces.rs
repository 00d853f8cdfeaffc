//! JSON text, piece by piece: nothing recurses, however deep it is nested, and a number is what is written.
//!
//! A tree of [`serde_json::Value`] has neither: whoever builds one recurses, and it keeps all digits only where the whole program
//! was built for it.

use serde::de::{DeserializeOwned, IgnoredAny};

/// A piece of JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(&'t str),
    /// A string.
    Text(String),
    /// The name of a member, whose value comes next.
    Name(String),
    /// An array begins: its items come next, and [`Piece::End`].
    Array,
    /// An object begins: its members come next, and [`Piece::End`].
    Object,
    /// The innermost array or object is over.
    End,
}

/// The text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no JSON at byte {at}")]
pub struct NotJson {
    /// Where that is to be seen.
    pub at: usize,
}

/// Reads one value, and nothing but blanks around it.
#[derive(Debug, Clone)]
pub struct Pieces<'t> {
    text: &'t str,
    at: usize,
    open: Vec<Open>,
    expects: Expects,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Value,
    /// The first item or member, or the end.
    First,
    /// A comma, or the end.
    More,
    Nothing,
}

impl<'t> Pieces<'t> {
    /// Begins to read.
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, open: Vec::new(), expects: Expects::Value }
    }

    /// The next piece; `None` where the text is over.
    pub fn read(&mut self) -> Result<Option<Piece<'t>>, NotJson> {
        let Some(byte) = self.peek() else {
            return if self.expects == Expects::Nothing { Ok(None) } else { Err(self.not_json()) };
        };
        let piece = match (self.expects, self.open.last().copied(), byte) {
            (Expects::Value, _, _) => self.value()?,
            (Expects::First | Expects::More, Some(Open::Array), b']')
            | (Expects::First | Expects::More, Some(Open::Object), b'}') => {
                self.at += 1;
                self.open.pop();
                self.expect_more();
                Piece::End
            }
            (Expects::More, Some(open), b',') => {
                self.at += 1;
                self.begin(open)?
            }
            (Expects::First, Some(open), _) => self.begin(open)?,
            (Expects::First | Expects::More, _, _) | (Expects::Nothing, _, _) => return Err(self.not_json()),
        };
        Ok(Some(piece))
    }

    /// The text of the value that comes next, behind a name or at the very beginning.
    pub fn value_text(&mut self) -> Result<&'t str, NotJson> {
        self.peek();
        let start = self.at;
        if self.expects != Expects::Value {
            return Err(self.not_json());
        }
        self.parsed::<IgnoredAny>()?;
        self.expect_more();
        Ok(&self.text[start..self.at])
    }

    /// Reads on to the end of the array or object that has begun last.
    pub fn leave(&mut self) -> Result<(), NotJson> {
        let left = self.open.len();
        while self.open.len() >= left {
            self.read()?.ok_or_else(|| self.not_json())?;
        }
        Ok(())
    }

    /// An item, or the name of a member.
    fn begin(&mut self, open: Open) -> Result<Piece<'t>, NotJson> {
        match (open, self.peek()) {
            (Open::Array, _) => self.value(),
            (Open::Object, Some(b'"')) => {
                let name = self.parsed()?;
                self.take(":")?;
                self.expects = Expects::Value;
                Ok(Piece::Name(name))
            }
            (Open::Object, _) => Err(self.not_json()),
        }
    }

    fn value(&mut self) -> Result<Piece<'t>, NotJson> {
        let start = self.at;
        let piece = match self.peek().ok_or_else(|| self.not_json())? {
            b'[' => return Ok(self.enter(Open::Array, Piece::Array)),
            b'{' => return Ok(self.enter(Open::Object, Piece::Object)),
            b'"' => Piece::Text(self.parsed()?),
            b'n' => self.take("null").map(|()| Piece::Null)?,
            b't' => self.take("true").map(|()| Piece::Bool(true))?,
            b'f' => self.take("false").map(|()| Piece::Bool(false))?,
            _ => {
                self.parsed::<IgnoredAny>()?;
                Piece::Number(self.text[start..self.at].trim_start())
            }
        };
        self.expect_more();
        Ok(piece)
    }

    fn enter(&mut self, open: Open, piece: Piece<'t>) -> Piece<'t> {
        self.at += 1;
        self.open.push(open);
        self.expects = Expects::First;
        piece
    }

    fn expect_more(&mut self) {
        self.expects = if self.open.is_empty() { Expects::Nothing } else { Expects::More };
    }

    /// A value that is no matter of ours. What is ignored is not recursed into.
    fn parsed<T: DeserializeOwned>(&mut self) -> Result<T, NotJson> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
        let value = values.next().and_then(Result::ok).ok_or_else(|| self.not_json())?;
        self.at += values.byte_offset();
        Ok(value)
    }

    fn take(&mut self, expected: &str) -> Result<(), NotJson> {
        self.peek();
        if !self.text[self.at..].starts_with(expected) {
            return Err(self.not_json());
        }
        self.at += expected.len();
        Ok(())
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    fn not_json(&self) -> NotJson {
        NotJson { at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The text again, without blanks.
    fn again(text: &str) -> Result<String, NotJson> {
        let (mut pieces, mut out, mut closes) = (Pieces::new(text), String::new(), Vec::new());
        while let Some(piece) = pieces.read()? {
            if !out.is_empty() && !out.ends_with(['[', '{', ':']) && piece != Piece::End {
                out.push(',');
            }
            match piece {
                Piece::Null => out.push_str("null"),
                Piece::Bool(truth) => out.push_str(&truth.to_string()),
                Piece::Number(digits) => out.push_str(digits),
                Piece::Text(text) => out.push_str(&Value::from(text).to_string()),
                Piece::Name(name) => out.push_str(&format!("{}:", Value::from(name))),
                Piece::Array => {
                    out.push('[');
                    closes.push(']');
                }
                Piece::Object => {
                    out.push('{');
                    closes.push('}');
                }
                Piece::End => out.extend(closes.pop()),
            }
        }
        Ok(out)
    }

    #[test]
    fn pieces_are_what_is_written() {
        for text in [
            "null",
            "-0.10e+5",
            r#""a\"\u00e9\n""#,
            "[]",
            "{}",
            "[[],{},1,[true,false,[null]]]",
            r#"{"b":1.10,"a":{"":[123456789012345678901234567890]},"b":"é"}"#,
        ] {
            let spaced = format!(" \n{}\t", text.replace(':', " : ").replace(',', "\r, "));
            for text in [text, spaced.as_str()] {
                let plain = text.replace([' ', '\n', '\t', '\r'], "").replace("\\u00e9", "é");
                assert_eq!(again(text), Ok(plain), "{text}");
            }
        }
    }

    #[test]
    fn what_the_parser_refuses_is_no_json() {
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            "'a'",
            "\"",
            r#""\x""#,
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{1:2}"#,
            r#"{"a":1 "b":2}"#,
            "{} x",
            "1 2",
            "\u{a0}1",
        ] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
            assert!(again(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_taken_and_left_whole() {
        let text = r#"{"a": [1, {"b": []}] , "c":{"d":[2]},"e":3}"#;
        let mut pieces = Pieces::new(text);
        assert_eq!(pieces.read(), Ok(Some(Piece::Object)));
        assert_eq!(pieces.read(), Ok(Some(Piece::Name("a".to_owned()))));
        assert_eq!(pieces.value_text(), Ok(r#"[1, {"b": []}]"#));
        assert_eq!(pieces.read(), Ok(Some(Piece::Name("c".to_owned()))));
        assert_eq!(pieces.read(), Ok(Some(Piece::Object)));
        assert_eq!(pieces.leave(), Ok(()));
        assert_eq!(pieces.read(), Ok(Some(Piece::Name("e".to_owned()))));
        assert_eq!(pieces.value_text(), Ok("3"));
        assert_eq!(pieces.read(), Ok(Some(Piece::End)));
        assert_eq!(pieces.read(), Ok(None));
    }

    #[test]
    fn depth_takes_no_stack() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(Pieces::new(&deep).value_text(), Ok(deep.as_str()));
        assert_eq!(again(&deep).as_deref(), Ok(deep.as_str()));
    }
}
