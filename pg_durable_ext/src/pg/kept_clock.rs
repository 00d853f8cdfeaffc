//! What tests have added to the clock, over the server's restarts.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicI64, Ordering};

use super::gucs;

/// Where the data directory keeps it, in microseconds: a wait that was reached on the moved clock would else be due only after
/// as much time of the system's when the server has been started again.
const FILE: &str = "pg_durable.clock";

/// Stores what has been added. One writer at a time, so that the last one has read what all before it have added.
pub fn store(added: &AtomicI64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(FILE)?;
    file.lock()?;
    // It only grows, so that no digit of an older text stays behind.
    write!(file, "{}", added.load(Ordering::Relaxed))
}

/// What was added before the server's last start; nothing where it does not serve tests. From the postmaster.
pub fn load() -> i64 {
    let kept = || fs::read_to_string(FILE).ok()?.parse().ok();
    if gucs::test_clock() { kept().unwrap_or_default() } else { 0 }
}
