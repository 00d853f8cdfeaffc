//! FAIL: fails on purpose.

use std::borrow::Cow;

use pg_durable_syntax::sqlstate;

use super::facts::{Facts, Text};
use crate::config;
use crate::error::Problem;
use crate::shorten::shorten;

/// The SQLSTATE where none is given: PL/pgSQL's `raise_exception`.
pub const RAISED: &str = "P0001";

/// Fails, with what an error of PostgreSQL's says.
#[derive(Debug, Clone, PartialEq)]
pub struct Fail {
    /// One line; references are substituted.
    pub message: String,
    /// Five digits and capital letters, and not a code of success.
    pub sqlstate: String,
    /// Facts; references are substituted.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Fail {
    /// A failure with this message and the SQLSTATE `P0001`.
    pub fn new(message: impl Into<String>) -> Fail {
        Fail { message: message.into(), sqlstate: RAISED.to_owned(), detail: None, hint: None }
    }

    /// A failure with all that it says; letters of the SQLSTATE may be small.
    pub fn with(
        message: String,
        sqlstate: &str,
        detail: Option<String>,
        hint: Option<String>,
    ) -> Result<Fail, Problem> {
        let fail = Fail { message, sqlstate: sqlstate.to_ascii_uppercase(), detail, hint };
        fail.check().map(|()| fail)
    }

    /// The failure, with these texts in place of those with references.
    #[cfg(feature = "engine")]
    pub fn failure(&self, message: String, detail: Option<String>) -> crate::failure::Failure {
        use crate::failure::Failure;
        Failure { detail, hint: self.hint.clone(), ..Failure::new(&self.sqlstate, message) }
    }
}

impl Facts for Fail {
    fn from_query(query: &str) -> Result<Fail, Problem> {
        let object = config::object("FAIL", query)?;
        let sqlstate = config::optional_text("FAIL", &object, "sqlstate")?;
        let fail = Fail {
            message: config::text("FAIL", &object, "message")?,
            sqlstate: sqlstate.map_or_else(|| RAISED.to_owned(), |code| code.to_ascii_uppercase()),
            detail: config::optional_text("FAIL", &object, "detail")?,
            hint: config::optional_text("FAIL", &object, "hint")?,
        };
        let known = ["message", "sqlstate", "detail", "hint"];
        if let Some(other) = object.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Problem::Config {
                node_type: "FAIL",
                reason: format!("has the unknown member '{other}'"),
            });
        }
        fail.check().map(|()| fail)
    }

    fn query(&self) -> Cow<'_, str> {
        let mut config = config::Writer::default();
        config.push_text("message", &self.message);
        if self.sqlstate != RAISED {
            config.push_text("sqlstate", &self.sqlstate);
        }
        for (member, text) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(text) = text {
                config.push_text(member, text);
            }
        }
        config.finish().unwrap_or_default().into()
    }

    fn label(&self) -> String {
        format!("FAIL {} '{}'", self.sqlstate, shorten(&self.message, 40))
    }

    fn check(&self) -> Result<(), Problem> {
        if !sqlstate::is_of_failure(&self.sqlstate) {
            return Err(Problem::FailureCode(self.sqlstate.clone()));
        }
        Ok(())
    }

    fn texts(&self) -> Vec<Text<'_>> {
        std::iter::once(self.message.as_str()).chain(self.detail.as_deref()).map(Text::Plain).collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut String> {
        std::iter::once(&mut self.message).chain(self.detail.as_mut()).collect()
    }

    fn fails(&self) -> bool {
        true
    }

    fn is_tried_in_place(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_survive_the_round_trip() {
        for (query, label) in [
            (r#"{"message":"no"}"#, "FAIL P0001 'no'"),
            (
                r#"{"message":"$a.x is gone","sqlstate":"PAY01","detail":"d","hint":"h"}"#,
                "FAIL PAY01 '$a.x is gone'",
            ),
        ] {
            let node = Fail::from_query(query).unwrap();
            assert_eq!((&*node.query(), node.label().as_str()), (query, label));
        }
        assert_eq!(Fail::from_query(r#"{"message":"x","sqlstate":"pay01"}"#).unwrap().sqlstate, "PAY01");
    }

    #[test]
    fn bad_failures_are_refused() {
        for (query, message) in [
            ("{}", "query in FAIL has no message"),
            (r#"{"message":"x","sqlstate":"4"}"#, "'4' is no SQLSTATE that a failure can have"),
            (r#"{"message":"x","sqlstate":"00000"}"#, "'00000' is no SQLSTATE that a failure can have"),
            (r#"{"message":"x","code":"1"}"#, "query in FAIL has the unknown member 'code'"),
        ] {
            assert_eq!(Fail::from_query(query).unwrap_err().to_string(), message);
        }
    }
}
