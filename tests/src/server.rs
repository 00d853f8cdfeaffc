//! The server that the tests of one program share.

use std::sync::{LazyLock, Mutex, PoisonError};

use pg_durable_sdk::testing::TestServer;

/// A server with the extension created in `postgres`, started once in each test program.
///
/// It ends with the program: the server's watchdog sees to that.
pub fn shared() -> &'static TestServer {
    static SERVER: LazyLock<TestServer> = LazyLock::new(own);
    &SERVER
}

/// Such a server for one test, in which no other is about.
pub fn own() -> TestServer {
    let server = TestServer::builder()
        .setting("max_worker_processes", "60")
        .setting("max_connections", "150")
        .setting("pg_durable.max_executors", "40")
        // Less than the default of 30 s, so that the processes of finished tests leave.
        .setting("pg_durable.executor_idle_timeout", "5")
        .setting("pg_durable.reconcile_interval", "0")
        .setting("pg_durable.new_transaction_start_timeout", "2")
        .setting("pg_durable.sweep_interval", "1")
        .setting("timezone", "UTC")
        .start()
        .expect("the server starts");
    server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
    server
}

/// Makes a role that may use pg_durable and a schema of the same name that it owns and looks in first.
pub fn tester(server: &TestServer, name: &str) {
    let role = identifier(name);
    administer(
        server,
        &format!(
            "CREATE ROLE {role} LOGIN; CREATE SCHEMA {role} AUTHORIZATION {role};
             ALTER DEFAULT PRIVILEGES IN SCHEMA {role} GRANT ALL ON TABLES TO {role};
             ALTER ROLE {role} SET search_path = {role}, public;
             SELECT df.grant_usage({})",
            literal(name)
        ),
    );
}

/// Runs SQL of the superuser that changes rights: two sessions cannot change those of one object at once.
pub fn administer(server: &TestServer, sql: &str) {
    administer_as(server, "postgres", sql);
}

/// [`administer`] as another role, which has been given the right to.
pub fn administer_as(server: &TestServer, user: &str, sql: &str) {
    if let Err(error) = administering(|| server.psql_as(user, "postgres", sql)) {
        panic!("{sql}\n{error}");
    }
}

/// Does what changes rights, or tries to, while no other test does.
pub fn administering<T>(change: impl FnOnce() -> T) -> T {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    change()
}

/// Quotes a name.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
