//! The server that is measured: a throwaway one with default durability, or any by its connection string.

use crate::{Pace, session::Session};
use anyhow::{Context, Result, ensure};
use pg_durable_sdk::testing::{Installation, TestServer};
use postgres::{Client, NoTls};
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The role and the database of a server of our own.
const NAME: &str = "bench";

/// A schema and not `public`, which an ordinary role may not write into.
const SCHEMA: &str = "
    DROP SCHEMA IF EXISTS df_bench CASCADE;
    CREATE SCHEMA df_bench;
    CREATE TABLE df_bench.effect (n bigint, at timestamptz DEFAULT clock_timestamp());
    CREATE SEQUENCE df_bench.counter;";

/// How long the engine may take to finish what a workload left behind.
const DRAIN: Duration = Duration::from_secs(120);

/// What is measured, and how thoroughly.
pub struct Bench {
    server: Option<TestServer>,
    dsn: String,
    pgbench: PathBuf,
    pub pace: Pace,
}

impl Bench {
    /// Starts a server, or finds the one that `dsn` names, and makes the tables that the steps write to.
    pub fn open(dsn: Option<&str>, pace: Pace) -> Result<Self> {
        let bench = match dsn {
            Some(dsn) => {
                let named =
                    Installation::from_env()?.map(|it| it.program("pgbench")).filter(|path| path.is_file());
                Self { server: None, dsn: dsn.to_owned(), pgbench: named.unwrap_or("pgbench".into()), pace }
            }
            None => Self::own(pace)?,
        };
        bench.client()?.batch_execute(SCHEMA).context("could not make schema df_bench")?;
        Ok(bench)
    }

    fn own(pace: Pace) -> Result<Self> {
        let server = TestServer::builder()
            .durable()
            .setting("log_timezone", "UTC")
            .setting("pg_durable.test_clock", "off")
            .start()?;
        server.psql("postgres", &format!("CREATE ROLE {NAME} LOGIN; CREATE DATABASE {NAME} OWNER {NAME}"))?;
        let extension = format!("CREATE EXTENSION pg_durable; SELECT df.grant_usage('{NAME}')");
        server.psql(NAME, &extension)?;
        let pgbench = server.installation().program("pgbench");
        Ok(Self { dsn: server.dsn(NAME, NAME), server: Some(server), pgbench, pace })
    }

    /// Removes what was made in a server that is not ours.
    pub fn close(self) -> Result<()> {
        if self.server.is_none() {
            self.client()?.batch_execute("DROP SCHEMA df_bench CASCADE")?;
        }
        Ok(())
    }

    pub fn dsn(&self) -> &str {
        &self.dsn
    }

    pub fn pgbench(&self) -> &Path {
        &self.pgbench
    }

    pub fn own_server(&self) -> Option<&TestServer> {
        self.server.as_ref()
    }

    /// The server of our own; workloads that call this say so in [`needs_own_server`](crate::Workload).
    pub fn server(&self) -> Result<&TestServer> {
        self.server.as_ref().context("this needs a server of its own")
    }

    /// A connection as the ordinary role.
    pub fn client(&self) -> Result<Client> {
        Client::connect(&self.dsn, NoTls).context("could not connect")
    }

    /// A session that starts workflows as the ordinary role.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.client()?)
    }

    /// A superuser's connection to the measured database.
    pub fn superuser(&self) -> Result<Client> {
        Ok(Client::connect(&self.server()?.dsn("postgres", NAME), NoTls)?)
    }

    /// A superuser's connection to another database, whose transactions do not count.
    pub fn onlooker(&self) -> Result<Client> {
        Ok(Client::connect(&self.server()?.dsn("postgres", "postgres"), NoTls)?)
    }

    /// Sets a server setting, or with `None` resets it, and waits until it holds in new sessions.
    pub fn alter_system(&self, name: &str, value: Option<&str>) -> Result<()> {
        let mut onlooker = self.onlooker()?;
        match value {
            Some(value) => onlooker.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))?,
            None => onlooker.batch_execute(&format!("ALTER SYSTEM RESET {name}"))?,
        }
        onlooker.batch_execute("SELECT pg_reload_conf()")?;
        thread::sleep(Duration::from_millis(300));
        Ok(())
    }

    /// Waits until nothing runs, and on a server of our own empties all tables.
    pub fn settle(&self) -> Result<()> {
        self.drain(0)?;
        let Some(server) = &self.server else { return Ok(()) };
        server.psql(NAME, "TRUNCATE df.instances, df.nodes, df.signals, df_bench.effect; CHECKPOINT")?;
        Ok(())
    }

    /// Cancels what waits, runs the rest to its end, until no more than so many of the role's instances are left.
    pub fn drain(&self, left_max: i64) -> Result<()> {
        const UNFINISHED: &str = "FROM df.instances WHERE status IN ('pending', 'running')";
        let mut client = self.client()?;
        let deadline = Instant::now() + DRAIN;
        loop {
            let left: i64 = client.query_one(&format!("SELECT count(*) {UNFINISHED}"), &[])?.get(0);
            if left <= left_max {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{left} instances have not ended after {DRAIN:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a query of the superuser's answers with this number.
    pub fn wait_for(&self, query: &str, expected: i64) -> Result<()> {
        let mut client = self.superuser()?;
        let deadline = Instant::now() + DRAIN;
        loop {
            let found: i64 = client.query_one(query, &[])?.get(0);
            if found == expected {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{query}: {found}, not {expected}, after {DRAIN:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}
