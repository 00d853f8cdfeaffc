//! How long a wait takes: a length, or a text that says it when the wait is reached.

use std::time::Duration;

use serde_json::{Map, Value};

use super::facts::{Given, Text};
use crate::config;
use crate::error::Problem;
#[cfg(feature = "engine")]
use crate::instant::Instant;
use crate::seconds;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub enum Span {
    /// So long, kept to the microsecond.
    Fixed(Duration),
    /// What this text becomes with its references: seconds, or an interval as PostgreSQL reads it.
    For(String),
    /// Until the point in time that this text becomes with its references.
    Until(String),
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span::Fixed(duration)
    }
}

impl Span {
    /// Reads `{"for": "…"}` or `{"until": "…"}`.
    pub(super) fn from_object(
        node_type: &'static str,
        mut object: Map<String, Value>,
    ) -> Result<Span, Problem> {
        let mut text = |member| {
            let text = config::optional_text(node_type, &object, member);
            object.remove(member);
            text
        };
        let (span, until) = (text("for")?, text("until")?);
        config::refuse_members(node_type, "", &object)?;
        let (text, make): (_, fn(String) -> Span) = match (span, until) {
            (Some(text), None) => (text, Span::For),
            (None, Some(text)) => (text, Span::Until),
            (None, None) | (Some(_), Some(_)) => {
                let reason = "must have either for or until".to_owned();
                return Err(Problem::Config { node_type, reason });
            }
        };
        not_blank(node_type, text).map(make)
    }

    pub(super) fn push_object(&self, out: &mut String) {
        let (member, text) = match self {
            Span::Fixed(duration) => return out.push_str(&seconds::print(*duration)),
            Span::For(text) => ("for", text),
            Span::Until(text) => ("until", text),
        };
        out.push_str(&format!(r#"{{"{member}":"#));
        config::push_json_string(out, text);
        out.push('}');
    }

    pub(super) fn label(&self) -> String {
        match self {
            Span::Fixed(duration) => format!("{}s", seconds::print(*duration)),
            Span::For(text) => text.clone(),
            Span::Until(text) => format!("until {text}"),
        }
    }

    pub(super) fn texts(&self) -> Option<Text<'_>> {
        match self {
            Span::Fixed(_) => None,
            Span::For(text) | Span::Until(text) => Some(Text::Plain(text)),
        }
    }

    pub(super) fn texts_mut(&mut self) -> Option<&mut String> {
        match self {
            Span::Fixed(_) => None,
            Span::For(text) | Span::Until(text) => Some(text),
        }
    }

    pub(super) fn given(&self) -> Option<Given<'_>> {
        match self {
            Span::Fixed(_) => None,
            Span::For(text) => Some(Given::For(text)),
            Span::Until(text) => Some(Given::Until(text)),
        }
    }

    /// When a wait that is reached `now` is over; `None` where a text says it.
    #[cfg(feature = "engine")]
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        match self {
            Span::Fixed(duration) => {
                Some(now.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
            }
            Span::For(_) | Span::Until(_) => None,
        }
    }
}

pub(super) fn not_blank(node_type: &'static str, text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::Config { node_type, reason: "has an empty text for a span".to_owned() });
    }
    Ok(text)
}
