//! What everybody else asks a leaf, so that nobody else has to know which one it is.

use std::borrow::Cow;

use serde_json::Value;

use crate::error::Problem;
#[cfg(feature = "engine")]
use crate::instant::Instant;
use crate::template::Template;

/// What a leaf says of itself. A type that does is a kind of node once it has its row in the table of leaves.
pub(crate) trait Facts {
    /// Reads `query` of the wire form, which may say anything.
    fn from_query(query: &str) -> Result<Self, Problem>
    where
        Self: Sized;

    /// Reads a `query` that was checked before it was stored.
    fn from_stored(query: &str) -> Result<Self, Problem>
    where
        Self: Sized,
    {
        Self::from_query(query)
    }

    /// Where the values beside `query` belong; `None` in a kind that takes none.
    fn params_mut(&mut self) -> Option<&mut Vec<Value>> {
        None
    }

    /// The values beside `query`.
    fn params(&self) -> &[Value] {
        &[]
    }

    /// What `query` says, in the wire form and stored.
    fn query(&self) -> Cow<'_, str>;

    /// The line that stands for the node in `explain`, without its name and mark.
    fn label(&self) -> String;

    /// What can be wrong with the leaf, whatever is around it.
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// The texts in which references and variables may stand.
    fn texts(&self) -> Vec<Text<'_>> {
        Vec::new()
    }

    /// The same texts, to be changed.
    fn texts_mut(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    /// Whether the leaf ends the loop around it.
    fn breaks(&self) -> bool {
        false
    }

    /// Whether nothing comes after it, as it always fails.
    fn fails(&self) -> bool {
        false
    }

    /// Whether another attempt at it is a matter of its own row: it is done in one go, and leaves nothing behind that a new
    /// generation would have to forget.
    fn is_tried_in_place(&self) -> bool {
        false
    }

    /// What the leaf waits for, if that is what it does.
    fn wait(&self) -> Option<&dyn Wait> {
        None
    }

    /// How often its effect may happen; `None` for a leaf whose only effect is its outcome.
    fn delivered(&self) -> Option<Delivery> {
        None
    }

    /// A value such as it leaves behind, the same for all leaves of the kind; `None` where that cannot be told.
    fn sample(&self) -> Option<Value> {
        None
    }

    /// How its failure is shown as the result of the node and of the instance.
    fn failure_text(&self, message: &str) -> String {
        message.to_owned()
    }
}

/// A wait for something that does not come out of the workflow itself.
pub trait Wait {
    /// What is waited for: the kind of it, and its name where it has one.
    fn words(&self) -> (&'static str, Option<&str>);

    /// What is waited for, as `df.instance_nodes` shows it.
    fn shown(&self) -> String {
        match self.words() {
            (kind, Some(name)) => format!("{kind} {name}"),
            (kind, None) => kind.to_owned(),
        }
    }

    /// Whether it is found by what it waits for: not where that is nothing but time.
    fn is_listed(&self) -> bool {
        true
    }

    /// Whether a signal ends it, which may have come before.
    fn is_for_signal(&self) -> bool {
        false
    }

    /// The text that says when it ends by itself, to be looked up when it is reached; it says so in place of
    /// [`until`](Self::until).
    fn given(&self) -> Option<Given<'_>> {
        None
    }

    /// When a wait that is reached `now` ends by itself; `None` waits for ever.
    #[cfg(feature = "engine")]
    fn until(&self, now: Instant) -> Result<Option<Instant>, Problem>;

    /// Whether it ends, or may end, by itself at once, which is no wait for who would spin.
    fn is_empty(&self) -> bool {
        false
    }
}

/// A text with references that says how long a wait takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<'a> {
    /// Seconds, or an interval.
    For(&'a str),
    /// A point in time.
    Until(&'a str),
}

/// A text of a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Text<'a> {
    /// Statements, with the values of their `$1`, `$2`, …
    Sql {
        /// The statements.
        text: &'a str,
        /// The values.
        params: &'a [Value],
    },
    /// Anything else: what references stand for is put in as it is.
    Plain(&'a str),
}

impl Text<'_> {
    /// The text cut at everything that looks like a reference.
    pub(crate) fn template(&self) -> Template {
        match self {
            Text::Sql { text, .. } => Template::parse(text, |_| true),
            Text::Plain(text) => Template::parse_text(text, |_| true),
        }
    }
}

/// What a crash in the middle of a step means for the step's effect.
///
/// The order is that of rising risk: several statements in one step are as risky as the worst of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Effect and checkpoint commit together.
    ExactlyOnce,
    /// A procedure or `DO` block: exactly once unless it commits inside.
    ExactlyOnceUnlessCommits,
    /// The statement commits by itself, so a crash right after it runs it again.
    AtLeastOnce,
}
