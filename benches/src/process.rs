//! What the server's processes take of the machine, as `/proc` tells.

use anyhow::{Context, Result};
use std::{fs, thread, time::Duration};

/// The time that a process has had the processor, in seconds, to the nanosecond.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds: f64 = text.split_whitespace().next().context("schedstat is empty")?.parse()?;
    Ok(nanoseconds / 1e9)
}

/// The memory of a process in megabytes: its own, and its share of what the server's processes have in common. Without
/// the program's text, which other servers of the machine share too. None of a process that has ended.
pub fn memory_mb(pid: u32) -> Result<f64> {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { return Ok(0.0) };
    let kilobytes = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.with_context(|| format!("smaps_rollup has no {name}"))?;
        Ok(line.split_whitespace().next().context("smaps_rollup has an empty line")?.parse()?)
    };
    Ok((kilobytes("Pss_Anon:")? + kilobytes("Pss_Shmem:")?) / 1024.0)
}

/// A process and its children.
pub fn family(pid: u32) -> Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    Ok(std::iter::once(pid).chain(children).collect())
}

/// The share of all processors that was in use over the next half second.
pub fn busy_share() -> Result<f64> {
    let look = || -> Result<(f64, f64)> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<f64> = line.split_whitespace().skip(1).map(|it| it.parse().unwrap_or(0.0)).collect();
        // The fourth is idle, the fifth idle for want of the disk.
        Ok((ticks.iter().sum(), ticks.iter().skip(3).take(2).sum()))
    };
    let (total, idle) = look()?;
    thread::sleep(Duration::from_millis(500));
    let (total_now, idle_now) = look()?;
    Ok(1.0 - (idle_now - idle) / (total_now - total).max(1.0))
}
