//! SQL behaviour as data: files of cases, each a few records in order, run by [`check`].
//!
//! Records are paragraphs. The first line is a directive, the rest its body; below a line `----` stands what it
//! must give. Without that line it must not fail.
//!
//! | directive | what it does |
//! |---|---|
//! | `case NAME` | begins a case, right above its first record; the role is again the file's |
//! | `sql` | runs SQL as the superuser |
//! | `as ROLE` | lets another role run what follows, made if it is new (`as ROLE#2`: in a second session) |
//! | `query` | runs SQL and gives the rows, columns split by a vertical bar |
//! | `flow [ARGS]` | starts the graph that the body is an expression of, waits, and gives the outcome |
//! | `start [ARGS]` | starts it only; `:id` is the instance from now on |
//! | `await` | waits for `:id` and gives the outcome |
//! | `until` | waits until the query gives true |
//!
//! `:id` stands for the last instance and `:role` for the file's role. With `PG_DURABLE_UPDATE=1` the file is
//! rewritten with what was found: read the difference before you keep it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pg_durable_sdk::testing::TestServer;

use crate::server::{identifier, shared, tester};
use crate::session::{Session, SqlError};

struct Record {
    /// The case that it begins.
    case: Option<String>,
    directive: String,
    arguments: String,
    body: String,
    expected: Option<String>,
    /// The text as it stands in the file.
    source: String,
}

/// Runs the cases of `tests/sql/<name>.slt` and panics with all that differ.
pub fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(format!("{name}.slt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let role = format!("t_{}", name.replace('/', "_"));
    tester(shared(), &role);
    let mut script = Script::new(shared(), role);
    let (mut case, mut differences, mut updated) = (String::new(), String::new(), Vec::new());
    for record in parse(&text) {
        if let Some(name) = &record.case {
            case.clone_from(name);
            script.begin_case();
        }
        let found = script.run(&record);
        let is_right = match &record.expected {
            // Drawings are padded on the right, which a file cannot show.
            Some(expected) => found.text.trim_end() == expected.trim_end(),
            None => !found.is_error,
        };
        if !is_right {
            let expected = record.expected.as_deref().unwrap_or("no error");
            let _ = write!(
                differences,
                "\n=== {name}: {case}\n{}\n--- expected\n{expected}\n--- found\n{}\n",
                record.source.split("\n----").next().unwrap_or_default(),
                found.text
            );
        }
        updated.push(match (&record.expected, is_right) {
            (Some(_), false) => {
                let head = record.source.split("\n----").next().unwrap_or_default();
                format!("{head}\n----\n{}", found.text).trim_end().to_owned()
            }
            _ => record.source,
        });
    }
    if std::env::var_os("PG_DURABLE_UPDATE").is_some() {
        fs::write(&path, updated.join("\n\n") + "\n").expect("the file can be written");
    }
    assert!(differences.is_empty(), "{differences}");
}

fn parse(text: &str) -> Vec<Record> {
    text.split("\n\n")
        .map(str::trim_end)
        .filter(|paragraph| !paragraph.is_empty())
        .map(|paragraph| {
            let source = paragraph.trim_start_matches('\n').to_owned();
            let (input, expected) = match source.split_once("\n----") {
                Some((input, expected)) => (input, Some(expected.trim_start_matches('\n').to_owned())),
                None => (source.as_str(), None),
            };
            let (case, input) = match input.strip_prefix("case ") {
                Some(rest) => {
                    let (name, rest) = rest.split_once('\n').unwrap_or((rest, "// nothing more"));
                    (Some(name.to_owned()), rest)
                }
                None => (None, input),
            };
            let (first, body) = input.split_once('\n').unwrap_or((input, ""));
            let (directive, arguments) = first.split_once(' ').unwrap_or((first, ""));
            Record {
                case,
                directive: directive.to_owned(),
                arguments: arguments.to_owned(),
                body: body.to_owned(),
                expected,
                source: source.clone(),
            }
        })
        .collect()
}

struct Script<'a> {
    server: &'a TestServer,
    role: String,
    current: String,
    id: String,
    roles: HashSet<String>,
    sessions: HashMap<String, Session>,
}

struct Found {
    text: String,
    is_error: bool,
}

impl Found {
    fn right(text: impl Into<String>) -> Found {
        Found { text: text.into(), is_error: false }
    }

    fn wrong(text: impl Into<String>) -> Found {
        Found { text: text.into(), is_error: true }
    }
}

impl From<Result<String, SqlError>> for Found {
    fn from(result: Result<String, SqlError>) -> Found {
        match result {
            Ok(text) => Found::right(text),
            Err(error) => Found::wrong(error.to_string()),
        }
    }
}

impl Script<'_> {
    fn new(server: &TestServer, role: String) -> Script<'_> {
        let current = role.clone();
        let roles = HashSet::from([role.clone()]);
        Script { server, role, current, id: String::new(), roles, sessions: HashMap::new() }
    }

    fn begin_case(&mut self) {
        self.current.clone_from(&self.role);
    }

    fn session(&mut self, who: &str) -> &Session {
        let server = self.server;
        self.sessions.entry(who.to_owned()).or_insert_with(|| {
            let user = who.split('#').next().unwrap_or(who);
            Session::open(server, user, "postgres").unwrap_or_else(|error| panic!("{who}: {error}"))
        })
    }

    fn run(&mut self, record: &Record) -> Found {
        if record.directive.starts_with("//") {
            return Found::right("");
        }
        let body = record.body.replace(":id", &self.id).replace(":role", &self.role);
        let who = self.current.clone();
        let found = match record.directive.as_str() {
            "as" => {
                self.current = record.arguments.replace(":role", &self.role);
                let role = self.current.split('#').next().unwrap_or_default().to_owned();
                if role != "postgres" && self.roles.insert(role.clone()) {
                    tester(self.server, &role);
                }
                Found::right("")
            }
            "sql" => {
                let path = format!("SET search_path = {}, public", identifier(&self.role));
                let session = self.session("postgres");
                session.rows(&path).and_then(|_| session.rows(&body)).map(|_| String::new()).into()
            }
            "query" => self.session(&who).rows(&body).map(|rows| table(&rows)).into(),
            "until" => {
                self.session(&who).until(&body);
                Found::right("")
            }
            "flow" | "start" => {
                let comma = if record.arguments.is_empty() { "" } else { ", " };
                let arguments = record.arguments.replace(":role", &self.role);
                let start = format!("SELECT df.start({body}{comma}{arguments})");
                match self.session(&who).try_value(&start) {
                    Err(error) => Found::wrong(error.to_string()),
                    Ok(id) => {
                        self.id = id.unwrap_or_else(|| "NULL".to_owned());
                        if record.directive == "start" { Found::right("") } else { self.outcome(&who) }
                    }
                }
            }
            "await" => self.outcome(&who),
            other => panic!("unknown directive {other}"),
        };
        let text = if self.id.len() == 8 { found.text.replace(&self.id, ":id") } else { found.text };
        Found { text: text.replace(&self.role, ":role"), is_error: found.is_error }
    }

    fn outcome(&mut self, who: &str) -> Found {
        let id = self.id.clone();
        let text = self.session(who).end_of(&id);
        // A graph of the data that fails unexpectedly must not pass as a mere start.
        let is_error = text.starts_with("failed") || text.starts_with("error");
        Found { text, is_error }
    }
}

fn table(rows: &[Vec<Option<String>>]) -> String {
    let line = |row: &Vec<Option<String>>| {
        row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("|")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
