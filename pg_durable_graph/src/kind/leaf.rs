//! The kinds without children: the table of leaves, one row and one file a kind.

mod end;
mod facts;
mod fail;
mod schedule;
mod signal;
mod sleep;
mod span;
mod sql;

pub use end::Break;
pub use facts::{Delivery, Given, Text, Wait};
pub use fail::{Fail, RAISED};
pub use schedule::WaitSchedule;
pub use signal::Signal;
pub use sleep::Sleep;
pub use span::Span;
pub use sql::Sql;

use std::borrow::Cow;

use facts::Facts;
use serde_json::Value;

use crate::error::Problem;

/// Makes of a row a variant of [`Leaf`], which hands on to the kind's [`Facts`].
macro_rules! leaves {
    ($($(#[$doc:meta])* $name:literal => $kind:ident,)*) => {
        /// What a node without children does.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Leaf {
            $($(#[$doc])* $kind($kind),)*
        }

        impl Leaf {
            /// The kind's name in JSON and in `df.nodes.node_type`.
            pub fn name(&self) -> &'static str {
                match self { $(Leaf::$kind(_) => $name,)* }
            }

            fn facts(&self) -> &dyn Facts {
                match self { $(Leaf::$kind(leaf) => leaf,)* }
            }

            fn facts_mut(&mut self) -> &mut dyn Facts {
                match self { $(Leaf::$kind(leaf) => leaf,)* }
            }

        }

        /// The leaves by their names.
        pub(crate) const LEAVES: &[LeafRow] = &[$(LeafRow {
            name: $name,
            from_query: |query| $kind::from_query(query).map(Leaf::$kind),
            from_stored: |query| $kind::from_stored(query).map(Leaf::$kind),
        },)*];

        $(impl From<$kind> for Leaf {
            fn from(leaf: $kind) -> Leaf {
                Leaf::$kind(leaf)
            }
        })*
    };
}

leaves! {
    /// Runs SQL.
    "SQL" => Sql,
    /// Leaves the enclosing loop.
    "BREAK" => Break,
    /// Fails on purpose.
    "FAIL" => Fail,
    /// Waits for a span of time.
    "SLEEP" => Sleep,
    /// Waits for the next tick of a cron expression.
    "WAIT_SCHEDULE" => WaitSchedule,
    /// Waits for a signal.
    "SIGNAL" => Signal,
}

/// How the leaves of one kind are read.
pub(crate) struct LeafRow {
    pub name: &'static str,
    /// Reads `query` of the wire form, which may say anything.
    pub from_query: fn(&str) -> Result<Leaf, Problem>,
    /// Reads a `query` that was checked before it was stored.
    pub from_stored: fn(&str) -> Result<Leaf, Problem>,
}

impl Leaf {
    /// Takes the values that the wire form has beside `query`.
    pub(crate) fn with_params(mut self, params: Vec<Value>) -> Result<Leaf, Problem> {
        if params.is_empty() {
            return Ok(self);
        }
        let node_type = self.name();
        match self.facts_mut().params_mut() {
            Some(place) => *place = params,
            None => return Err(Problem::NotAllowed { member: "params", node_type }),
        }
        self.check().map(|()| self)
    }

    pub(crate) fn clear_params(&mut self) {
        if let Some(params) = self.facts_mut().params_mut() {
            params.clear();
        }
    }

    /// Takes the values that were stored beside `query`.
    pub(crate) fn with_stored_params(mut self, params: Vec<Value>) -> Leaf {
        if let Some(place) = self.facts_mut().params_mut() {
            *place = params;
        }
        self
    }

    /// What `query` says in the wire form.
    pub(crate) fn query(&self) -> Cow<'_, str> {
        self.facts().query()
    }

    /// The values that the wire form has beside `query`.
    pub(crate) fn params(&self) -> &[Value] {
        self.facts().params()
    }

    /// The line that stands for the node in `explain`, without its name and mark.
    pub(crate) fn label(&self) -> String {
        self.facts().label()
    }

    /// What is wrong with the leaf, whatever is around it.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        self.facts().check()
    }

    /// The texts in which references and variables may stand.
    pub fn texts(&self) -> Vec<Text<'_>> {
        self.facts().texts()
    }

    /// The same texts, to be changed.
    pub(crate) fn texts_mut(&mut self) -> Vec<&mut String> {
        self.facts_mut().texts_mut()
    }

    /// Whether the leaf ends the loop around it.
    pub fn breaks(&self) -> bool {
        self.facts().breaks()
    }

    /// Whether nothing comes after it, as it always fails.
    pub fn fails(&self) -> bool {
        self.facts().fails()
    }

    /// Whether another attempt at it is a matter of its own row.
    pub(crate) fn is_tried_in_place(&self) -> bool {
        self.facts().is_tried_in_place()
    }

    /// What the leaf waits for, if that is what it does.
    pub fn wait(&self) -> Option<&dyn Wait> {
        self.facts().wait()
    }

    /// How often its effect may happen; `None` for a leaf whose only effect is its outcome.
    pub fn delivered(&self) -> Option<Delivery> {
        self.facts().delivered()
    }

    /// A value such as it leaves behind, the same for all leaves of the kind; `None` where that cannot be told.
    pub fn sample(&self) -> Option<Value> {
        self.facts().sample()
    }

    /// How its failure is shown as the result of the node and of the instance.
    pub fn failure_text(&self, message: &str) -> String {
        self.facts().failure_text(message)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn row(name: &str) -> &'static LeafRow {
        LEAVES.iter().find(|row| row.name == name).unwrap()
    }

    fn leaf(name: &str, query: &str) -> Leaf {
        (row(name).from_query)(query).unwrap()
    }

    #[test]
    fn every_leaf_is_read_by_its_name() {
        for (name, query) in [
            ("SQL", "SELECT 1"),
            ("BREAK", r#"{"break_value":"x"}"#),
            ("FAIL", r#"{"message":"no"}"#),
            ("SLEEP", "60"),
            ("WAIT_SCHEDULE", r#"{"cron_expr":"@daily"}"#),
            ("SIGNAL", r#"{"signal_name":"go","timeout_seconds":null}"#),
        ] {
            let read = leaf(name, query);
            assert_eq!((read.name(), &*read.query()), (name, query));
            assert_eq!((row(name).from_stored)(query).as_ref(), Ok(&read));
        }
        assert_eq!(LEAVES.len(), 6);
    }

    #[cfg(feature = "engine")]
    #[test]
    fn waits_say_what_for_and_until_when() {
        let check = |leaf: Leaf, shown: &str, until: Result<Option<i64>, &str>| {
            let wait = leaf.wait().unwrap();
            let found = wait.until(90 * SECOND).map_err(|error| error.to_string());
            assert_eq!((wait.shown().as_str(), found), (shown, until.map_err(str::to_owned)));
        };
        check(leaf("SLEEP", "60"), "timer", Ok(Some(150 * SECOND)));
        check(leaf("SLEEP", "0.5"), "timer", Ok(Some(90 * SECOND + 500_000)));
        check(Sleep::new(Duration::MAX).into(), "timer", Ok(Some(i64::MAX)));
        // Two thousand began with a minute and a half ago.
        check(
            leaf("WAIT_SCHEDULE", r#"{"cron_expr":"* * * * *"}"#),
            "schedule * * * * *",
            Ok(Some(120 * SECOND)),
        );
        check(
            leaf("WAIT_SCHEDULE", r#"{"cron_expr":"@daily","timezone":"Europe/Berlin"}"#),
            "schedule @daily",
            Ok(Some(23 * 3600 * SECOND)),
        );
        check(
            leaf("WAIT_SCHEDULE", r#"{"cron_expr":"0 0 30 2 *"}"#),
            "schedule 0 0 30 2 *",
            Err("No upcoming schedule found for '0 0 30 2 *'"),
        );
        let stored = WaitSchedule { cron_expr: "soon".to_owned(), timezone: None };
        check(
            stored.into(),
            "schedule soon",
            Err("Invalid cron expression 'soon': expected 5 fields, or 6 with a year, found 1"),
        );
        let signal =
            |timeout: Option<Duration>| Leaf::from(Signal::new("go", timeout.map(Span::Fixed)).unwrap());
        check(signal(None), "signal go", Ok(None));
        check(signal(Some(Duration::from_secs(30))), "signal go", Ok(Some(120 * SECOND)));
        assert!(leaf("SQL", "SELECT 1").wait().is_none() && leaf("BREAK", "{}").wait().is_none());
    }

    #[test]
    fn samples_look_like_outcomes() {
        let sleep = |duration: Duration| Sleep::new(duration);
        let long = sleep(Duration::from_millis(1500));
        let signal = Signal::new("go", None).unwrap();
        for (outcome, expected) in [
            (sleep(Duration::from_secs(60)).outcome(), json!({"slept": true, "seconds": 60})),
            (long.outcome(), json!({"slept": true, "seconds": 1.5})),
            (daily().outcome(), json!({"scheduled": true})),
            (signal.received(json!([1])), json!({"signal_name": "go", "timed_out": false, "data": [1]})),
            (signal.timed_out(), json!({"signal_name": "go", "timed_out": true, "data": null})),
        ] {
            assert_eq!((outcome.value, outcome.columns), (expected, None));
        }
        for (leaf, sample) in [
            (Leaf::from(long), Some(json!({"slept": true, "seconds": 1}))),
            (daily().into(), Some(json!({"scheduled": true}))),
            (signal.into(), Some(json!({"signal_name": "1", "timed_out": false, "data": null}))),
            (leaf("SQL", "SELECT 1"), None),
            (leaf("BREAK", "{}"), None),
        ] {
            assert_eq!(leaf.sample(), sample);
        }
    }

    fn daily() -> WaitSchedule {
        WaitSchedule::new("@daily", None).unwrap()
    }

    #[test]
    fn only_sql_has_effects_and_a_text_before_its_failure() {
        let sql = leaf("SQL", "VACUUM");
        assert_eq!(sql.delivered(), Some(Delivery::AtLeastOnce));
        assert_eq!(sql.failure_text("x"), "SQL execution failed: x");
        let sleep = leaf("SLEEP", "1");
        assert_eq!((sleep.delivered(), sleep.failure_text("x")), (None, "x".to_owned()));
    }
}
