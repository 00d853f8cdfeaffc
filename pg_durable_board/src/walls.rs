//! Walls: what of the board is of a fixed size, and when somebody came up against it.
//!
//! A wall holds nobody's work for good: what finds no place waits in the tables, or looks by itself. That it was met is
//! said all the same.

use bytemuck::Zeroable;

/// After how long without anybody coming up against a wall the next time counts, and is said, as a new one.
const QUIET_US: i64 = 60_000_000;

/// What there is only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// Ready work.
    Items,
    /// Timers on their way to the schedulers.
    Timers,
    /// Roles, each in its database, with ready work.
    Queues,
    /// Databases that are served.
    Databases,
    /// Sessions that are woken when an instance ends.
    Waiters,
    /// Roles of whom it is noted what their work waits for.
    Hindrances,
    /// Steps of which it is noted that their processes died.
    Suspects,
}

impl Wall {
    /// All of them.
    pub const ALL: [Wall; 7] = [
        Wall::Items,
        Wall::Timers,
        Wall::Queues,
        Wall::Databases,
        Wall::Waiters,
        Wall::Hindrances,
        Wall::Suspects,
    ];

    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Wall::Items => "items",
            Wall::Timers => "timers",
            Wall::Queues => "queues",
            Wall::Databases => "databases",
            Wall::Waiters => "waiters",
            Wall::Hindrances => "hindrances",
            Wall::Suspects => "suspects",
        }
    }

    /// What happens there.
    pub fn consequence(self) -> &'static str {
        match self {
            Wall::Items => "the board is full: work beyond its role's share waits in the tables",
            Wall::Timers => {
                "too many timers are on their way to the schedulers: the rest is found in the tables"
            }
            Wall::Queues => "too many roles have work at once: those without a queue take turns",
            Wall::Databases => {
                "as many databases as the engine can serve are served: others wait for one to be left"
            }
            Wall::Waiters => "too many sessions wait for instances: the rest look once a second",
            Wall::Hindrances => "the work of too many roles waits: of the rest df.workers() does not say why",
            Wall::Suspects => "too many processes died at once: the rest of their steps are not counted",
        }
    }
}

/// How it stands with a wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallInfo {
    /// Which one.
    pub wall: Wall,
    /// How many there may be.
    pub size: u32,
    /// How many there are.
    pub used: u32,
    /// How often it was met since the server started.
    pub crossings: u32,
    /// When it was last; 0 never.
    pub met_at: i64,
}

impl WallInfo {
    /// Whether it stands in somebody's way, or did a moment ago.
    pub fn is_met(&self, now: i64) -> bool {
        self.met_at != 0 && self.met_at + QUIET_US >= now
    }
}

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Walls {
    places: [Place; Wall::ALL.len()],
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Place {
    met_at: i64,
    crossings: u32,
    is_unsaid: bool,
}

impl Walls {
    /// The walls that were met and of which nothing has been said; each once a crossing.
    pub fn take_unsaid(&mut self) -> Vec<Wall> {
        let is_unsaid = |wall: &Wall| std::mem::take(&mut self.places[*wall as usize].is_unsaid);
        Wall::ALL.into_iter().filter(is_unsaid).collect()
    }

    /// Somebody has come up against a wall; true where that is new.
    pub(crate) fn meet(&mut self, wall: Wall, now: i64) -> bool {
        let place = &mut self.places[wall as usize];
        let is_new = place.met_at == 0 || place.met_at + QUIET_US < now;
        place.met_at = now;
        place.crossings += u32::from(is_new);
        place.is_unsaid |= is_new;
        is_new
    }

    pub(crate) fn info(&self, wall: Wall, size: usize, used: usize) -> WallInfo {
        let Place { met_at, crossings, .. } = self.places[wall as usize];
        WallInfo { wall, size: size as u32, used: used as u32, crossings, met_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_is_said_once_a_crossing() {
        let mut walls = Walls::zeroed();
        let mut now = 1_000_000_000;
        assert!(walls.meet(Wall::Items, now) && walls.meet(Wall::Waiters, now));
        assert_eq!(walls.take_unsaid(), [Wall::Items, Wall::Waiters]);
        for _ in 0..10 {
            now += QUIET_US;
            assert!(!walls.meet(Wall::Items, now), "it stands still");
        }
        assert_eq!(walls.take_unsaid(), []);
        assert!(walls.info(Wall::Items, 9, 9).is_met(now + QUIET_US));
        now += QUIET_US + 1;
        assert!(!walls.info(Wall::Items, 9, 0).is_met(now));
        assert!(walls.meet(Wall::Items, now));
        assert_eq!(walls.take_unsaid(), [Wall::Items]);
        let info = WallInfo { wall: Wall::Items, size: 9, used: 3, crossings: 2, met_at: now };
        assert_eq!(walls.info(Wall::Items, 9, 3), info);
        assert!(!walls.info(Wall::Queues, 9, 3).is_met(now));
    }

    #[test]
    fn every_wall_has_its_place() {
        for (place, wall) in Wall::ALL.into_iter().enumerate() {
            assert_eq!(wall as usize, place);
        }
    }
}
