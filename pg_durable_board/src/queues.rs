//! Queues: one of ready work for each role in each database.
//!
//! A queue of database 0 is free; no two are of the same tenant. One that is empty may be given to another tenant,
//! and with it goes what was remembered of its failures.

use bytemuck::Zeroable;

use crate::executors::Crew;
use crate::ids::{DatabaseId, InstanceNumber, Tenant};
use crate::items::{Full, Item, Items, List};
use crate::target::Target;

const QUEUES_MAX: usize = 256;
/// How far down a queue an executor looks for more work of the instance it holds.
const SAME_INSTANCE_LOOK_AHEAD: usize = 64;
/// How long work waits before a role gets one more executor.
pub(crate) const PATIENCE_US: i64 = 2_000;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Queues {
    queues: [Queue; QUEUES_MAX],
}

/// The ready work of a role in a database.
#[derive(Zeroable)]
#[repr(C)]
pub(crate) struct Queue {
    tenant: Tenant,
    list: List,
    /// How often in a row an executor for it did not come to connecting.
    failures: u32,
    /// No executor is started before this moment: the last ones could not start.
    blocked_until: i64,
    /// When an executor was opened for it last.
    served_at: i64,
}

/// Whether a queue is to get one more executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Executor,
    /// Perhaps then.
    Later(i64),
    Nothing,
}

impl Queues {
    /// An executor could not be started: nobody tries again for this tenant before `until`.
    pub fn block(&mut self, tenant: Tenant, until: i64) {
        if let Some(queue) = self.of(tenant) {
            queue.blocked_until = until;
        }
    }

    /// How much work of this database is ready.
    pub fn queued(&self, database: DatabaseId) -> u32 {
        let of_database = self.queues.iter().filter(|queue| queue.tenant.database == database);
        of_database.map(|queue| queue.list.len()).sum()
    }

    pub(crate) fn push(&mut self, items: &mut Items, tenant: Tenant, item: &Item) -> Result<(), Full> {
        let queue = self.of_or_new(tenant).ok_or(Full)?;
        items.append(&mut queue.list, item)
    }

    /// Takes the item that came first.
    pub(crate) fn take_first(&mut self, items: &mut Items, tenant: Tenant) -> Option<Item> {
        items.take_first(&mut self.of(tenant)?.list)
    }

    /// Takes an item of this instance that `may_be_taken`, if there is one not far down the queue.
    pub(crate) fn take_of_instance(
        &mut self,
        items: &mut Items,
        tenant: Tenant,
        instance: InstanceNumber,
        may_be_taken: impl Fn(Target) -> bool,
    ) -> Option<Item> {
        let list = &mut self.of(tenant)?.list;
        items.take_where(list, SAME_INSTANCE_LOOK_AHEAD, |item| {
            item.target.instance == instance && may_be_taken(item.target)
        })
    }

    /// Whether a branch of this instance that `is_wanted` is not far down the queue.
    pub(crate) fn has_branch(
        &self,
        items: &Items,
        tenant: Tenant,
        instance: InstanceNumber,
        is_wanted: impl Fn(u32) -> bool,
    ) -> bool {
        self.queues.iter().find(|queue| queue.tenant == tenant).is_some_and(|queue| {
            let mut near = items.iter(&queue.list).take(SAME_INSTANCE_LOOK_AHEAD);
            near.any(|item| item.target.instance == instance && is_wanted(item.target.branch))
        })
    }

    /// Whether work of this tenant is ready.
    pub(crate) fn has_work(&self, tenant: Tenant) -> bool {
        self.queues.iter().any(|queue| queue.tenant == tenant && !queue.list.is_empty())
    }

    /// Forgets what of this tenant is ready.
    pub(crate) fn clear(&mut self, items: &mut Items, tenant: Tenant) {
        if let Some(queue) = self.of(tenant) {
            items.clear(&mut queue.list);
        }
    }

    /// The database is no longer served.
    pub(crate) fn forget_database(&mut self, items: &mut Items, database: DatabaseId) {
        for queue in self.queues.iter_mut().filter(|queue| queue.tenant.database == database) {
            items.clear(&mut queue.list);
            *queue = Queue::zeroed();
        }
    }

    /// The tenants of this database whose work waits, those first that were served longest ago: they have the first
    /// claim on what is free.
    pub(crate) fn waiting(&self, database: DatabaseId) -> Vec<Tenant> {
        let is_waiting = |queue: &&Queue| queue.tenant.database == database && !queue.list.is_empty();
        let mut waiting: Vec<&Queue> = self.queues.iter().filter(is_waiting).collect();
        waiting.sort_by_key(|queue| queue.served_at);
        waiting.into_iter().map(|queue| queue.tenant).collect()
    }

    /// Whether this tenant is to get one more executor beside the ones that are there.
    pub(crate) fn wants(&self, items: &Items, tenant: Tenant, there: Crew, now: i64) -> Wants {
        let queue = self.queues.iter().find(|queue| queue.tenant == tenant);
        queue.map_or(Wants::Nothing, |queue| queue.wants(items, there, now))
    }

    /// An executor is being started; says whether there is work for another one.
    pub(crate) fn note_served(&mut self, tenant: Tenant, now: i64) -> bool {
        let Some(queue) = self.of(tenant) else { return false };
        queue.served_at = now;
        queue.list.len() > 1
    }

    /// An executor has connected.
    pub(crate) fn note_connected(&mut self, tenant: Tenant) {
        if let Some(queue) = self.of(tenant) {
            queue.failures = 0;
        }
    }

    /// An executor has not come to connecting: the next one is tried later, and later each time.
    pub(crate) fn note_failure(&mut self, tenant: Tenant, now: i64) {
        if let Some(queue) = self.of(tenant) {
            queue.failures = (queue.failures + 1).min(5);
            queue.blocked_until = now + (1_000_000 << queue.failures);
        }
    }

    fn of(&mut self, tenant: Tenant) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.tenant == tenant)
    }

    fn of_or_new(&mut self, tenant: Tenant) -> Option<&mut Queue> {
        let position = |is_it: &dyn Fn(&Queue) -> bool| self.queues.iter().position(is_it);
        let place = position(&|queue| queue.tenant == tenant);
        if let Some(place) = place {
            return Some(&mut self.queues[place]);
        }
        let free = position(&|queue| queue.tenant.database == DatabaseId(0));
        let free = free.or_else(|| position(&|queue| queue.list.is_empty()))?;
        self.queues[free] = Queue { tenant, ..Queue::zeroed() };
        Some(&mut self.queues[free])
    }
}

impl Queue {
    fn wants(&self, items: &Items, there: Crew, now: i64) -> Wants {
        if self.blocked_until > now {
            return Wants::Later(self.blocked_until);
        }
        let Some(first) = items.iter(&self.list).next() else { return Wants::Nothing };
        if there.all == 0 {
            Wants::Executor
        } else if there.ready >= self.list.len() as usize {
            Wants::Nothing
        } else if first.ready_at + PATIENCE_US > now {
            Wants::Later(first.ready_at + PATIENCE_US)
        } else if there.ready > 0 {
            // One at a time: the ones that are starting may be enough.
            Wants::Later(now + PATIENCE_US)
        } else {
            Wants::Executor
        }
    }
}
