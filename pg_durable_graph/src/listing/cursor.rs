//! The order of a list, and where a page of it ends.

use std::fmt;

use crate::instant::Instant;

/// What instances are ordered by first; their ids come second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// When they were started.
    CreatedAt,
    /// When they ended; those that have not ended are left out.
    CompletedAt,
    /// Their ids alone.
    Id,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// What is looked at.
    pub key: SortKey,
    /// The greatest comes first.
    pub is_descending: bool,
}

impl Sort {
    /// The newest first.
    pub const NEWEST: Sort = Sort { key: SortKey::CreatedAt, is_descending: true };

    const NAMES: [(&str, SortKey); 3] =
        [("created_at", SortKey::CreatedAt), ("completed_at", SortKey::CompletedAt), ("id", SortKey::Id)];

    /// Reads a column's name, with `-` before it for the opposite order; `None` where it is another.
    pub fn parse(text: &str) -> Option<Sort> {
        let name = text.strip_prefix('-');
        let found = Sort::NAMES.iter().find(|(of, _)| *of == name.unwrap_or(text))?;
        Some(Sort { key: found.1, is_descending: name.is_some() })
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Sort::NAMES.iter().find(|(_, key)| *key == self.key).map_or("", |(name, _)| name);
        write!(f, "{}{name}", if self.is_descending { "-" } else { "" })
    }
}

/// The last row of a page: the next one begins behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What is looked at first, if not the id alone: microseconds since 2000-01-01 UTC, but for keys of another kind.
    pub at: Option<Instant>,
    /// The parts behind it.
    pub rest: Vec<String>,
}

impl Cursor {
    const LENGTH_MAX: usize = 1024;

    /// Reads what was handed out for a list of this name; `None` where it was not, or was changed.
    ///
    /// It is hexadecimal, so that it goes through links and shells: `name|microseconds|part|...`, with nothing for the
    /// microseconds where there are none.
    pub fn parse(text: &str, name: &str, parts: usize) -> Option<Cursor> {
        if text.len() > Cursor::LENGTH_MAX || !text.len().is_multiple_of(2) || !text.is_ascii() {
            return None;
        }
        let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        let decoded = String::from_utf8(bytes?).ok()?;
        let mut fields = decoded.split('|');
        if fields.next() != Some(name) {
            return None;
        }
        let at = fields.next().filter(|at| !at.starts_with('+'))?;
        let at = if at.is_empty() { None } else { Some(at.parse().ok()?) };
        let rest: Vec<String> = fields.map(str::to_owned).collect();
        let is_id = |part: &String| {
            (8..=16).contains(&part.len())
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        (rest.len() == parts && rest.iter().all(is_id)).then_some(Cursor { at, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn orders_have_names() {
        for text in ["created_at", "-created_at", "completed_at", "-completed_at", "id", "-id"] {
            assert_eq!(Sort::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "-", "--id", "label", "ID", "id desc"] {
            assert_eq!(Sort::parse(text), None, "{text}");
        }
    }

    #[test]
    fn cursors_are_read_as_they_were_handed_out() {
        let cursor = |text: &str| Cursor::parse(&hex(text), "-id", 1);
        assert_eq!(cursor("-id||0000000a"), Some(Cursor { at: None, rest: vec!["0000000a".to_owned()] }));
        assert_eq!(cursor("-id|-12|0000000a").unwrap().at, Some(-12));
        for wrong in [
            "-id|0000000a",
            "id||0000000a",
            "-id||0000000a|",
            "-id||' OR true",
            "-id|1.5|0000000a",
            "-id|+1|0000000a",
            "",
        ] {
            assert_eq!(cursor(wrong), None, "{wrong}");
        }
        for wrong in ["zz", "1", "größe", &"ab".repeat(600)] {
            assert_eq!(Cursor::parse(wrong, "-id", 1), None, "{wrong}");
        }
    }
}
