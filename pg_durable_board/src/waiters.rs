//! Waiters: who sleeps until an instance ends, and which instances have ended of late.
//!
//! Ends are counted for the life of the server; of the last few it is known whose they were.

use bytemuck::Zeroable;

use crate::ids::{DatabaseId, InstanceNumber, ProcNumber};
use crate::wake::Wake;

pub(crate) const WAITERS_MAX: usize = 2048;
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
    /// How many wait.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use as usize
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const HERE: DatabaseId = DatabaseId(1);
    const THERE: DatabaseId = DatabaseId(2);

    fn woken(wake: Wake) -> Vec<ProcNumber> {
        wake.into_iter().collect()
    }

    #[test]
    fn waiters_are_woken_as_in_a_naive_list() {
        const SEED: u64 = 3;
        let mut random = Random::new(SEED);
        let mut waiters: Box<Waiters> = bytemuck::zeroed_box();
        let mut naive: Vec<Option<(DatabaseId, ProcNumber, Awaited)>> = vec![None; WAITERS_MAX];
        let mut ended: Vec<(DatabaseId, InstanceNumber, bool)> = Vec::new();
        let mut was_full = false;
        for n in 0..100_000 {
            let says = format!("seed {SEED}, operation {n}");
            let database = [HERE, THERE][random.below(2)];
            let instance = random.below(50) as u64;
            // By turns more come, and more go.
            let comes = if n % 40_000 < 20_000 { 6 } else { 2 };
            match random.below(12) {
                kind if kind < comes => {
                    let awaited = if random.one_in(10) { Awaited::Any } else { Awaited::Instance(instance) };
                    let place = waiters.add(database, n, awaited);
                    assert_eq!(place, naive.iter().position(Option::is_none), "{says}");
                    match place {
                        Some(place) => naive[place] = Some((database, n, awaited)),
                        None => was_full = true,
                    }
                }
                0..8 => {
                    let place = random.below(WAITERS_MAX);
                    waiters.remove(place);
                    naive[place] = None;
                }
                8 | 9 => {
                    let has_completed = random.one_in(2);
                    let wake = match has_completed {
                        true => waiters.note_completed(database, instance),
                        false => waiters.note_ended(database, instance),
                    };
                    ended.push((database, instance, has_completed));
                    let is_awaited = |awaited| match awaited {
                        Awaited::Any => true,
                        Awaited::Instance(awaited) => awaited == instance,
                    };
                    let concerned = naive.iter().flatten();
                    let concerned = concerned.filter(|one| one.0 == database && is_awaited(one.2));
                    let expected: Vec<_> = concerned.map(|one| one.1).collect();
                    assert_eq!(woken(wake), expected, "{says}");
                }
                _ => {
                    assert_eq!(waiters.ended_count() as usize, ended.len(), "{says}");
                    let since = ended.len() - random.below(6_000).min(ended.len());
                    let later = ended[since..].iter().filter(|one| one.0 == database);
                    let is_known = ended.len() - since <= ENDED_MAX;
                    let expected = is_known.then(|| later.map(|one| one.1).collect::<Vec<_>>());
                    assert_eq!(waiters.ended_since(database, since as u64), expected, "{says}");
                    let known = &ended[since.max(ended.len().saturating_sub(ENDED_MAX))..];
                    let has_completed = known.contains(&(database, instance, true));
                    let found = waiters.has_completed_since(database, since as u64, instance);
                    assert_eq!(found, has_completed, "{says}");
                }
            }
            if n % 1_000 == 0 {
                assert_eq!(waiters.in_use as usize, naive.iter().flatten().count(), "{says}");
            }
        }
        assert!(was_full, "seed {SEED}: never too many waited");
    }

    #[test]
    fn a_place_is_given_back_once() {
        let mut waiters: Box<Waiters> = bytemuck::zeroed_box();
        let first = waiters.add(HERE, 1, Awaited::Any).unwrap();
        let second = waiters.add(HERE, 2, Awaited::Any).unwrap();
        waiters.remove(first);
        waiters.remove(first);
        assert_eq!(woken(waiters.note_ended(HERE, 5)), [2]);
        waiters.remove(second);
        assert_eq!(woken(waiters.note_ended(HERE, 5)), []);
    }

    #[test]
    fn instance_0_is_an_instance() {
        let mut waiters: Box<Waiters> = bytemuck::zeroed_box();
        waiters.add(HERE, 1, Awaited::Instance(0)).unwrap();
        assert_eq!(woken(waiters.note_ended(HERE, 5)), []);
        assert_eq!(woken(waiters.note_ended(HERE, 0)), [1]);
    }
}
