//! Items: what is ready, or will be, in lists that share one pool.
//!
//! Items are numbered from 1, so that 0, of which the empty board is full, means none. Each number up to the highest that
//! was ever used is in one list, be it that of the free ones.

use bytemuck::Zeroable;

use crate::ids::{InstanceNumber, RoleId};
use crate::target::{Pusher, Target};

/// The pool, with place 0 that is never used.
const ITEMS_MAX: usize = 32 * 1024;

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
    next: u32,
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
        self.places[number as usize] = Place::new(item);
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

    /// Takes the first item that is `wanted`, if it is among the first `within` of the list.
    pub fn take_where(
        &mut self,
        list: &mut List,
        within: usize,
        wanted: impl Fn(&Item) -> bool,
    ) -> Option<Item> {
        let (mut before, mut at) = (0, list.head);
        for _ in 0..within {
            if at == 0 {
                return None;
            }
            let item = self.places[at as usize].item();
            if wanted(&item) {
                self.unlink(list, before, at);
                return Some(item);
            }
            (before, at) = (at, self.places[at as usize].next);
        }
        None
    }

    /// Empties a list.
    pub fn clear(&mut self, list: &mut List) {
        if !list.is_empty() {
            self.places[list.tail as usize].next = self.free;
            self.free = list.head;
        }
        *list = List::zeroed();
    }

    fn unlink(&mut self, list: &mut List, before: u32, at: u32) {
        let next = self.places[at as usize].next;
        if before == 0 {
            list.head = next;
        } else {
            self.places[before as usize].next = next;
        }
        if list.tail == at {
            list.tail = before;
        }
        list.len -= 1;
        self.places[at as usize].next = self.free;
        self.free = at;
    }

    fn take_free(&mut self) -> Option<u32> {
        if self.free != 0 {
            let number = self.free;
            self.free = self.places[number as usize].next;
            Some(number)
        } else if (self.fresh as usize) < ITEMS_MAX - 1 {
            self.fresh += 1;
            Some(self.fresh)
        } else {
            None
        }
    }
}
