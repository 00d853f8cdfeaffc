//! What the figures were measured on.

use crate::target::Bench;
use anyhow::Result;
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// The settings that figures depend on.
const SETTINGS: [&str; 11] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
    "jit",
    "max_worker_processes",
    "pg_durable.max_executors",
];

/// Names and values, in the order in which they are told.
pub type Facts = Vec<(String, String)>;

/// Looks at the machine and the server.
pub fn look(bench: &Bench) -> Result<Facts> {
    let mut facts: Facts = Vec::new();
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    add("date", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    if let Some(server) = bench.own_server() {
        let cpu = first_of("/proc/cpuinfo", "model name");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        add("processor", format!("{cpu}, {cores} cores"));
        add("memory", first_of("/proc/meminfo", "MemTotal"));
        add("kernel", output("uname", &["-sr"]));
        add("load average at the start", load_average());
        let rate = sync_rate(server.socket_dir())?;
        add("write and fdatasync of 8 KiB", format!("{rate:.0} a second, {:.3} ms each", 1e3 / rate));
    }
    let mut client = bench.client()?;
    let version: String = client.query_one("SELECT version()", &[])?.get(0);
    add("server", version.split(" on ").next().unwrap_or_default().to_owned());
    add("extension", client.query_one("SELECT df.version()", &[])?.get(0));
    for name in SETTINGS {
        let value: Option<String> = client.query_one("SELECT current_setting($1, true)", &[&name])?.get(0);
        add(name, value.unwrap_or_default());
    }
    if bench.pace.is_quick {
        add("quick", "yes: figures to look at, not to publish".to_owned());
    }
    Ok(facts)
}

/// How many processes wanted to run, over one, five and fifteen minutes.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// How often a second the disk takes a page for good, at the place where the server keeps its log.
fn sync_rate(folder: &Path) -> Result<f64> {
    let path = folder.join("sync-rate");
    let mut file = File::create(&path)?;
    let (since, mut times) = (Instant::now(), 0);
    while since.elapsed() < Duration::from_secs(1) {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[0x5a; 8192])?;
        file.sync_data()?;
        times += 1;
    }
    let rate = f64::from(times) / since.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

fn first_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}
