//! BREAK: leaves the enclosing loop.

use std::borrow::Cow;

use super::facts::{Facts, Text};
use crate::config;
use crate::error::Problem;
use crate::shorten::shorten;

/// Ends the nearest LOOP around it, also through JOIN and RACE branches.
#[derive(Debug, Clone, PartialEq)]
pub struct Break {
    /// The loop's result as text, references substituted; `None` makes it `null`.
    pub value: Option<String>,
}

impl Facts for Break {
    fn from_query(query: &str) -> Result<Break, Problem> {
        let object = config::object("BREAK", query)?;
        Ok(Break { value: config::optional_text("BREAK", &object, "break_value")? })
    }

    fn query(&self) -> Cow<'_, str> {
        let mut out = String::from(r#"{"break_value":"#);
        match &self.value {
            Some(value) => config::push_json_string(&mut out, value),
            None => out.push_str("null"),
        }
        out.push('}');
        out.into()
    }

    fn label(&self) -> String {
        match &self.value {
            Some(value) => format!("BREAK '{}'", shorten(value, 20)),
            None => "BREAK".to_owned(),
        }
    }

    fn texts(&self) -> Vec<Text<'_>> {
        self.value.as_deref().map(Text::Plain).into_iter().collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut String> {
        self.value.as_mut().into_iter().collect()
    }

    fn breaks(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_values_survive_the_round_trip() {
        for (query, label) in [
            (r#"{"break_value":null}"#, "BREAK"),
            (r#"{"break_value":"done"}"#, "BREAK 'done'"),
            (r#"{"break_value":"12345678901234567890"}"#, "BREAK '12345678901234567890'"),
            (r#"{"break_value":"123456789012345678901"}"#, "BREAK '12345678901234567...'"),
            (r#"{"break_value":"a\"b"}"#, "BREAK 'a\"b'"),
        ] {
            let node = Break::from_query(query).unwrap();
            assert_eq!(node.query(), query);
            assert_eq!(node.label(), label);
        }
        assert_eq!(Break::from_query("{}").unwrap().value, None);
        assert_eq!(
            Break::from_query(r#"{"break_value":1}"#).unwrap_err().to_string(),
            "query in BREAK has a break_value that is not a string"
        );
    }
}
