//! `{name}`: the variables of an instance, inserted as raw text.

use std::borrow::Cow;

use crate::limits::EXPANDED_MAX;
use crate::name;

/// A step's text would become too long with what is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("with its variables and references the step's text is longer than {} MB", EXPANDED_MAX / (1024 * 1024))]
pub struct TooLong;

/// Replaces every `{name}` that `lookup` knows. A `{` that begins no known name stays, and what follows it is
/// looked at again, so that variables work inside JSON; inserted text is not.
pub fn substitute<'a, 'v>(
    text: &'a str,
    lookup: impl Fn(&str) -> Option<Cow<'v, str>>,
) -> Result<Cow<'a, str>, TooLong> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('{') {
        let open = at + found;
        at = open + 1;
        let len = name::prefix_len(&text[at..]);
        if len == 0 || text.as_bytes().get(at + len) != Some(&b'}') {
            continue;
        }
        if let Some(value) = lookup(&text[at..at + len]) {
            if out.len() + value.len() > EXPANDED_MAX {
                return Err(TooLong);
            }
            out.push_str(&text[copied..open]);
            out.push_str(&value);
            at += len + 1;
            copied = at;
        }
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    out.push_str(&text[copied..]);
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_tried_at_every_brace() {
        for (text, expected) in [
            ("", ""),
            ("no braces", "no braces"),
            ("{m}", "gpt"),
            ("a {m} b {n} c", "a gpt b 7 c"),
            (r#"{"model":"{m}","id":{n}}"#, r#"{"model":"gpt","id":7}"#),
            ("{{m}}", "{gpt}"),
            ("{unknown} {m", "{unknown} {m"),
            ("{ m } {m-} {}", "{ m } {m-} {}"),
            ("{nested}", "{m}"),
            ("{empty}", ""),
            ("é{m}é{", "égpté{"),
        ] {
            let lookup = |name: &str| match name {
                "m" => Some("gpt".into()),
                "n" => Some("7".into()),
                "nested" => Some("{m}".into()),
                "empty" => Some("".into()),
                _ => None,
            };
            assert_eq!(substitute(text, lookup).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_text_does_not_grow_without_end() {
        let value = "x".repeat(EXPANDED_MAX / 4);
        let lookup = |name: &str| (name == "m").then(|| value.as_str().into());
        assert!(substitute("{m}{m}{m}{m}", lookup).is_ok());
        assert_eq!(substitute("{m}{m}{m}{m}{m}", lookup), Err(TooLong));
    }
}
