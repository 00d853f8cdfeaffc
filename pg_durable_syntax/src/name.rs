//! Names of results and variables: `[a-zA-Z_][a-zA-Z0-9_]*`.

/// The column by which the handler of a CATCH that does nothing else, `SELECT $error AS caught_error`, tells what follows the CATCH
/// that there was a failure: it binds the name that the body binds to its value. `#[workflow]` writes such handlers.
pub const CAUGHT: &str = "caught_error";

/// How many bytes of `text` a name takes that begins at its start; 0 when none does.
pub fn prefix_len(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() || *first == b'_' => {
            text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
        }
        _ => 0,
    }
}

/// Whether all of `text` is one name.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && prefix_len(text) == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ascii_identifiers() {
        for (text, length) in
            [("a", 1), ("_x9", 3), ("a-b", 1), ("9a", 0), ("", 0), ("aé", 1), ("é", 0), ("a$b", 1)]
        {
            assert_eq!(prefix_len(text), length, "{text}");
            assert_eq!(is_name(text), length == text.len() && length > 0, "{text}");
        }
    }
}
