//! Launches: starts in transactions of their own that are under way.

use bytemuck::Zeroable;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Launches {
    under_way: u32,
}

impl Launches {
    /// Takes one of `limit` places; false where none is free.
    pub fn enter(&mut self, limit: usize) -> bool {
        let has_room = (self.under_way as usize) < limit;
        self.under_way += u32::from(has_room);
        has_room
    }

    /// Gives the place back.
    pub fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}
