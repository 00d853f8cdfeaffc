//! A pgbouncer before the shared server.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pg_durable_tests::server::shared;
use tokio_postgres::NoTls;

use super::kit::PATIENCE;

/// How long a backend belongs to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    Session,
    Transaction,
}

/// See the module. Ends when it is dropped.
pub struct Pgbouncer {
    process: Child,
    folder: PathBuf,
}

impl Pgbouncer {
    /// Starts one that logs in as this role, and keeps so many backends; `None` where none is installed.
    pub async fn start(role: &str, mode: PoolMode, pool_size: usize) -> Option<Self> {
        let Some(program) = find() else {
            eprintln!("skipped: pgbouncer is not installed (the package pgbouncer has it)");
            return None;
        };
        let folder = new_folder();
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let (sockets, port) = (shared().socket_dir().display(), shared().port());
        let path = folder.display();
        let settings = format!(
            "[databases]\npostgres = host={sockets} port={port} dbname=postgres user={role}\n\
             [pgbouncer]\nunix_socket_dir = {path}\nlisten_port = 6432\nlogfile = {path}/log\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\nmax_client_conn = 200\n"
        );
        fs::write(folder.join("ini"), settings).expect("its folder can be written to");
        // As the server, it does not run as root.
        let server = fs::metadata(shared().data_dir()).expect("the server has its data");
        chown(&folder, Some(server.uid()), Some(server.gid())).expect("the folder can be handed over");
        let process = Command::new(program)
            .arg("-q")
            .arg(folder.join("ini"))
            .uid(server.uid())
            .gid(server.gid())
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let pgbouncer = Self { process, folder };
        pgbouncer.until_ready().await;
        Some(pgbouncer)
    }

    /// What to connect with.
    pub fn dsn(&self) -> String {
        format!("host={} port=6432 user=any dbname=postgres", self.folder.display())
    }

    /// A connection of somebody else's.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.dsn(), NoTls).await.expect("it connects");
        tokio::spawn(connection);
        client
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = tokio_postgres::connect(&self.dsn(), NoTls).await {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "pgbouncer is not ready: {error}\n{log}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        // What fails here was gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Debian keeps it among the programs of the administrator.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}

fn new_folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name =
        format!("pg_durable_pgbouncer_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(&std::env::temp_dir()).join(name);
    fs::create_dir(&folder).expect("a temporary folder can be made");
    folder
}
