//! Items: what is ready, or will be, in lists that share one pool.
//!
//! Items are numbered from 1, so that 0, of which the empty board is full, means none. Each number up to the highest that
//! was ever used is in one list, be it that of the free ones.

use bytemuck::Zeroable;

use crate::ids::{InstanceNumber, RoleId};
use crate::target::{Pusher, Target};

/// The pool, with place 0 that is never used.
const ITEMS_MAX: usize = 32 * 1024;
/// How many items there may be.
pub(crate) const ROOM: u32 = ITEMS_MAX as u32 - 1;

/// A target of a role: ready since a moment that has passed, or from one that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub target: Target,
    pub role: RoleId,
    pub ready_at: i64,
    /// Who queued it, where that matters.
    pub pusher: Option<Pusher>,
}

/// No item is free.
#[derive(Debug)]
pub(crate) struct Full;

/// Some of the pool's items, in the order in which they came.
#[derive(Debug, Zeroable)]
#[repr(C)]
pub(crate) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl List {
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub(crate) struct Items {
    free: u32,
    /// The highest number that was ever used.
    fresh: u32,
    /// How many are in lists.
    used: u32,
    unused: u32,
    places: [Place; ITEMS_MAX],
}

/// An item as it is stored, and which one comes next in its list.
#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Place {
    instance: InstanceNumber,
    ready_at: i64,
    branch: u32,
    role: RoleId,
    /// 1 + the slot of the executor that queued it, or 0.
    pusher: u32,
    load: u32,
    /// In its list; of a free one only the next counts.
    next: u32,
    before: u32,
}

impl Place {
    fn new(item: &Item) -> Place {
        Place {
            instance: item.target.instance,
            ready_at: item.ready_at,
            branch: item.target.branch,
            role: item.role,
            pusher: item.pusher.map_or(0, |pusher| pusher.slot as u32 + 1),
            load: item.pusher.map_or(0, |pusher| pusher.load),
            next: 0,
            before: 0,
        }
    }

    fn item(&self) -> Item {
        let slot = self.pusher.checked_sub(1);
        Item {
            target: Target { instance: self.instance, branch: self.branch },
            role: self.role,
            ready_at: self.ready_at,
            pusher: slot.map(|slot| Pusher { slot: slot as usize, load: self.load }),
        }
    }
}

impl Items {
    /// Puts an item at the end of a list.
    pub fn append(&mut self, list: &mut List, item: &Item) -> Result<(), Full> {
        let number = self.take_free().ok_or(Full)?;
        self.places[number as usize] = Place { before: list.tail, ..Place::new(item) };
        if list.tail == 0 {
            list.head = number;
        } else {
            self.places[list.tail as usize].next = number;
        }
        list.tail = number;
        list.len += 1;
        Ok(())
    }

    /// The items of a list, from its head on.
    pub fn iter(&self, list: &List) -> impl Iterator<Item = Item> {
        let mut at = list.head;
        std::iter::from_fn(move || {
            if at == 0 {
                return None;
            }
            let place = &self.places[at as usize];
            at = place.next;
            Some(place.item())
        })
    }

    /// Takes the head of a list.
    pub fn take_first(&mut self, list: &mut List) -> Option<Item> {
        self.take_where(list, 1, |_| true)
    }

    /// Takes the tail of a list.
    pub fn take_last(&mut self, list: &mut List) -> Option<Item> {
        let last = list.tail;
        (last != 0).then(|| {
            let item = self.places[last as usize].item();
            self.unlink(list, last);
            item
        })
    }

    /// How many items are in lists.
    pub fn in_use(&self) -> u32 {
        self.used
    }

    /// Takes the first item that is `wanted`, if it is among the first `within` of the list.
    pub fn take_where(
        &mut self,
        list: &mut List,
        within: usize,
        wanted: impl Fn(&Item) -> bool,
    ) -> Option<Item> {
        let mut at = list.head;
        for _ in 0..within {
            if at == 0 {
                return None;
            }
            let item = self.places[at as usize].item();
            if wanted(&item) {
                self.unlink(list, at);
                return Some(item);
            }
            at = self.places[at as usize].next;
        }
        None
    }

    /// Empties a list.
    pub fn clear(&mut self, list: &mut List) {
        if !list.is_empty() {
            self.places[list.tail as usize].next = self.free;
            self.free = list.head;
            self.used -= list.len;
        }
        *list = List::zeroed();
    }

    fn unlink(&mut self, list: &mut List, at: u32) {
        let Place { before, next, .. } = self.places[at as usize];
        if before == 0 {
            list.head = next;
        } else {
            self.places[before as usize].next = next;
        }
        if next == 0 {
            list.tail = before;
        } else {
            self.places[next as usize].before = before;
        }
        list.len -= 1;
        self.used -= 1;
        self.places[at as usize].next = self.free;
        self.free = at;
    }

    fn take_free(&mut self) -> Option<u32> {
        let number = if self.free != 0 {
            let number = self.free;
            self.free = self.places[number as usize].next;
            number
        } else if self.fresh < ROOM {
            self.fresh += 1;
            self.fresh
        } else {
            return None;
        };
        self.used += 1;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::random::Random;

    fn item(random: &mut Random) -> Item {
        let pusher = Pusher { slot: random.below(128), load: random.next() as u32 };
        Item {
            target: Target { instance: random.next(), branch: random.next() as u32 },
            role: RoleId(random.next() as u32),
            ready_at: random.next() as i64,
            pusher: random.one_in(2).then_some(pusher),
        }
    }

    /// Each number is in one list, and each list is as long as it says and ends where it says.
    fn check_places(items: &Items, lists: &[List]) {
        let mut seen = vec![false; items.fresh as usize + 1];
        let mut follow = |head: u32| {
            let (mut at, mut last, mut len) = (head, 0, 0);
            while at != 0 {
                assert!(head == items.free || items.places[at as usize].before == last, "{at}");
                assert!(!std::mem::replace(&mut seen[at as usize], true), "{at} is in two lists");
                (last, at, len) = (at, items.places[at as usize].next, len + 1);
            }
            (last, len)
        };
        for list in lists {
            assert_eq!(follow(list.head), (list.tail, list.len));
        }
        follow(items.free);
        assert!(seen[1..].iter().all(|&seen| seen), "an item is lost");
    }

    #[test]
    fn lists_are_what_naive_lists_are() {
        const SEED: u64 = 1;
        let mut random = Random::new(SEED);
        let mut items: Box<Items> = bytemuck::zeroed_box();
        let mut lists: Vec<List> = (0..5).map(|_| List::zeroed()).collect();
        let mut naive = vec![VecDeque::new(); 5];
        let mut was_full = 0;
        for n in 0..100_000 {
            let says = format!("seed {SEED}, operation {n}");
            let at = random.below(5);
            let (list, expected) = (&mut lists[at], &mut naive[at]);
            match random.below(21) {
                // By turns it becomes fuller and emptier.
                0..8 if n % 20_000 < 10_000 => {
                    for _ in 0..random.below(50) {
                        let item = item(&mut random);
                        match items.append(list, &item) {
                            Ok(()) => expected.push_back(item),
                            Err(Full) => was_full += 1,
                        }
                    }
                }
                0..12 => {
                    for _ in 0..random.below(20) {
                        assert_eq!(items.take_first(list), expected.pop_front(), "{says}");
                    }
                }
                12..18 => {
                    let (within, odd) = (random.below(30), random.next() % 2);
                    let is_wanted = |item: &Item| item.target.instance % 3 == odd;
                    let place = expected.iter().take(within).position(is_wanted);
                    let taken = place.and_then(|place| expected.remove(place));
                    assert_eq!(items.take_where(list, within, is_wanted), taken, "{says}");
                }
                18 => {
                    for _ in 0..random.below(5) {
                        assert_eq!(items.take_last(list), expected.pop_back(), "{says}");
                    }
                }
                19 if random.one_in(50) => {
                    items.clear(list);
                    expected.clear();
                }
                _ => assert!(items.iter(list).take(100).eq(expected.iter().take(100).copied()), "{says}"),
            }
            assert_eq!(
                (lists[at].len() as usize, lists[at].is_empty()),
                (naive[at].len(), naive[at].is_empty())
            );
            let in_use: usize = naive.iter().map(VecDeque::len).sum();
            assert_eq!(items.in_use() as usize, in_use, "{says}");
            assert!(items.in_use() <= ROOM && (was_full == 0 || items.fresh == ROOM), "{says}");
            if n % 5_000 == 0 {
                check_places(&items, &lists);
                for (list, naive) in lists.iter().zip(&naive) {
                    assert!(items.iter(list).eq(naive.iter().copied()), "{says}");
                }
            }
        }
        assert!(was_full > 0, "seed {SEED}: the pool was never full");
    }

    #[test]
    fn a_full_pool_has_room_for_what_was_taken() {
        let mut items: Box<Items> = bytemuck::zeroed_box();
        let (mut first, mut second) = (List::zeroed(), List::zeroed());
        let item = item(&mut Random::new(0));
        for _ in 0..ROOM {
            items.append(&mut first, &item).unwrap();
        }
        assert!(items.append(&mut second, &item).is_err());
        assert_eq!(items.take_first(&mut first), Some(item));
        items.append(&mut second, &item).unwrap();
        assert!(items.append(&mut first, &item).is_err());
        items.clear(&mut first);
        assert!(first.is_empty() && second.len() == 1);
        for _ in 1..ROOM {
            items.append(&mut first, &item).unwrap();
        }
        check_places(&items, &[first, second]);
    }
}
