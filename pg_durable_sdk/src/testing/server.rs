//! A running test server, and what can be done to it.

use super::{
    Installation, TestServerBuilder, TestServerError,
    account::{Account, run},
    clock,
    folder::Folder,
    process::{self, Process},
    watchdog::Watchdog,
};
use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// The file in the data folder that holds the builder's settings.
const SETTINGS_FILE: &str = "pg_durable_test.conf";

/// For a start, a stop, or the end of the processes of a killed server: ample, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many ports are tried: another process may take one between our look and the server's.
const PORT_TRIES: u32 = 5;

/// A throwaway PostgreSQL cluster with the extension preloaded.
///
/// Dropped, it stops at once and its folder goes. With `PG_DURABLE_KEEP` set the folder stays; where the
/// test failed, a copy of the log does, and its path is printed.
#[derive(Debug)]
pub struct TestServer {
    installation: Installation,
    account: Account,
    settings: BTreeMap<String, String>,
    port: u16,
    postmaster: Mutex<Option<Child>>,
    watchdog: Watchdog,
    is_kept: bool,
    // The last field: it is removed after all else has ended.
    folder: Folder,
}

/// How a server is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopMode {
    /// Ends the sessions, writes a checkpoint.
    Fast,
    /// Ends all processes at once, so that the next start recovers from the log.
    Immediate,
}

/// A server that was left running by [`TestServer::keep`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeptServer {
    /// The folder that holds data, socket and log.
    pub folder: PathBuf,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The server's log.
    pub log_path: PathBuf,
    /// The port, on 127.0.0.1 and of the socket in `folder`.
    pub port: u16,
    /// The postmaster.
    pub postmaster_pid: u32,
    /// A shell command that stops the server.
    pub stop_command: String,
    /// The `psql` of the server's installation.
    pub psql: PathBuf,
}

impl TestServer {
    /// Starts a server with the default settings.
    pub fn start() -> Result<Self, TestServerError> {
        Self::builder().start()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::new()
    }

    /// Starts a server from the container image that `cargo xtask image` builds, with the default settings.
    ///
    /// The image's name is that of the environment variable `PG_DURABLE_IMAGE`, else `pg_durable:dev`.
    ///
    /// ```no_run
    /// use pg_durable_sdk::testing::{TestServer, TestServerError};
    ///
    /// # fn main() -> Result<(), TestServerError> {
    /// let server = TestServer::container()?;
    /// server.psql("postgres", "CREATE EXTENSION pg_durable")?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "testing-container")]
    pub fn container() -> Result<super::ContainerServer, TestServerError> {
        super::ContainerServer::builder().start()
    }

    /// The connection string of a user's session through the Unix socket.
    pub fn dsn(&self, user: &str, dbname: &str) -> String {
        self.dsn_at(&self.socket_dir().display().to_string(), user, dbname)
    }

    /// The connection string of a user's session through TCP to 127.0.0.1.
    pub fn tcp_dsn(&self, user: &str, dbname: &str) -> String {
        self.dsn_at("127.0.0.1", user, dbname)
    }

    /// The port, on 127.0.0.1 and of the Unix socket. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The cluster's data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.data()
    }

    /// The installation that this server runs.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The file to which the server logs.
    pub fn log_path(&self) -> PathBuf {
        self.folder.log()
    }

    /// The whole log, from the first start on.
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// The pid of the postmaster.
    pub fn postmaster_pid(&self) -> Result<u32, TestServerError> {
        live_pid(&mut self.postmaster())
    }

    /// Runs SQL with `psql` as the superuser and returns the rows: unaligned, columns split by `|`.
    ///
    /// Each statement is a transaction of its own; the first error ends the run and becomes the error.
    pub fn psql(&self, dbname: &str, sql: &str) -> Result<String, TestServerError> {
        self.psql_as("postgres", dbname, sql)
    }

    /// Runs SQL like [`psql`](Self::psql), as another user.
    pub fn psql_as(&self, user: &str, dbname: &str, sql: &str) -> Result<String, TestServerError> {
        let mut command = self.command("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d"]).arg(self.dsn(user, dbname));
        command
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut psql = command.spawn().map_err(TestServerError::system("run psql"))?;
        let pipe = psql.stdin.take();
        // Written from the side: psql may fill its output before it has read all of its input.
        let output = thread::scope(|scope| {
            scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(sql.as_bytes())));
            psql.wait_with_output()
        });
        let output = output.map_err(TestServerError::system("read what psql prints"))?;
        if output.status.success() {
            let rows = String::from_utf8_lossy(&output.stdout);
            return Ok(rows.strip_suffix('\n').unwrap_or(&rows).to_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(TestServerError::Program { program: "psql".to_owned(), message })
    }

    /// Moves the engine's clock forward, so that sleeps, time-outs and cron expressions that fall due by then do
    /// so now.
    ///
    /// Some database of the server must have the extension. Only servers with the setting
    /// `pg_durable.test_clock` allow it, as those of [`TestServer`] are unless their builder says otherwise. The
    /// clock stays moved when the server is stopped, killed and started again.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::testing::{TestServer, TestServerError};
    /// # use std::time::Duration;
    /// # fn advance(server: &TestServer) -> Result<(), TestServerError> {
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// server.advance(DAY)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&self, by: Duration) -> Result<(), TestServerError> {
        clock::advance(by, |database, sql| self.psql(database, sql))
    }

    /// Stops the server and waits for its end.
    pub fn stop(&self, mode: StopMode) -> Result<(), TestServerError> {
        let signal = match mode {
            StopMode::Fast => libc::SIGINT,
            StopMode::Immediate => libc::SIGQUIT,
        };
        let mut postmaster = self.postmaster();
        let pid = live_pid(&mut postmaster)?;
        process::signal(pid, signal).map_err(TestServerError::system("signal the postmaster"))?;
        if process::wait_until(DEADLINE, || live_pid(&mut postmaster).is_err()) {
            return Ok(());
        }
        Err(self.late("stopped"))
    }

    /// Starts a server that was stopped or killed; returns once it takes connections.
    pub fn start_again(&self) -> Result<(), TestServerError> {
        self.launch()
    }

    /// Stops the server in the fast mode and starts it again.
    pub fn restart(&self) -> Result<(), TestServerError> {
        self.stop(StopMode::Fast)?;
        self.start_again()
    }

    /// Kills the postmaster with SIGKILL and waits until its processes have seen that and ended.
    ///
    /// Processes that have not, after a minute, are the error; they are then killed too, so that in either
    /// case the server can be started again.
    pub fn kill_postmaster(&self) -> Result<(), TestServerError> {
        let children = self.kill_leaving_children()?;
        process::wait_until(DEADLINE, || children.iter().all(Process::is_gone));
        let survivors: Vec<&Process> = children.iter().filter(|child| !child.is_gone()).collect();
        if survivors.is_empty() {
            return Ok(());
        }
        let described = survivors.iter().map(|process| process.describe()).collect();
        kill_all(&children)?;
        Err(TestServerError::Survivors { survivors: described })
    }

    /// Kills every process of the server with SIGKILL, as a failing machine would.
    pub fn kill_all_processes(&self) -> Result<(), TestServerError> {
        let children = self.kill_leaving_children()?;
        kill_all(&children)
    }

    /// Kills one of the server's processes with SIGKILL, upon which the server restarts all others.
    ///
    /// Does not wait for that.
    pub fn kill_backend(&self, pid: u32) -> Result<(), TestServerError> {
        let postmaster = self.postmaster_pid()?;
        if !Process::find(pid).is_some_and(|process| process.is_child_of(postmaster)) {
            return Err(TestServerError::NotOurs { pid });
        }
        process::signal(pid, libc::SIGKILL).map_err(TestServerError::system(format!("kill process {pid}")))
    }

    /// Makes a streaming standby of this server, with the same settings, and starts it.
    pub fn standby(&self) -> Result<Self, TestServerError> {
        let folder = Folder::new(&self.account)?;
        let mut backup = self.command("pg_basebackup");
        backup.arg("-D").arg(folder.data()).args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d"]);
        run(backup.arg(self.dsn("postgres", "postgres")))?;
        Self::start_in(folder, self.installation.clone(), self.account, self.settings.clone())
    }

    /// Makes a primary of a standby and waits until it takes writes.
    pub fn promote(&self) -> Result<(), TestServerError> {
        let promoted = self.psql("postgres", &format!("SELECT pg_promote(true, {})", DEADLINE.as_secs()))?;
        if promoted == "t" { Ok(()) } else { Err(self.late("promoted")) }
    }

    /// Leaves the server running, also beyond the end of this process, and tells where it is.
    pub fn keep(mut self) -> Result<KeptServer, TestServerError> {
        let postmaster_pid = self.postmaster_pid()?;
        self.is_kept = true;
        self.folder.keep();
        Ok(KeptServer {
            folder: self.folder.path().to_owned(),
            data_dir: self.data_dir(),
            log_path: self.log_path(),
            port: self.port,
            postmaster_pid,
            // The folder goes when the postmaster has gone, which removes its files until then.
            stop_command: format!(
                "kill -INT {postmaster_pid} && tail --pid={postmaster_pid} -f /dev/null; rm -r {}",
                self.folder.path().display()
            ),
            psql: self.installation.program("psql"),
        })
    }

    /// Starts the cluster that lies in the folder, on a free port.
    pub(super) fn start_in(
        mut folder: Folder,
        installation: Installation,
        account: Account,
        settings: BTreeMap<String, String>,
    ) -> Result<Self, TestServerError> {
        let keep_folder = env::var_os("PG_DURABLE_KEEP").is_some_and(|value| !value.is_empty());
        if keep_folder {
            folder.keep();
        }
        let watchdog = Watchdog::over(folder.path(), keep_folder)?;
        let postmaster = Mutex::new(None);
        let mut server = Self {
            installation,
            account,
            settings,
            port: free_port()?,
            postmaster,
            watchdog,
            is_kept: false,
            folder,
        };
        server.write_settings().map_err(TestServerError::system("write the server's settings"))?;
        for _ in 1..PORT_TRIES {
            match server.launch() {
                Err(TestServerError::Start { log }) if log.contains("Address already in use") => {
                    server.port = free_port()?;
                }
                result => return result.map(|()| server),
            }
        }
        server.launch().map(|()| server)
    }

    fn write_settings(&self) -> std::io::Result<()> {
        let mut text = String::new();
        for (name, value) in &self.settings {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        let file = self.data_dir().join(SETTINGS_FILE);
        fs::write(&file, text)?;
        self.account.give(&file)?;
        let main = self.data_dir().join("postgresql.conf");
        let include = format!("include '{SETTINGS_FILE}'\n");
        // A standby's copy of the file has the line already.
        if !fs::read_to_string(&main)?.ends_with(&include) {
            OpenOptions::new().append(true).open(main)?.write_all(include.as_bytes())?;
        }
        Ok(())
    }

    fn launch(&self) -> Result<(), TestServerError> {
        let mut postmaster = self.postmaster();
        if live_pid(&mut postmaster).is_ok() {
            return Err(TestServerError::AlreadyRunning);
        }
        let log = || OpenOptions::new().create(true).append(true).open(self.log_path());
        let output = log().map_err(TestServerError::system("open the server's log"))?;
        let errors = output.try_clone().map_err(TestServerError::system("open the server's log"))?;
        let mut command = self.command("postgres");
        // What differs between a server and its standby is not in the files, which are copied.
        command.arg("-D").arg(self.data_dir()).arg("-k").arg(self.socket_dir()).args(["-h", "127.0.0.1"]);
        command.args(["-p", &self.port.to_string()]).stdout(output).stderr(errors);
        // Ctrl-C reaches the test and not the server, which the watchdog then ends.
        let child = command.process_group(0).spawn().map_err(TestServerError::system("run postgres"))?;
        let pid = child.id();
        *postmaster = Some(child);
        let mut is_running = true;
        process::wait_until(DEADLINE, || {
            is_running = live_pid(&mut postmaster).is_ok();
            !is_running || self.is_ready(pid)
        });
        if !is_running {
            return Err(TestServerError::Start { log: self.log_tail() });
        }
        if self.is_ready(pid) { Ok(()) } else { Err(self.late("ready")) }
    }

    /// Reads the server's own word: the first line of its pid file is the pid, the eighth the state.
    fn is_ready(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data_dir().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }

    fn kill_leaving_children(&self) -> Result<Vec<Process>, TestServerError> {
        let mut postmaster = self.postmaster();
        let pid = live_pid(&mut postmaster)?;
        // Stopped first: no child is started between the look at the children and the kill.
        let children =
            process::freeze(pid, DEADLINE).map_err(TestServerError::system("stop the postmaster"))?;
        process::signal(pid, libc::SIGKILL).map_err(TestServerError::system("kill the postmaster"))?;
        if let Some(mut child) = postmaster.take() {
            child.wait().map_err(TestServerError::system("wait for the postmaster's end"))?;
        }
        Ok(children)
    }

    fn command(&self, program: &str) -> std::process::Command {
        self.account.command(self.installation.program(program), self.folder.path())
    }

    fn dsn_at(&self, host: &str, user: &str, dbname: &str) -> String {
        format!("host={} port={} user={} dbname={}", quoted(host), self.port, quoted(user), quoted(dbname))
    }

    #[cfg(test)]
    pub(super) fn watchdog_mut(&mut self) -> &mut Watchdog {
        &mut self.watchdog
    }

    /// A panic while it was held leaves nothing half done in it.
    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_tail(&self) -> String {
        super::error::tail_of(&self.log())
    }

    fn late(&self, state: &'static str) -> TestServerError {
        TestServerError::Deadline { state, waited: DEADLINE, log: self.log_tail() }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if !self.is_kept {
            if self.postmaster_pid().is_ok() && self.stop(StopMode::Immediate).is_err() {
                // Nobody is left to tell; the watchdog would do no better.
                let _ = self.kill_all_processes();
            }
            if thread::panicking() {
                let log = self.folder.rescue_log().unwrap_or_else(|| self.log_path());
                eprintln!("the log of the test server, {}, ends with:\n{}", log.display(), self.log_tail());
            }
        }
        self.watchdog.dismiss();
    }
}

/// The postmaster's pid; one that has ended by itself is reaped and forgotten.
fn live_pid(postmaster: &mut Option<Child>) -> Result<u32, TestServerError> {
    let child = postmaster.as_mut().ok_or(TestServerError::NotRunning)?;
    match child.try_wait().map_err(TestServerError::system("look after the postmaster"))? {
        None => Ok(child.id()),
        Some(_) => {
            *postmaster = None;
            Err(TestServerError::NotRunning)
        }
    }
}

fn kill_all(processes: &[Process]) -> Result<(), TestServerError> {
    for process in processes.iter().filter(|process| !process.is_gone()) {
        // It may end by itself in between.
        let _ = process::signal(process.pid, libc::SIGKILL);
    }
    if process::wait_until(DEADLINE, || processes.iter().all(Process::is_gone)) {
        return Ok(());
    }
    let survivors = processes.iter().filter(|process| !process.is_gone()).map(Process::describe).collect();
    Err(TestServerError::Survivors { survivors })
}

pub(super) fn free_port() -> Result<u16, TestServerError> {
    let port = || Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
    port().map_err(TestServerError::system("find a free port"))
}

/// Quotes a value of a connection string where it needs quotes.
pub(super) fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}
