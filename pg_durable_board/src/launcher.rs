//! The launcher, and what it complains of.

use bytemuck::Zeroable;

use crate::ids::ProcNumber;
use crate::process::Process;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Launcher {
    pub(crate) process: Process,
    slots_exhausted_at: i64,
}

impl Launcher {
    /// The launcher runs.
    pub fn enter(&mut self, pid: i32, place: ProcNumber, now: i64) {
        self.process = Process { pid, place, since: now };
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
