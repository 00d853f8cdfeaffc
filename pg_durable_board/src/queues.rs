//! Queues: one of ready work for each role in each database.
//!
//! A queue of database 0 is free; no two are of the same tenant. One that is empty may be given to another tenant,
//! and with it goes what was remembered of its failures, unless work of its tenant is left in the tables.
//!
//! Each tenant that wants items has a share of them, an equal one. That is no cap: what others do not want may be had too,
//! and is given back to the tables, the newest first, when one comes who has less than its share.

use bytemuck::Zeroable;

use crate::executors::Crew;
use crate::ids::{DatabaseId, InstanceNumber, RoleId, Tenant};
use crate::items::{Item, Items, List, ROOM};
use crate::target::Target;

pub(crate) const QUEUES_MAX: usize = 256;
/// How long a tenant keeps its queue at least while others have none.
const TURN_US: i64 = 1_000_000;
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
    /// Since when the tenant has it.
    since: i64,
    /// Some of the tenant's work is in the tables only.
    is_left: bool,
    /// Some was left there since the look at them began.
    is_missed: bool,
    /// The scheduler has been told that there is room for it.
    is_told: bool,
}

/// What came of putting an item into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is there.
    There,
    /// It is there, and an item of another tenant, who had more than its share, is left in the tables.
    Instead,
    /// The board is full and the tenant has its share: the item is left in the tables.
    Left,
    /// Every queue is another tenant's: the same.
    NoQueue,
}

/// What came of asking for a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The tenant has one.
    There,
    /// The tenant has one, and this one has none any more: what it held is left in the tables.
    Instead(Tenant),
    /// Those who have them have not had them for long.
    NotYet,
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

    /// The roles of this database part of whose work is in the tables only.
    pub fn left_in_tables(&self, database: DatabaseId) -> Vec<RoleId> {
        let of_database = self.queues.iter().filter(|queue| queue.tenant.database == database);
        of_database.filter(|queue| queue.is_left).map(|queue| queue.tenant.role).collect()
    }

    /// The roles of this database whose work is in the tables although there is room for it.
    pub fn hungry(&self, database: DatabaseId) -> Vec<RoleId> {
        let share = self.share();
        let of_database = self.queues.iter().filter(|queue| queue.tenant.database == database);
        let hungry = of_database.filter(|queue| queue.is_left && queue.list.len() < share);
        hungry.map(|queue| queue.tenant.role).collect()
    }

    /// The roles of this database whose work waits in the tables because they have their share of the board.
    pub fn waiting_for_room(&self, database: DatabaseId) -> Vec<RoleId> {
        let hungry = self.hungry(database);
        self.left_in_tables(database).into_iter().filter(|role| !hungry.contains(role)).collect()
    }

    /// How many items of a tenant may be brought from the tables: none before it has less than its share. `None` where it has no
    /// queue.
    pub fn room(&mut self, tenant: Tenant) -> Option<u32> {
        let share = self.share();
        let queue = self.of(tenant)?;
        queue.is_told = false;
        let len = queue.list.len();
        Some(if len < share { 2 * share - len } else { 0 })
    }

    /// All that a tenant had in the tables when the look at them began is on the board, or was.
    pub fn end_look(&mut self, tenant: Tenant) {
        if let Some(queue) = self.of(tenant) {
            queue.is_left = std::mem::take(&mut queue.is_missed);
        }
    }

    /// How many tenants want items.
    pub(crate) fn wanting(&self) -> usize {
        self.queues.iter().filter(|queue| queue.is_wanting()).count()
    }

    pub(crate) fn push(&mut self, items: &mut Items, tenant: Tenant, item: &Item, now: i64) -> Put {
        let Some(place) = self.place_of(tenant, now) else { return Put::NoQueue };
        if items.append(&mut self.queues[place].list, item).is_ok() {
            return Put::There;
        }
        // With this one more that wants some. As all items are in queues, one of the others has more than its share then.
        let others = self.wanting() - usize::from(self.queues[place].is_wanting());
        let has_share = self.queues[place].list.len() as usize >= ROOM as usize / (others + 1);
        if !has_share {
            self.give_back(items);
        }
        if !has_share && items.append(&mut self.queues[place].list, item).is_ok() {
            return Put::Instead;
        }
        self.queues[place].leave();
        Put::Left
    }

    /// Some work of this tenant is left in the tables: whether its scheduler is to hear of it now. `None` where every queue
    /// is another tenant's.
    pub(crate) fn note_left(&mut self, tenant: Tenant, now: i64) -> Option<bool> {
        let place = self.place_of(tenant, now)?;
        self.queues[place].leave();
        Some(self.tell_room(tenant))
    }

    /// Whether there is room for what a tenant has in the tables, and its scheduler has not been told.
    pub(crate) fn tell_room(&mut self, tenant: Tenant) -> bool {
        let Some(place) = self.queues.iter().position(|queue| queue.tenant == tenant) else { return false };
        let queue = &self.queues[place];
        if !queue.is_left || queue.is_told || queue.list.len() >= self.share() {
            return false;
        }
        self.queues[place].is_told = true;
        true
    }

    /// Gets a queue for a tenant that has been waiting for one for so long: a free one, or that of another tenant who has had
    /// it for long enough, or got it later.
    pub(crate) fn open(&mut self, items: &mut Items, tenant: Tenant, waits_since: i64, now: i64) -> Opened {
        if self.place_of(tenant, now).is_some() {
            return Opened::There;
        }
        let Some(oldest) = self.queues.iter_mut().min_by_key(|queue| queue.since) else {
            return Opened::NotYet;
        };
        if oldest.since + TURN_US > now && oldest.since <= waits_since {
            return Opened::NotYet;
        }
        items.clear(&mut oldest.list);
        let last = std::mem::replace(oldest, Queue::new(tenant, now));
        Opened::Instead(last.tenant)
    }

    /// The tables are about to be looked at for a tenant that has a queue. Says which of its instances are on the board as a
    /// whole: their root branches, from which the others are found, are ready.
    pub(crate) fn begin_look(&mut self, items: &Items, tenant: Tenant) -> Vec<InstanceNumber> {
        let Some(queue) = self.of(tenant) else { return Vec::new() };
        (queue.is_left, queue.is_missed, queue.is_told) = (true, false, false);
        let roots = items.iter(&queue.list).filter(|item| item.target.branch == Target::ROOT);
        roots.map(|item| item.target.instance).collect()
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
            (queue.is_left, queue.is_missed) = (false, false);
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

    /// The tenant's queue, or one that may be had.
    fn place_of(&mut self, tenant: Tenant, now: i64) -> Option<usize> {
        let position = |is_it: &dyn Fn(&Queue) -> bool| self.queues.iter().position(is_it);
        if let Some(place) = position(&|queue| queue.tenant == tenant) {
            let queue = &mut self.queues[place];
            if !queue.is_wanting() {
                queue.since = now;
            }
            return Some(place);
        }
        let free = position(&|queue| queue.tenant.database == DatabaseId(0));
        let free = free.or_else(|| position(&|queue| !queue.is_wanting()))?;
        self.queues[free] = Queue::new(tenant, now);
        Some(free)
    }

    /// What each tenant that has work in the tables has on the board at least. Twice as much is brought there, so that not
    /// every item that is taken has the tables looked at.
    fn share(&self) -> u32 {
        (ROOM / self.wanting().max(1) as u32 / 2).max(1)
    }

    /// Leaves the newest item of the tenant that has most to the tables.
    fn give_back(&mut self, items: &mut Items) {
        if let Some(longest) = self.queues.iter_mut().max_by_key(|queue| queue.list.len()) {
            let _newest = items.take_last(&mut longest.list);
            longest.leave();
        }
    }
}

impl Queue {
    fn new(tenant: Tenant, now: i64) -> Queue {
        Queue { tenant, since: now, ..Queue::zeroed() }
    }

    /// Whether its tenant has work, here or in the tables.
    fn is_wanting(&self) -> bool {
        !self.list.is_empty() || self.is_left
    }

    fn leave(&mut self) {
        (self.is_left, self.is_missed) = (true, true);
    }

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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use super::*;
    use crate::ids::RoleId;
    use crate::random::Random;

    struct Bench {
        queues: Box<Queues>,
        items: Box<Items>,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { queues: bytemuck::zeroed_box(), items: bytemuck::zeroed_box() }
        }

        fn push(&mut self, tenant: Tenant, item: Item) -> Put {
            self.queues.push(&mut self.items, tenant, &item, 0)
        }
    }

    fn tenant(database: u32, role: u32) -> Tenant {
        Tenant { database: DatabaseId(database), role: RoleId(role) }
    }

    fn item(instance: u64, branch: u32, ready_at: i64) -> Item {
        Item { target: Target { instance, branch }, role: RoleId(0), ready_at, pusher: None }
    }

    #[test]
    fn queues_are_what_naive_lists_are() {
        const SEED: u64 = 2;
        let mut random = Random::new(SEED);
        let mut bench = Bench::new();
        let mut naive: BTreeMap<Tenant, VecDeque<Item>> = BTreeMap::new();
        for n in 0..100_000 {
            let says = format!("seed {SEED}, operation {n}");
            let tenant = tenant(1 + random.below(3) as u32, random.below(4) as u32);
            let expected = naive.entry(tenant).or_default();
            let (instance, odd) = (random.below(5) as u64, random.below(2) as u32);
            let near = |items: &VecDeque<Item>| {
                let is_it = |item: &Item| item.target.instance == instance && item.target.branch % 2 == odd;
                items.iter().take(SAME_INSTANCE_LOOK_AHEAD).position(is_it)
            };
            let Bench { queues, items } = &mut bench;
            match random.below(12) {
                0..5 => {
                    let item = item(instance, random.below(100) as u32, n);
                    assert_eq!(queues.push(items, tenant, &item, n), Put::There, "{says}");
                    expected.push_back(item);
                }
                5..8 => assert_eq!(queues.take_first(items, tenant), expected.pop_front(), "{says}"),
                8 => {
                    let taken = near(expected).and_then(|place| expected.remove(place));
                    let may_be_taken = |target: Target| target.branch % 2 == odd;
                    let found = queues.take_of_instance(items, tenant, instance, may_be_taken);
                    assert_eq!(found, taken, "{says}");
                }
                9 => {
                    let found = queues.has_branch(items, tenant, instance, |branch| branch % 2 == odd);
                    assert_eq!(found, near(expected).is_some(), "{says}");
                }
                10 if random.one_in(100) => {
                    queues.clear(items, tenant);
                    expected.clear();
                }
                11 if random.one_in(100) => {
                    queues.forget_database(items, tenant.database);
                    naive.retain(|of, _| of.database != tenant.database);
                }
                _ => {
                    let of_database = naive.iter().filter(|(of, _)| of.database == tenant.database);
                    let (mut queued, mut waiting) = (0, Vec::new());
                    for (&of, items) in of_database.filter(|(_, items)| !items.is_empty()) {
                        queued += items.len() as u32;
                        waiting.push(of);
                    }
                    let mut found = queues.waiting(tenant.database);
                    found.sort();
                    assert_eq!((queues.queued(tenant.database), found), (queued, waiting), "{says}");
                    let has_work = naive.get(&tenant).is_some_and(|items| !items.is_empty());
                    assert_eq!(queues.has_work(tenant), has_work, "{says}");
                }
            }
        }
    }

    #[test]
    fn who_was_served_longest_ago_comes_first() {
        let mut bench = Bench::new();
        for role in 1..=3 {
            assert_eq!(bench.push(tenant(1, role), item(1, 1, 0)), Put::There);
        }
        assert!(!bench.queues.note_served(tenant(1, 1), 20));
        assert!(!bench.queues.note_served(tenant(1, 3), 10));
        let waiting = bench.queues.waiting(DatabaseId(1));
        assert_eq!(waiting, [tenant(1, 2), tenant(1, 3), tenant(1, 1)]);
        assert_eq!(bench.push(tenant(1, 1), item(1, 1, 0)), Put::There);
        assert!(bench.queues.note_served(tenant(1, 1), 30), "there is work for another one");
    }

    #[test]
    fn a_queue_wants_one_executor_at_a_time_and_has_patience() {
        let check = |queued: usize, all, ready, waited_us, expected| {
            let mut bench = Bench::new();
            let (of, now) = (tenant(1, 1), 1_000_000);
            for _ in 0..queued {
                assert_eq!(bench.push(of, item(1, 1, now - waited_us)), Put::There);
            }
            let wants = bench.queues.wants(&bench.items, of, Crew { all, ready }, now);
            assert_eq!(wants, expected, "{queued} queued, {all} there, {ready} ready, {waited_us} µs");
        };
        let soon = |us| Wants::Later(1_000_000 + us);
        check(0, 0, 0, 0, Wants::Nothing);
        check(1, 0, 0, 0, Wants::Executor);
        check(1, 1, 1, 9_000, Wants::Nothing);
        check(1, 1, 0, 0, soon(PATIENCE_US));
        check(1, 1, 0, 500, soon(PATIENCE_US - 500));
        check(1, 1, 0, PATIENCE_US, Wants::Executor);
        check(2, 1, 1, PATIENCE_US, soon(PATIENCE_US));
        check(2, 5, 0, PATIENCE_US, Wants::Executor);
    }

    #[test]
    fn a_tenant_whose_executors_fail_waits_longer_each_time() {
        let mut bench = Bench::new();
        let of = tenant(1, 1);
        assert_eq!(bench.push(of, item(1, 1, 0)), Put::There);
        let wants = |bench: &Bench, now| bench.queues.wants(&bench.items, of, Crew::default(), now);
        for secs in [2, 4, 8, 16, 32, 32] {
            bench.queues.note_failure(of, 0);
            assert_eq!(wants(&bench, secs * 1_000_000 - 1), Wants::Later(secs * 1_000_000));
            assert_eq!(wants(&bench, secs * 1_000_000), Wants::Executor);
        }
        bench.queues.note_connected(of);
        bench.queues.note_failure(of, 0);
        assert_eq!(wants(&bench, 0), Wants::Later(2_000_000));
        bench.queues.block(of, 7);
        assert_eq!(wants(&bench, 0), Wants::Later(7));
    }

    #[test]
    fn one_tenant_too_many_gets_the_place_of_one_without_work() {
        let mut bench = Bench::new();
        for role in 0..QUEUES_MAX as u32 {
            assert_eq!(bench.push(tenant(1, role), item(1, 1, 0)), Put::There);
        }
        assert_eq!(bench.push(tenant(2, 0), item(1, 1, 0)), Put::NoQueue);
        bench.queues.take_first(&mut bench.items, tenant(1, 7)).unwrap();
        bench.queues.block(tenant(1, 7), i64::MAX);
        assert_eq!(bench.push(tenant(2, 0), item(1, 1, 0)), Put::There);
        assert_eq!(bench.push(tenant(1, 7), item(1, 1, 0)), Put::NoQueue);
        let wants = bench.queues.wants(&bench.items, tenant(2, 0), Crew::default(), 0);
        assert_eq!(wants, Wants::Executor, "what was remembered of the other one is forgotten");
    }
}
