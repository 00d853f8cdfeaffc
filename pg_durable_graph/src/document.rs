//! Documents of users, as the engine reads them: with every digit of their numbers where the parser was built to keep them.

use serde_json::Value;

use crate::json::{NUMBER, brackets};

/// How deep a document may be nested: where the parser stops.
pub const DEPTH_MAX: usize = 127;

/// Why a document is not read although it is JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Arrays and objects inside each other without end.
    #[error("is nested more than {DEPTH_MAX} levels deep")]
    TooDeep,
    /// The parser would take an object with this member for a number.
    #[error("holds the name \"{NUMBER}\", which is not available")]
    Name,
    /// It is no JSON.
    #[error("is not JSON: {0}")]
    NotJson(String),
}

impl Unreadable {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Unreadable::TooDeep => {
                Some("Pass the innermost part as text, or keep the document in a table and pass its key.")
            }
            Unreadable::Name => Some("Give the member another name."),
            Unreadable::NotJson(_) => None,
        }
    }
}

/// Reads a document.
pub fn read(text: &str) -> Result<Value, Unreadable> {
    // Without its first letter, which may be escaped.
    if text.contains(&NUMBER[1..]) {
        return Err(Unreadable::Name);
    }
    serde_json::from_str(text).map_err(|error| match brackets(text) > DEPTH_MAX {
        true => Unreadable::TooDeep,
        false => Unreadable::NotJson(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(read(r#"{"a": [1]}"#), Ok(serde_json::json!({"a": [1]})));
        assert_eq!(read(&"[".repeat(200)), Err(Unreadable::TooDeep));
        for name in ["$serde_json::private::Number", r"\u0024serde_json::private::Number"] {
            assert_eq!(read(&format!(r#"{{"{name}": "1"}}"#)), Err(Unreadable::Name));
        }
        assert!(matches!(read("{"), Err(Unreadable::NotJson(_))));
    }
}
