//! A client's session, for tests that block.

use std::fmt;
use std::time::{Duration, Instant};

use pg_durable_sdk::testing::TestServer;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// How long a test waits for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An open session of one role.
pub struct Session {
    client: Client,
    runtime: Runtime,
}

/// An error as the server reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}\nmessage: {}", self.sqlstate, self.message)?;
        for (name, text) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(text) = text {
                write!(f, "\n{name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> SqlError {
        match error.as_db_error() {
            Some(error) => SqlError {
                sqlstate: error.code().code().to_owned(),
                message: error.message().to_owned(),
                detail: error.detail().map(str::to_owned),
                hint: error.hint().map(str::to_owned),
            },
            None => SqlError {
                sqlstate: "client".to_owned(),
                message: error.to_string(),
                detail: None,
                hint: None,
            },
        }
    }
}

/// The rows of the last statement that has any.
pub type Rows = Vec<Vec<Option<String>>>;

impl Session {
    /// Opens a session; the server's refusal is the error.
    pub fn open(server: &TestServer, user: &str, database: &str) -> Result<Session, SqlError> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts");
        let dsn = server.dsn(user, database);
        let (client, connection) = runtime.block_on(tokio_postgres::connect(&dsn, NoTls))?;
        runtime.spawn(connection);
        Ok(Session { client, runtime })
    }

    /// Runs SQL and returns the rows of the last statement that has any.
    pub fn rows(&self, sql: &str) -> Result<Rows, SqlError> {
        let mut rows = Rows::new();
        for message in self.runtime.block_on(self.client.simple_query(sql))? {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows.clear(),
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                }
                _ => {}
            }
        }
        Ok(rows)
    }

    /// Runs SQL that gives one value; NULL and no row at all are `None`.
    pub fn try_value(&self, sql: &str) -> Result<Option<String>, SqlError> {
        Ok(self.rows(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// Runs SQL that gives one value and must not fail.
    #[track_caller]
    pub fn value(&self, sql: &str) -> String {
        match self.try_value(sql) {
            Ok(value) => value.unwrap_or_else(|| "NULL".to_owned()),
            Err(error) => panic!("{sql}\n{error}"),
        }
    }

    /// Runs SQL that must not fail.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        if let Err(error) = self.rows(sql) {
            panic!("{sql}\n{error}");
        }
    }

    /// Runs SQL that must fail.
    #[track_caller]
    pub fn error(&self, sql: &str) -> SqlError {
        match self.rows(sql) {
            Ok(rows) => panic!("{sql}\ndid not fail but gave {rows:?}"),
            Err(error) => error,
        }
    }

    /// Starts a workflow from the expression of its graph and returns its id.
    #[track_caller]
    pub fn start(&self, graph: &str) -> String {
        self.value(&format!("SELECT df.start({graph})"))
    }

    /// Waits for an instance's end and tells how it ended: see [`outcome`](Self::outcome).
    #[track_caller]
    pub fn end_of(&self, id: &str) -> String {
        let status = format!("SELECT df.await_instance('{id}', {})", DEADLINE.as_secs());
        match self.try_value(&status) {
            Ok(_) => self.outcome(id),
            Err(error) => {
                let nodes = format!(
                    "SELECT node_id, node_type, status, coalesce(waiting_for, '') FROM df.instance_nodes('{id}')"
                );
                format!("{error}\n{:?}", self.rows(&nodes))
            }
        }
    }

    /// Runs a workflow to its end.
    #[track_caller]
    pub fn flow(&self, graph: &str) -> String {
        match self.try_value(&format!("SELECT df.start({graph})")) {
            Ok(id) => self.end_of(&id.unwrap_or_default()),
            Err(error) => error.to_string(),
        }
    }

    /// What an instance has left: its result, or why it failed.
    #[track_caller]
    pub fn outcome(&self, id: &str) -> String {
        let status = self.value(&format!("SELECT df.status('{id}')"));
        if status == "completed" {
            return self.value(&format!("SELECT df.result('{id}')"));
        }
        let mut text = status;
        let rows = self
            .rows(&format!(
                "SELECT sqlstate, failed_node, message, detail, hint, context FROM df.error('{id}')"
            ))
            .unwrap_or_else(|error| panic!("{error}"));
        let Some(row) = rows.into_iter().next() else { return text };
        let mut fields = row.into_iter();
        for prefix in [" ", " at ", "\nmessage: ", "\ndetail: ", "\nhint: ", "\ncontext: "] {
            if let Some(field) = fields.next().flatten() {
                text += &format!("{prefix}{field}");
            }
        }
        text
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        let sql = format!("SELECT ({condition})");
        assert!(self.is_so(&sql, DEADLINE), "still not so: {condition}");
    }

    fn is_so(&self, sql: &str, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            if self.value(sql) == "t" {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
