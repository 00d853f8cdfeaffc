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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_launches_are_under_way_and_no_more() {
        let mut launches = Launches::zeroed();
        assert!(launches.enter(2) && launches.enter(2));
        assert!(!launches.enter(2), "one too many");
        assert!(launches.enter(3), "the limit was raised");
        launches.leave();
        launches.leave();
        assert!(launches.enter(2) && !launches.enter(2));
        for _ in 0..5 {
            launches.leave();
        }
        assert!(launches.enter(1), "places are given back once");
    }
}
