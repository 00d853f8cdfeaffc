//! A server of its own for a test that kills, and sessions that live through it.

use std::cell::RefCell;
use std::thread;
use std::time::{Duration, Instant};

use pg_durable_sdk::testing::{TestServer, TestServerBuilder};
use pg_durable_tests::server::{literal, tester};
use pg_durable_tests::session::{Rows, Session, SqlError};

/// How long anything may take: ample, for a machine that others use too.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A server whose settings make recovery quick.
pub fn builder() -> TestServerBuilder {
    TestServer::builder()
        .setting("pg_durable.reconcile_interval", "0")
        .setting("pg_durable.sweep_interval", "1")
        .setting("pg_durable.loop_min_interval", "50ms")
        .setting("timezone", "UTC")
        .setting("log_min_messages", "warning")
}

/// Starts a server with the extension, the table `effects` that every step writes to, and these roles.
pub fn start(builder: TestServerBuilder, roles: &[&str]) -> TestServer {
    let server = builder.start().expect("the server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    prepare(&server, roles);
    server
}

/// Makes the table of effects and the roles.
pub fn prepare(server: &TestServer, roles: &[&str]) {
    server
        .psql(
            "postgres",
            "CREATE TABLE public.effects (
                 id bigserial, instance text, node text, generation bigint,
                 at timestamptz DEFAULT clock_timestamp());
             CREATE INDEX ON public.effects (instance, node);
             GRANT ALL ON public.effects, public.effects_id_seq TO PUBLIC",
        )
        .expect("the table is made");
    for role in roles {
        tester(server, role);
    }
}

/// A client that reconnects: what it asks is asked again until the server answers.
pub struct Client<'a> {
    server: &'a TestServer,
    role: String,
    session: RefCell<Option<Session>>,
}

impl<'a> Client<'a> {
    pub fn new(server: &'a TestServer, role: &str) -> Client<'a> {
        Client { server, role: role.to_owned(), session: RefCell::new(None) }
    }

    /// One try.
    pub fn try_rows(&self, sql: &str) -> Result<Rows, SqlError> {
        let mut session = self.session.borrow_mut();
        if session.is_none() {
            *session = Some(Session::open(self.server, &self.role, "postgres")?);
        }
        let result = session.as_ref().expect("opened above").rows(sql);
        if result.as_ref().is_err_and(is_outage) {
            *session = None;
        }
        result
    }

    /// Asks until the server is there to answer; an error of the statement's own ends the test. Only for what may
    /// be done twice.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Rows {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.try_rows(sql) {
                Ok(rows) => return rows,
                Err(error) if is_outage(&error) && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("{sql}\n{error}"),
            }
        }
    }

    /// [`rows`](Self::rows) for what others' work may get in the way of: deadlocks, and catalog rows that two change.
    #[track_caller]
    pub fn rows_in_the_end(&self, sql: &str) {
        let until = Instant::now() + DEADLINE;
        while let Err(error) = self.try_rows(sql) {
            let is_in_the_way = error.sqlstate == "40P01" || error.message.contains("tuple concurrently");
            assert!((is_in_the_way || is_outage(&error)) && Instant::now() < until, "{sql}\n{error}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A client of another role.
    pub fn of(&self, role: &str) -> Client<'a> {
        Client::new(self.server, role)
    }

    #[track_caller]
    pub fn value(&self, sql: &str) -> String {
        let value = self.rows(sql).into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        value.unwrap_or_else(|| "NULL".to_owned())
    }

    /// Starts a workflow once, however often the answer is lost.
    #[track_caller]
    pub fn start(&self, graph: &str, key: &str, durability: &str) -> String {
        self.value(&format!(
            "SELECT df.start({graph}, label => {key}, idempotency_key => {key}, durability => {durability})",
            key = literal(key),
            durability = literal(durability)
        ))
    }

    /// Waits until the query gives true.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        let end = Instant::now() + DEADLINE;
        let sql = format!("SELECT coalesce(({condition}), false)");
        while self.value(&sql) != "t" {
            assert!(Instant::now() < end, "still not so: {condition}\n{}", self.state());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an instance has ended; its status.
    #[track_caller]
    pub fn end_of(&self, id: &str) -> String {
        self.until(&format!("SELECT df.status({}) IN ('completed', 'failed', 'cancelled')", literal(id)));
        self.value(&format!("SELECT df.status({})", literal(id)))
    }

    /// What is unfinished, and what the engine is doing, for the message of a failed test.
    pub fn state(&self) -> String {
        let show = |title: &str, sql: &str| match self.try_rows(sql) {
            Ok(rows) => {
                let lines: Vec<String> = rows
                    .iter()
                    .map(|row| {
                        row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" | ")
                    })
                    .collect();
                format!("{title}:\n  {}", lines.join("\n  "))
            }
            Err(error) => format!("{title}: {error}"),
        };
        [
            show("workers", "SELECT kind, pid, role, state, instance_id, node_id, since, note FROM df.workers()"),
            show(
                "instances",
                "SELECT id, label, status, error FROM df.instances WHERE status <> 'completed' ORDER BY created_at LIMIT 5",
            ),
            show(
                "nodes",
                "SELECT n.instance_id, n.id, n.node_type, n.left_node, n.right_node, n.status, n.generation, n.iteration,
                        n.wake_at, left(n.query, 60)
                 FROM df.nodes AS n JOIN (
                     SELECT id FROM df.instances WHERE status <> 'completed' ORDER BY created_at LIMIT 3) AS i
                     ON i.id = n.instance_id ORDER BY 1, 2",
            ),
        ]
        .join("\n")
    }
}

/// Whether the error means that the server, or this session, was killed, or that nobody may do anything for a while.
pub fn is_outage(error: &SqlError) -> bool {
    let is_kept_out = error.message.starts_with("permission denied for database");
    let is_read_only = error.sqlstate == "25006";
    let is_gone =
        error.sqlstate == "client" || error.sqlstate.starts_with("08") || error.sqlstate.starts_with("57P");
    is_gone || is_kept_out || is_read_only
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "still not so: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
