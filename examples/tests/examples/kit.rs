//! A server for a test, a client, and a session that looks at what was done.

use std::time::{Duration, Instant};

use pg_durable_examples::database::Database;
use pg_durable_sdk::Client;
use pg_durable_sdk::testing::TestServer;
use tokio::runtime::Builder;

/// How long anything may take before it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Kit {
    database: Database,
    pub client: Client,
    pub session: tokio_postgres::Client,
}

/// Runs a test on a server of its own.
pub fn run(test: impl AsyncFnOnce(&Kit)) {
    let database = Database::throwaway().expect("a server starts");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = database.client().await.expect("the role may log in");
        let session = database.session().await.expect("the role may log in");
        let kit = Kit { database, client, session };
        tokio::time::timeout(PATIENCE, test(&kit)).await.expect("the test hangs");
    });
}

impl Kit {
    pub fn server(&self) -> &TestServer {
        self.database.server().expect("it is a throwaway server")
    }

    pub fn url(&self) -> &str {
        self.database.url()
    }

    pub async fn another_session(&self) -> tokio_postgres::Client {
        self.database.session().await.expect("the role may log in")
    }

    /// What the superuser's query gives; asked again while the server is away.
    pub async fn value(&self, sql: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match tokio::task::block_in_place(|| self.server().psql("postgres", sql)) {
                Ok(value) => return value,
                Err(error) => assert!(Instant::now() < deadline, "{sql}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the superuser's query gives `t`.
    pub async fn until(&self, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(condition).await != "t" {
            assert!(Instant::now() < deadline, "still not so: {condition}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
