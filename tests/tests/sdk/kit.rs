//! A client, a session beside it, and a runtime for both.

use std::time::{Duration, Instant};

use pg_durable_sdk::Client;
use pg_durable_sdk::testing::TestServer;
use pg_durable_tests::server::{shared, tester};
use pg_durable_tests::session::Session;
use tokio::runtime::Builder;
use tokio::task::block_in_place;

/// How long anything may take before it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test as a role of its own.
pub fn run<F: Future<Output = ()>>(role: &str, test: impl FnOnce(Client, &'static Aside) -> F) {
    let server = shared();
    tester(server, role);
    let session = Aside(Session::open(server, role, "postgres").expect("the role may log in"));
    // A session owns a runtime, which must not end inside another: it lives as long as the program.
    let session: &Aside = Box::leak(Box::new(session));
    in_runtime(async {
        let client = Client::connect(&server.dsn(role, "postgres")).await.expect("the role may log in");
        test(client, session).await;
    });
}

/// A session that blocks, used from async tests.
pub struct Aside(Session);

impl Aside {
    pub fn run(&self, sql: &str) {
        block_in_place(|| self.0.run(sql));
    }

    pub fn value(&self, sql: &str) -> String {
        block_in_place(|| self.0.value(sql))
    }

    pub fn until(&self, condition: &str) {
        block_in_place(|| self.0.until(condition));
    }
}

pub fn in_runtime(test: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
}

/// A server of its own, for who stops it, with the role `app`.
pub fn own_server() -> TestServer {
    let server = TestServer::builder().setting("max_worker_processes", "24").start().expect("it starts");
    server
        .psql("postgres", "CREATE EXTENSION pg_durable; CREATE ROLE app LOGIN; SELECT df.grant_usage('app')")
        .expect("it is set up");
    server
}

/// Waits until the superuser's query answers `t`.
pub fn until(server: &TestServer, condition: &str) {
    let deadline = Instant::now() + PATIENCE;
    while server.psql("postgres", condition).expect("it answers") != "t" {
        assert!(Instant::now() < deadline, "{condition}");
    }
}
