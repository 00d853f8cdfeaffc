//! Which instances are meant: a JSON object whose members all have to fit.

use serde_json::{Map, Value};

use super::cursor::{Sort, SortKey};
use crate::status::InstanceStatus;

/// A text to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Just this one.
    Exactly(String),
    /// Whatever begins so.
    Prefix(String),
}

/// What instances must be, or must not be, to be listed. Instants and spans are texts that the server reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// One of these.
    pub status: Option<Vec<InstanceStatus>>,
    /// The registered workflow.
    pub workflow: Option<String>,
    /// Its version.
    pub version: Option<i32>,
    /// The label.
    pub label: Option<Match>,
    /// The name of the submitter.
    pub role: Option<String>,
    /// What it waits for: a kind, and a name.
    pub waiting: Option<(String, Option<String>)>,
    /// For how long it has waited.
    pub waited_longer_than: Option<String>,
    /// Started then or later.
    pub created_after: Option<String>,
    /// Started before.
    pub created_before: Option<String>,
    /// Ended then or later.
    pub ended_after: Option<String>,
    /// Ended before.
    pub ended_before: Option<String>,
    /// How long it has run, or had when it ended.
    pub longer_than: Option<String>,
    /// What it failed with.
    pub sqlstate: Option<Match>,
    /// The id or the name of the node at which it has failed or waits.
    pub node: Option<String>,
    /// What its error contains.
    pub error: Option<String>,
    /// What its attributes contain, as JSON.
    pub attr: Option<String>,
    /// How its id begins.
    pub id: Option<String>,
    /// Whether it is a child of another. None is, yet.
    pub children: Option<bool>,
}

/// A filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// What all of it has to be.
    pub wanted: Wanted,
    /// What none of it may be.
    pub unwanted: Wanted,
    /// Instances are read one by one where no index leads to them.
    pub may_scan: bool,
}

/// Why a filter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is JSON of another kind.
    #[error("the filter is not a JSON object")]
    NotObject,
    /// A member that there is not.
    #[error("the filter has an unknown member \"{0}\"")]
    Unknown(String),
    /// A member of the wrong type, or with a value that there is not.
    #[error("\"{member}\" in the filter must be {expected}")]
    Value {
        /// The member.
        member: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// No index answers it.
    #[error("\"{0}\" in the filter can be answered by reading every instance only")]
    Scan(&'static str),
}

const MEMBERS: [&str; 20] = [
    "status",
    "workflow",
    "version",
    "label",
    "role",
    "waiting",
    "waited_longer_than",
    "created_after",
    "created_before",
    "ended_after",
    "ended_before",
    "longer_than",
    "sqlstate",
    "node",
    "error",
    "attr",
    "id",
    "children",
    "scan",
    "not",
];

/// How many digits of an id leave few enough instances to be sorted.
const ID_DIGITS_MIN: usize = 6;

impl FilterError {
    /// What to do about it, as a sentence.
    pub fn hint(&self) -> String {
        match self {
            FilterError::NotObject => "Pass an object, such as {\"status\": [\"failed\"]}.".to_owned(),
            FilterError::Unknown(_) => format!("There are: {}.", MEMBERS.join(", ")),
            FilterError::Value { .. } => "See df.list() in the documentation.".to_owned(),
            FilterError::Scan(_) => {
                "Add \"scan\": true and a time range: \"created_after\" or \"ended_after\".".to_owned()
            }
        }
    }

    /// Whether the filter would take too much, rather than being wrong.
    pub fn is_limit(&self) -> bool {
        matches!(self, FilterError::Scan(_))
    }
}

impl Filter {
    /// Reads a filter.
    pub fn parse(json: &str) -> Result<Filter, FilterError> {
        let Ok(Value::Object(mut members)) = serde_json::from_str(json) else {
            return Err(FilterError::NotObject);
        };
        let may_scan = take(&mut members, "scan", "true or false", |value| value.as_bool())?;
        let unwanted = match members.remove("not") {
            None | Some(Value::Null) => Wanted::default(),
            Some(Value::Object(members)) => Wanted::read(members)?,
            Some(_) => {
                return Err(FilterError::Value { member: "not", expected: "an object of the same members" });
            }
        };
        let wanted = Wanted::read(members)?;
        Ok(Filter { wanted, unwanted, may_scan: may_scan.unwrap_or_default() })
    }

    /// The statuses that are left, where not all are.
    pub fn statuses(&self) -> Option<Vec<InstanceStatus>> {
        if self.wanted.status.is_none() && self.unwanted.status.is_none() && !self.wanted.is_of_failed() {
            return None;
        }
        let is_left = |status: &InstanceStatus| {
            let is_among = |of: &Option<Vec<InstanceStatus>>| of.as_ref().map(|of| of.contains(status));
            is_among(&self.wanted.status).unwrap_or(true)
                && !is_among(&self.unwanted.status).unwrap_or(false)
                && (!self.wanted.is_of_failed()
                    || matches!(status, InstanceStatus::Failed | InstanceStatus::Cancelled))
        };
        Some(InstanceStatus::ALL.into_iter().filter(is_left).collect())
    }

    /// Whether an index other than those by status and by role leads to what is wanted.
    pub fn has_index(&self) -> bool {
        let wanted = &self.wanted;
        matches!(wanted.label, Some(Match::Exactly(_)))
            || wanted.workflow.is_some()
            || wanted.attr.is_some()
            || wanted.waiting.is_some()
            || wanted.waited_longer_than.is_some()
            || wanted.id.as_ref().is_some_and(|id| id.len() >= ID_DIGITS_MIN)
    }

    /// Refuses what no index answers in this order, unless the filter says that it may be read one by one, and of which
    /// time.
    pub fn check(&self, sort: Sort) -> Result<(), FilterError> {
        let has_range = self.wanted.created_after.is_some() || self.wanted.ended_after.is_some();
        match self.needs_scan(sort) {
            Some(member) if !(self.may_scan && has_range) => Err(FilterError::Scan(member)),
            Some(_) | None => Ok(()),
        }
    }

    fn needs_scan(&self, sort: Sort) -> Option<&'static str> {
        let wanted = &self.wanted;
        let is_few = |id: &String| id.len() >= ID_DIGITS_MIN || sort.key == SortKey::Id;
        let never_completed = self.statuses().is_some_and(|left| !left.contains(&InstanceStatus::Completed));
        let is_waiting = wanted.waiting.is_some() || wanted.waited_longer_than.is_some();
        let has_end = wanted.ended_after.is_some() || wanted.ended_before.is_some();
        [
            ("label", matches!(wanted.label, Some(Match::Prefix(_)))),
            ("version", wanted.version.is_some() && wanted.workflow.is_none()),
            ("node", wanted.node.is_some() && !never_completed && !is_waiting),
            ("error", wanted.error.is_some()),
            ("longer_than", wanted.longer_than.is_some()),
            ("ended_after", has_end && sort.key != SortKey::CompletedAt),
            ("id", wanted.id.as_ref().is_some_and(|id| !is_few(id))),
            ("not", Wanted { status: None, ..self.unwanted.clone() } != Wanted::default()),
        ]
        .into_iter()
        .find_map(|(member, needs_scan)| needs_scan.then_some(member))
    }
}

impl Wanted {
    fn read(mut members: Map<String, Value>) -> Result<Wanted, FilterError> {
        let members = &mut members;
        let wanted = Wanted {
            status: take(members, "status", "an array of statuses", statuses)?,
            workflow: take(members, "workflow", TEXT, text)?,
            version: take(members, "version", "a version", |value| value.as_i64()?.try_into().ok())?,
            label: take(members, "label", TEXT, pattern)?,
            role: take(members, "role", TEXT, text)?,
            waiting: take(members, "waiting", "what is waited for, such as \"signal approval\"", waiting)?,
            waited_longer_than: take(members, "waited_longer_than", SPAN, text)?,
            created_after: take(members, "created_after", INSTANT, text)?,
            created_before: take(members, "created_before", INSTANT, text)?,
            ended_after: take(members, "ended_after", INSTANT, text)?,
            ended_before: take(members, "ended_before", INSTANT, text)?,
            longer_than: take(members, "longer_than", SPAN, text)?,
            sqlstate: take(members, "sqlstate", TEXT, pattern)?,
            node: take(members, "node", TEXT, text)?,
            error: take(members, "error", TEXT, text)?,
            attr: take(members, "attr", "an object", |value| value.is_object().then(|| value.to_string()))?,
            id: take(members, "id", "the first digits of an id", digits)?,
            children: take(members, "children", "true or false", |value| value.as_bool())?,
        };
        match members.keys().next() {
            Some(unknown) => Err(FilterError::Unknown(unknown.clone())),
            None => Ok(wanted),
        }
    }

    /// Only what has failed, or was cancelled, is meant.
    fn is_of_failed(&self) -> bool {
        self.sqlstate.is_some() || self.error.is_some()
    }

    /// Whether rows of nodes are looked at, which who has called another's workflow does not see.
    pub fn looks_at_nodes(&self) -> bool {
        self.waiting.is_some() || self.waited_longer_than.is_some() || self.node.is_some()
    }
}

const TEXT: &str = "a string";
const INSTANT: &str = "a string with a point in time";
const SPAN: &str = "a string with an interval";

/// Takes a member out, if it is there; NULL is as if it were not.
fn take<T>(
    members: &mut Map<String, Value>,
    member: &'static str,
    expected: &'static str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, FilterError> {
    match members.remove(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(&value).map(Some).ok_or(FilterError::Value { member, expected }),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A text, or with `*` at its end how it begins.
fn pattern(value: &Value) -> Option<Match> {
    let text = value.as_str()?;
    Some(match text.strip_suffix('*') {
        Some(prefix) => Match::Prefix(prefix.to_owned()),
        None => Match::Exactly(text.to_owned()),
    })
}

fn waiting(value: &Value) -> Option<(String, Option<String>)> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(match text.split_once(' ') {
        Some((kind, name)) => (kind.to_owned(), Some(name.to_owned())),
        None => (text.to_owned(), None),
    })
}

fn statuses(value: &Value) -> Option<Vec<InstanceStatus>> {
    let read = |value: &Value| value.as_str()?.to_lowercase().parse().ok();
    match value {
        Value::Array(values) => values.iter().map(read).collect(),
        one => Some(vec![read(one)?]),
    }
}

fn digits(value: &Value) -> Option<String> {
    let text = value.as_str()?.to_lowercase();
    let text = text.strip_suffix('*').unwrap_or(&text);
    let is_some = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_some.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, sort: &str) -> Result<Filter, FilterError> {
        let filter = Filter::parse(json)?;
        filter.check(Sort::parse(sort).unwrap()).map(|()| filter)
    }

    #[test]
    fn every_member_is_read() {
        let filter = Filter::parse(
            r#"{"status": ["failed", "RUNNING"], "workflow": "w", "version": 2, "label": "x*", "role": "r",
                "waiting": "signal go on", "waited_longer_than": "1h", "created_after": "a", "created_before": "b",
                "ended_after": "c", "ended_before": "d", "longer_than": "e", "sqlstate": "23505", "node": "n",
                "error": "text", "attr": {"a": 1}, "id": "F281*", "children": false, "scan": true,
                "not": {"status": "completed", "label": "y"}}"#,
        )
        .unwrap();
        let wanted = &filter.wanted;
        assert_eq!(wanted.status, Some(vec![InstanceStatus::Failed, InstanceStatus::Running]));
        assert_eq!(wanted.label, Some(Match::Prefix("x".to_owned())));
        assert_eq!(wanted.waiting, Some(("signal".to_owned(), Some("go on".to_owned()))));
        assert_eq!(wanted.sqlstate, Some(Match::Exactly("23505".to_owned())));
        assert_eq!(wanted.id.as_deref(), Some("f281"));
        assert_eq!(wanted.attr.as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(filter.unwanted.label, Some(Match::Exactly("y".to_owned())));
        assert!(filter.may_scan);
        assert_eq!(Filter::parse(r#"{"label": null, "not": null}"#), Ok(Filter::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, message) in [
            ("[]", "the filter is not a JSON object"),
            (r#"{"labels": "x"}"#, "the filter has an unknown member \"labels\""),
            (r#"{"not": {"scan": true}}"#, "the filter has an unknown member \"scan\""),
            (r#"{"not": {"not": {}}}"#, "the filter has an unknown member \"not\""),
            (r#"{"not": 1}"#, "\"not\" in the filter must be an object of the same members"),
            (r#"{"status": ["done"]}"#, "\"status\" in the filter must be an array of statuses"),
            (r#"{"version": 1.5}"#, "\"version\" in the filter must be a version"),
            (r#"{"id": "x"}"#, "\"id\" in the filter must be the first digits of an id"),
            (r#"{"label": 1}"#, "\"label\" in the filter must be a string"),
        ] {
            assert_eq!(Filter::parse(json).unwrap_err().to_string(), message, "{json}");
        }
        assert!(Filter::parse(r#"{"x": 1}"#).unwrap_err().hint().contains("waited_longer_than"));
    }

    #[test]
    fn the_statuses_that_are_left() {
        use InstanceStatus::{Cancelled, Completed, Failed, Pending, Running};
        for (json, expected) in [
            ("{}", None),
            (r#"{"status": "failed"}"#, Some(vec![Failed])),
            (r#"{"status": []}"#, Some(vec![])),
            (r#"{"not": {"status": ["completed"]}}"#, Some(vec![Pending, Running, Failed, Cancelled])),
            (r#"{"status": ["failed", "completed"], "not": {"status": ["completed"]}}"#, Some(vec![Failed])),
            (r#"{"sqlstate": "23*"}"#, Some(vec![Failed, Cancelled])),
            (r#"{"sqlstate": "23*", "status": ["completed"]}"#, Some(vec![])),
            (r#"{"status": ["completed", "completed"]}"#, Some(vec![Completed])),
        ] {
            assert_eq!(Filter::parse(json).unwrap().statuses(), expected, "{json}");
        }
    }

    #[test]
    fn what_no_index_answers_is_refused_without_a_range() {
        for (json, sort, member) in [
            (r#"{"label": "x"}"#, "-created_at", None),
            (r#"{"label": "x*"}"#, "-created_at", Some("label")),
            (r#"{"label": "x*", "scan": true}"#, "-created_at", Some("label")),
            (r#"{"label": "x*", "created_after": "2026-01-01"}"#, "-created_at", Some("label")),
            (r#"{"label": "x*", "scan": true, "created_after": "2026-01-01"}"#, "-created_at", None),
            (r#"{"version": 2}"#, "-created_at", Some("version")),
            (r#"{"version": 2, "workflow": "w"}"#, "-created_at", None),
            (r#"{"error": "x"}"#, "-created_at", Some("error")),
            (r#"{"longer_than": "1h"}"#, "-created_at", Some("longer_than")),
            (r#"{"node": "x"}"#, "-created_at", Some("node")),
            (r#"{"node": "x", "status": ["failed"]}"#, "-created_at", None),
            (r#"{"node": "x", "waiting": "signal go"}"#, "-created_at", None),
            (r#"{"ended_after": "x"}"#, "-created_at", Some("ended_after")),
            (r#"{"ended_after": "x"}"#, "-completed_at", None),
            (r#"{"id": "f2"}"#, "-created_at", Some("id")),
            (r#"{"id": "f2"}"#, "id", None),
            (r#"{"id": "f2813c"}"#, "-created_at", None),
            (r#"{"not": {"status": ["completed"]}}"#, "-created_at", None),
            (r#"{"not": {"label": "x"}}"#, "-created_at", Some("not")),
        ] {
            let refused = check(json, sort).err();
            assert_eq!(refused, member.map(FilterError::Scan), "{json} by {sort}");
        }
    }
}
