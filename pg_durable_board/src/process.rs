//! A process of the engine, as others find it.

use bytemuck::Zeroable;

use crate::ids::ProcNumber;
use crate::wake::Wake;

/// A process, or, with all zeroes, none.
#[derive(Debug, Clone, Copy, Zeroable)]
#[repr(C)]
pub(crate) struct Process {
    pub pid: i32,
    pub place: ProcNumber,
    /// Since when it is there, or, of an executor, does what it does.
    pub since: i64,
}

impl Process {
    pub fn is_there(&self) -> bool {
        self.pid != 0
    }

    /// Wakes the process, if there is one.
    pub fn wake(&self) -> Wake {
        if self.is_there() { Wake::one(self.place) } else { Wake::nobody() }
    }
}
