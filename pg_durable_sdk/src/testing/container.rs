//! A test server in a container.

mod builder;
mod engine;

use super::{
    StopMode, TestServerError, clock,
    process::wait_until,
    server::{free_port, quoted},
    watchdog::Watchdog,
};
pub use builder::ContainerServerBuilder;
use engine::{Engine, reason, refused};
use std::{
    collections::BTreeMap,
    env, mem, thread,
    time::{Duration, Instant},
};
use testcontainers::{ContainerAsync, GenericImage, ImageExt, core::IntoContainerPort, runners::AsyncRunner};
use tokio_postgres::NoTls;

/// The environment variable that names the image to start.
pub const IMAGE_VARIABLE: &str = "PG_DURABLE_IMAGE";

/// For a start with a new cluster, or a stop, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(120);

/// How many ports are tried: another process may take one between our look and the engine's.
const PORT_TRIES: u32 = 5;

/// The server's port, inside.
const PORT: u16 = 5432;

/// For parallel queries, whose memory a container's default of 64 MB would end.
const SHM_BYTES: u64 = 256 << 20;

/// A throwaway PostgreSQL server in a container, with the extension preloaded and every login trusted.
///
/// Dropped, its container and all data go. They also go with the test process, however that ends, where there is a
/// `docker` program. With `PG_DURABLE_KEEP` set the container is stopped and stays.
///
/// The port is published on the loopback interface alone where the engine is this machine's; a remote engine's
/// machine lets everybody in who reaches it.
///
/// Made by [`TestServer::container`](super::TestServer::container), or by a [builder](ContainerServer::builder).
#[derive(Debug)]
pub struct ContainerServer {
    engine: Engine,
    image: String,
    name: String,
    host: String,
    port: u16,
    watchdog: Watchdog,
    /// Taken when it is dropped.
    container: Option<ContainerAsync<GenericImage>>,
}

impl ContainerServer {
    /// Returns a builder with the default settings.
    pub fn builder() -> ContainerServerBuilder {
        ContainerServerBuilder::new()
    }

    /// The connection string of a user's session.
    pub fn dsn(&self, user: &str, dbname: &str) -> String {
        let (host, port) = (quoted(&self.host), self.port);
        format!("host={host} port={port} user={} dbname={}", quoted(user), quoted(dbname))
    }

    /// The published port. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The image that this server was started from.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The container's name, for the `docker` program.
    pub fn container_name(&self) -> &str {
        &self.name
    }

    /// The whole log, from the first start on.
    pub fn log(&self) -> String {
        self.engine.log(&self.name)
    }

    /// Runs SQL with the container's `psql` as the superuser: see [`TestServer::psql`](super::TestServer::psql).
    pub fn psql(&self, dbname: &str, sql: &str) -> Result<String, TestServerError> {
        self.psql_as("postgres", dbname, sql)
    }

    /// Runs SQL like [`psql`](Self::psql), as another user.
    pub fn psql_as(&self, user: &str, dbname: &str, sql: &str) -> Result<String, TestServerError> {
        self.require_running()?;
        let dsn = format!("host=127.0.0.1 port={PORT} user={} dbname={}", quoted(user), quoted(dbname));
        let ran =
            self.engine.run(&self.name, &["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &dsn], sql)?;
        if ran.is_success {
            return Ok(ran.stdout.strip_suffix('\n').unwrap_or(&ran.stdout).to_owned());
        }
        Err(TestServerError::Program { program: "psql".to_owned(), message: ran.stderr.trim().to_owned() })
    }

    /// Moves the engine's clock forward: see [`TestServer::advance`](super::TestServer::advance).
    ///
    /// ```no_run
    /// # use pg_durable_sdk::testing::{ContainerServer, TestServerError};
    /// # use std::time::Duration;
    /// # fn advance(server: &ContainerServer) -> Result<(), TestServerError> {
    /// server.advance(Duration::from_secs(24 * 60 * 60))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&self, by: Duration) -> Result<(), TestServerError> {
        clock::advance(by, |database, sql| self.psql(database, sql))
    }

    /// Stops the server, and so the container, and waits for its end.
    pub fn stop(&self, mode: StopMode) -> Result<(), TestServerError> {
        self.require_running()?;
        match mode {
            StopMode::Fast => self.engine.stop(&self.name, DEADLINE.as_secs() as i32),
            StopMode::Immediate => self.end_by("SIGQUIT"),
        }
    }

    /// Starts a server that was stopped or killed; returns once it takes connections.
    pub fn start_again(&self) -> Result<(), TestServerError> {
        if self.engine.is_running(&self.name)? {
            return Err(TestServerError::AlreadyRunning);
        }
        self.engine.start(&self.name)?;
        self.wait_until_ready()
    }

    /// Stops the server in the fast mode and starts it again.
    pub fn restart(&self) -> Result<(), TestServerError> {
        self.stop(StopMode::Fast)?;
        self.start_again()
    }

    /// Kills the postmaster with SIGKILL, with which all processes of its container end.
    pub fn kill_postmaster(&self) -> Result<(), TestServerError> {
        self.require_running()?;
        self.end_by("SIGKILL")
    }

    /// Kills one of the server's processes with SIGKILL, upon which the server restarts all others.
    ///
    /// `pid` is what the server itself calls it, as in `pg_stat_activity`. Does not wait for the restart.
    pub fn kill_backend(&self, pid: u32) -> Result<(), TestServerError> {
        self.require_running()?;
        // The postmaster itself has pid 1, upon which the kernel lets no process of its container lay hands.
        let kill = [r#"[ "$1" -gt 1 ] && kill -KILL "$1""#, "kill"];
        let pid_text = pid.to_string();
        let ran = self.engine.run(&self.name, &["sh", "-c", kill[0], kill[1], &pid_text], "")?;
        if ran.is_success { Ok(()) } else { Err(TestServerError::NotOurs { pid }) }
    }

    fn start(image: String, settings: &BTreeMap<String, String>) -> Result<Self, TestServerError> {
        let engine = Engine::connect()?;
        engine.require_image(&image)?;
        let name = format!("pg_durable-test-{}", uuid::Uuid::new_v4().simple());
        let watchdog = Watchdog::over_container(&name)?;
        // From here on, a drop removes what there is.
        let mut server =
            Self { engine, image, name, host: "127.0.0.1".to_owned(), port: 0, watchdog, container: None };
        for left in (0..PORT_TRIES).rev() {
            server.port = free_port()?;
            match server.run(settings) {
                Err(error) if left > 0 && is_taken(&error) => server.engine.remove(&server.name),
                result => {
                    result?;
                    break;
                }
            }
        }
        server.wait_until_ready()?;
        Ok(server)
    }

    fn run(&mut self, settings: &BTreeMap<String, String>) -> Result<(), TestServerError> {
        let (repository, tag) = split(&self.image);
        let mut command = vec!["postgres".to_owned()];
        for (name, value) in settings {
            command.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let is_local = Engine::is_local();
        let request = GenericImage::new(repository, tag)
            .with_container_name(&self.name)
            .with_mapped_port(self.port, PORT.tcp())
            .with_env_var("POSTGRES_HOST_AUTH_METHOD", "trust")
            // As in a local test server, the test does that, in the database of its choice.
            .with_env_var("PG_DURABLE_CREATE_EXTENSION", "no")
            .with_shm_size(SHM_BYTES)
            .with_startup_timeout(DEADLINE)
            .with_cmd(command)
            .with_host_config_modifier(move |host| {
                for binding in
                    host.port_bindings.iter_mut().flat_map(|all| all.values_mut()).flatten().flatten()
                {
                    binding.host_ip = is_local.then(|| "127.0.0.1".to_owned());
                }
            });
        let start = async {
            let container = request.start().await?;
            let host = container.get_host().await?;
            Ok::<_, testcontainers::TestcontainersError>((container, host.to_string()))
        };
        let (container, host) = self.engine.wait(start).map_err(refused("start the container"))?;
        self.container = Some(container);
        // Not by name: that may mean ::1, on which nothing is published.
        self.host = if host == "localhost" { "127.0.0.1".to_owned() } else { host };
        Ok(())
    }

    /// While a cluster is made, the server takes no connections through TCP.
    fn wait_until_ready(&self) -> Result<(), TestServerError> {
        let until = Instant::now() + DEADLINE;
        let dsn = format!("{} connect_timeout=5", self.dsn("postgres", "postgres"));
        while self.engine.wait(tokio_postgres::connect(&dsn, NoTls)).is_err() {
            if !self.engine.is_running(&self.name)? {
                return Err(TestServerError::Start { log: self.log_tail() });
            }
            if Instant::now() > until {
                return Err(self.late("ready"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn end_by(&self, signal: &str) -> Result<(), TestServerError> {
        self.engine.kill(&self.name, signal)?;
        let has_ended = || self.engine.is_running(&self.name).is_ok_and(|is_running| !is_running);
        if wait_until(DEADLINE, has_ended) { Ok(()) } else { Err(self.late("stopped")) }
    }

    fn require_running(&self) -> Result<(), TestServerError> {
        if self.engine.is_running(&self.name)? { Ok(()) } else { Err(TestServerError::NotRunning) }
    }

    fn log_tail(&self) -> String {
        super::error::tail_of(&self.log())
    }

    fn late(&self, state: &'static str) -> TestServerError {
        TestServerError::Deadline { state, waited: DEADLINE, log: self.log_tail() }
    }
}

impl Drop for ContainerServer {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the log of the test server in {} ends with:\n{}", self.name, self.log_tail());
        }
        let container = self.container.take();
        if env::var_os("PG_DURABLE_KEEP").is_some_and(|value| !value.is_empty()) {
            // Its own drop would remove it.
            mem::forget(container);
            let _ = self.engine.stop(&self.name, DEADLINE.as_secs() as i32);
        } else {
            // In a runtime, for testcontainers removes it in one.
            self.engine.wait(async move { drop(container) });
            // What did not start is not testcontainers' to remove.
            self.engine.remove(&self.name);
        }
        self.watchdog.dismiss();
    }
}

/// Whether the error is that the port is another's.
fn is_taken(error: &TestServerError) -> bool {
    let reason = reason(error);
    ["port is already allocated", "address already in use"].iter().any(|message| reason.contains(message))
}

/// An image's name and its tag.
fn split(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        // Else the colon is before a registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_tag_of_an_image_is_told_from_a_port() {
        for (image, expected) in [
            ("pg_durable:dev", ("pg_durable", "dev")),
            ("pg_durable", ("pg_durable", "latest")),
            ("host:5000/team/pg_durable", ("host:5000/team/pg_durable", "latest")),
            ("host:5000/pg_durable:17", ("host:5000/pg_durable", "17")),
        ] {
            assert_eq!(split(image), expected, "{image}");
        }
    }
}
