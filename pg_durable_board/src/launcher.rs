//! The launcher, and what it complains of.

use bytemuck::Zeroable;

use crate::ids::ProcNumber;
use crate::process::Process;
use crate::wake::Wake;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Launcher {
    pub(crate) process: Process,
    slots_exhausted_at: i64,
    /// Databases have come, gone or changed.
    look: bool,
    /// Somebody wants a database served for which there was no place.
    refused: bool,
}

impl Launcher {
    /// The launcher runs.
    pub fn enter(&mut self, pid: i32, place: ProcNumber, now: i64) {
        self.process = Process { pid, place, since: now };
    }

    /// Databases have come, gone or changed: the launcher looks at them.
    pub fn request_look(&mut self) -> Wake {
        self.look = true;
        self.process.wake()
    }

    /// Whether the launcher is to look at the databases; true once.
    pub fn take_look(&mut self) -> bool {
        std::mem::take(&mut self.look)
    }

    /// Whether a database was refused since the last call, which is to be served when there is a place again.
    pub fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    pub(crate) fn note_refused(&mut self) -> Wake {
        self.refused = true;
        self.process.wake()
    }

    /// No worker slot was free.
    pub fn note_exhausted(&mut self, now: i64) {
        self.slots_exhausted_at = now;
    }

    /// When a worker slot was last wanted in vain; 0 never.
    pub fn exhausted_at(&self) -> i64 {
        self.slots_exhausted_at
    }
}
