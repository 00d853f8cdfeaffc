//! The backlog: whose unfinished instances a scheduler looks for in its tables, and puts on the board as it has room.
//!
//! Memory of one scheduler. It looks through a tenant's instances by pages, oldest first, and one page at a time, tenant by
//! tenant in turn, so that neither the tenants' numbers nor the length of a backlog keep timers or other tenants waiting.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};

use crate::board::Board;
use crate::ids::{DatabaseId, InstanceNumber, RoleId, Tenant};
use crate::queues::Queues;
use crate::wake::Wake;

/// How many instances are looked for at once.
const PAGE: u32 = 500;
/// For how many tenants a queue is asked for at once in vain: the board is locked meanwhile.
const ASKED_MAX: usize = 64;
/// How long until a tenant's instances are looked through anew, and until a queue is asked for again.
const PAUSE_US: i64 = 250_000;

/// See the module.
#[derive(Default)]
pub struct Backlog {
    looks: BTreeMap<RoleId, Look>,
    /// Whose turn it was last.
    last: RoleId,
}

/// An unfinished instance of a tenant, at its place in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unfinished {
    /// Microseconds since 2000-01-01 UTC.
    pub created_at: i64,
    /// Which one.
    pub instance: InstanceNumber,
}

/// What is to be read from the tables: so many of a role's unfinished instances, the oldest behind one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Whose.
    pub role: RoleId,
    /// Behind which one.
    pub after: Option<Unfinished>,
    /// How many at the most.
    pub limit: u32,
}

/// What a scheduler does about its backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Reads this and says what it [`found`](Backlog::found).
    Read(Page),
    /// Asks again then, or when it is woken.
    Later(Option<i64>),
}

/// A look at the instances of one tenant.
enum Look {
    /// It is to begin, though not before `at`.
    Wanted { since: i64, at: i64 },
    /// It has come so far.
    Reading {
        after: Option<Unfinished>,
        /// Those that were on the board as a whole when it began.
        on_board: HashSet<InstanceNumber>,
        /// Another one is wanted.
        again: bool,
    },
    /// It is over. Another one does not begin before `until`.
    Over { until: i64 },
}

impl Backlog {
    /// All instances of a role are to be looked through, from now on.
    pub fn want(&mut self, role: RoleId, now: i64) {
        match self.looks.entry(role).or_insert(Look::Over { until: now }) {
            Look::Wanted { .. } => {}
            Look::Reading { again, .. } => *again = true,
            Look::Over { until } => {
                let at = *until;
                self.looks.insert(role, Look::Wanted { since: now, at });
            }
        }
    }

    /// What is to be done now.
    pub fn next(&mut self, board: &mut Board, database: DatabaseId, now: i64) -> (Next, Wake) {
        for role in board.databases.take_orphans(database) {
            self.want(role, now);
        }
        for role in board.queues.hungry(database) {
            if !matches!(self.looks.get(&role), Some(Look::Reading { .. })) {
                self.want(role, now);
            }
        }
        self.looks.retain(|_, look| !matches!(look, Look::Over { until } if *until <= now));
        let (mut again_at, mut wake, mut refused) = (None, Wake::nobody(), 0);
        for role in self.in_turn() {
            let (step, woken) = self.step(board, Tenant { database, role }, now);
            wake = wake.and(woken);
            match step {
                Next::Read(page) => {
                    self.last = role;
                    return (Next::Read(page), wake);
                }
                Next::Later(at) => again_at = again_at.into_iter().chain(at).min(),
            }
            refused += usize::from(self.is_put_off(role, now));
            if refused == ASKED_MAX {
                return (Next::Later(Some(now)), wake);
            }
        }
        (Next::Later(again_at), wake)
    }

    /// A page has been read: gives what of it is to be put on the board. `is_last` where there are no more behind it.
    pub fn found(
        &mut self,
        queues: &mut Queues,
        database: DatabaseId,
        page: &Page,
        found: &[Unfinished],
        is_last: bool,
        now: i64,
    ) -> Vec<InstanceNumber> {
        let Some(look) = self.looks.get_mut(&page.role) else { return Vec::new() };
        let Look::Reading { after, on_board, again } = look else { return Vec::new() };
        let instances = found.iter().map(|one| one.instance);
        let instances = instances.filter(|instance| !on_board.contains(instance)).collect();
        if let Some(last) = found.last().filter(|_| !is_last) {
            *after = Some(*last);
            return instances;
        }
        let (is_wanted, until) = (*again, now + PAUSE_US);
        *look = if is_wanted { Look::Wanted { since: now, at: until } } else { Look::Over { until } };
        queues.end_look(Tenant { database, role: page.role });
        instances
    }

    /// What is to be done for one tenant.
    fn step(&mut self, board: &mut Board, tenant: Tenant, now: i64) -> (Next, Wake) {
        let Some(look) = self.looks.get_mut(&tenant.role) else { return (Next::Later(None), Wake::nobody()) };
        let mut wake = Wake::nobody();
        if let Look::Wanted { since, at } = *look {
            if at > now {
                return (Next::Later(Some(at)), wake);
            }
            let (on_board, woken) = board.begin_look(tenant, since, now);
            wake = woken;
            let Some(on_board) = on_board else {
                *look = Look::Wanted { since, at: now + PAUSE_US };
                return (Next::Later(Some(now + PAUSE_US)), wake);
            };
            *look = Look::Reading { after: None, on_board: on_board.into_iter().collect(), again: false };
        }
        let Look::Reading { after, .. } = look else { return (Next::Later(None), wake) };
        match board.queues.room(tenant) {
            Some(0) => (Next::Later(None), wake),
            Some(room) => {
                (Next::Read(Page { role: tenant.role, after: *after, limit: room.min(PAGE) }), wake)
            }
            // Its queue was given to another one meanwhile, and what it held is in the tables only.
            None => {
                *look = Look::Wanted { since: now, at: now };
                (Next::Later(Some(now)), wake)
            }
        }
    }

    /// Whether a queue for this role has just been asked for in vain.
    fn is_put_off(&self, role: RoleId, now: i64) -> bool {
        matches!(self.looks.get(&role), Some(Look::Wanted { at, .. }) if *at == now + PAUSE_US)
    }

    /// The roles, beginning behind the one whose turn it was last.
    fn in_turn(&self) -> Vec<RoleId> {
        let behind = self.looks.range((Excluded(self.last), Unbounded));
        behind.chain(self.looks.range(..=self.last)).map(|(&role, _)| role).collect()
    }
}
