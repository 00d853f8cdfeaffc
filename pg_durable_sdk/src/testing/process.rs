//! Other processes: who they are, how they are signalled, when they are gone.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

/// A process, told apart by its start time from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    parent: u32,
    state: char,
    started: u64,
}

impl Process {
    /// Looks a process up; `None` where there is none.
    pub(super) fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the command in parentheses; it may hold spaces and parentheses of its own.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    pub(super) fn children_of(parent: u32) -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Self::find)
            .filter(|process| process.parent == parent)
            .collect()
    }

    pub(super) fn is_child_of(&self, parent: u32) -> bool {
        self.parent == parent
    }

    /// Whether it has ended. One that nobody has reaped yet counts: it holds no memory and no socket.
    pub(super) fn is_gone(&self) -> bool {
        Self::find(self.pid).is_none_or(|now| now.started != self.started || now.state == 'Z')
    }

    fn is_stopped(&self) -> bool {
        Self::find(self.pid).is_none_or(|now| matches!(now.state, 'T' | 'Z'))
    }

    /// The process and its title, for a message.
    pub(super) fn describe(&self) -> String {
        let title = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let title = String::from_utf8_lossy(&title).replace('\0', " ");
        format!("{} ({})", self.pid, title.trim())
    }
}

/// Freezes a process so that it starts no further children, and returns those it has.
pub(super) fn freeze(pid: u32, deadline: Duration) -> io::Result<Vec<Process>> {
    signal(pid, libc::SIGSTOP)?;
    if let Some(process) = Process::find(pid) {
        wait_until(deadline, || process.is_stopped());
    }
    Ok(Process::children_of(pid))
}

/// Sends a signal to one process.
pub(super) fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    if pid <= 1 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    #[allow(unsafe_code)]
    // SAFETY: kill reads no memory of ours; `pid` names one process, for 0 and -1 were refused.
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(super) fn effective_uid() -> u32 {
    #[allow(unsafe_code)]
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe {
        libc::geteuid()
    }
}

/// Looks at a condition again and again until it holds; `false` where the deadline came first.
pub(super) fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
