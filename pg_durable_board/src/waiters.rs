//! Waiters: who sleeps until an instance ends, and which instances have ended of late.
//!
//! Ends are counted for the life of the server; of the last few it is known whose they were.

use bytemuck::Zeroable;

use crate::ids::{DatabaseId, InstanceNumber, ProcNumber};
use crate::wake::Wake;

const WAITERS_MAX: usize = 2048;
const ENDED_MAX: usize = 4096;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Waiters {
    in_use: u32,
    ended_count: u64,
    waiters: [Waiter; WAITERS_MAX],
    ended: [Ended; ENDED_MAX],
}

/// What a process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// That any instance of the database ends.
    Any,
    /// That this one ends.
    Instance(InstanceNumber),
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Waiter {
    database: DatabaseId,
    place: ProcNumber,
    seat: Seat,
}

#[derive(Clone, Copy, PartialEq, Eq, Zeroable)]
#[repr(u32)]
enum Seat {
    Free = 0,
    Any = 1,
    Instance(InstanceNumber) = 2,
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Ended {
    database: DatabaseId,
    has_completed: bool,
    instance: InstanceNumber,
}

impl Waiters {
    /// Waits. `None` when too many wait.
    pub fn add(&mut self, database: DatabaseId, place: ProcNumber, awaited: Awaited) -> Option<usize> {
        let free = self.waiters.iter().position(|waiter| waiter.seat == Seat::Free)?;
        let seat = match awaited {
            Awaited::Any => Seat::Any,
            Awaited::Instance(instance) => Seat::Instance(instance),
        };
        self.waiters[free] = Waiter { database, place, seat };
        self.in_use += 1;
        Some(free)
    }

    /// Stops waiting.
    pub fn remove(&mut self, place: usize) {
        if std::mem::replace(&mut self.waiters[place].seat, Seat::Free) != Seat::Free {
            self.in_use -= 1;
        }
    }

    /// How many instances have ended since the server started; [`Waiters::ended_since`] tells which.
    pub fn ended_count(&self) -> u64 {
        self.ended_count
    }

    /// The instances of this database that ended since `count` was taken; `None` when that is too long ago.
    pub fn ended_since(&self, database: DatabaseId, count: u64) -> Option<Vec<InstanceNumber>> {
        if self.ended_count - count > ENDED_MAX as u64 {
            return None;
        }
        let of_database = self.ended(count).filter(|one| one.database == database);
        Some(of_database.map(|one| one.instance).collect())
    }

    /// Whether it is known that an instance of this database has completed since `count` was taken.
    pub fn has_completed_since(&self, database: DatabaseId, count: u64, instance: InstanceNumber) -> bool {
        let oldest = self.ended_count.saturating_sub(ENDED_MAX as u64);
        self.ended(oldest.max(count))
            .any(|one| one.has_completed && one.database == database && one.instance == instance)
    }

    /// An instance has ended, or may have.
    pub fn note_ended(&mut self, database: DatabaseId, instance: InstanceNumber) -> Wake {
        self.note_end(Ended { database, has_completed: false, instance })
    }

    /// An instance has completed: who waits for it need not look.
    pub fn note_completed(&mut self, database: DatabaseId, instance: InstanceNumber) -> Wake {
        self.note_end(Ended { database, has_completed: true, instance })
    }

    fn note_end(&mut self, ended: Ended) -> Wake {
        self.ended[self.ended_count as usize % ENDED_MAX] = ended;
        self.ended_count += 1;
        let mut wake = Wake::nobody();
        let there = self.waiters.iter().filter(|waiter| waiter.seat != Seat::Free);
        for waiter in there.take(self.in_use as usize) {
            let is_awaited = match waiter.seat {
                Seat::Free => false,
                Seat::Any => true,
                Seat::Instance(instance) => instance == ended.instance,
            };
            if is_awaited && waiter.database == ended.database {
                wake.add(waiter.place);
            }
        }
        wake
    }

    /// The ends from this count on.
    fn ended(&self, count: u64) -> impl Iterator<Item = &Ended> {
        (count..self.ended_count).map(|number| &self.ended[number as usize % ENDED_MAX])
    }
}
