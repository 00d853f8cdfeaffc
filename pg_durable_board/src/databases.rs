//! Databases: where the extension is, and what their schedulers are told.
//!
//! An entry of database 0 is free; no two are of the same database. A scheduler is wanted in every database that has an
//! entry, unless somebody wants the database alone, and at most one process serves it.

use bytemuck::Zeroable;

use crate::ids::{DatabaseId, ProcNumber, RoleId, Tenant};
use crate::items::{Item, Items, List, ROOM};
use crate::process::Process;
use crate::target::Target;
use crate::troubles::{Duty, Trouble, Troubles};
use crate::wake::Wake;

pub(crate) const DATABASES_MAX: usize = 256;
/// Of how many roles without a queue a database knows the names; with more it looks for all.
const ORPHANS_MAX: usize = 8;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Databases {
    databases: [Database; DATABASES_MAX],
}

#[derive(Zeroable)]
#[repr(C)]
pub(crate) struct Database {
    pub id: DatabaseId,
    pub scheduler: Process,
    /// When the sleeping scheduler looks at the queues without being woken; 0 while it is awake.
    looks_at: i64,
    timers: List,
    /// How often the extension was created or dropped.
    changes: u32,
    /// Something could not be put on the board: look at the tables again.
    rescan: bool,
    /// A start or signal sits in a prepared transaction.
    sweep: bool,
    /// The extension was dropped.
    dropped: bool,
    /// Its scheduler need not look for unfinished instances: there were none when the extension was created.
    is_new: bool,
    /// The extension has been seen there.
    is_known: bool,
    /// The rows that say where the instances are at home have changed.
    look_home: bool,
    /// Its scheduler has been sent away until somebody has work there.
    released: bool,
    /// Why nothing is carried out there.
    hold: Hold,
    /// Instances of roles that do not exist here wait for them.
    misses_roles: bool,
    /// How many sessions want the database alone at this moment.
    alone: u32,
    /// Roles whose work is in the tables and who have no queue; 0 is none.
    orphans: [RoleId; ORPHANS_MAX],
    troubles: Troubles,
}

/// Why nothing is carried out in a database although work may be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Zeroable)]
#[repr(u32)]
pub enum Hold {
    /// It is carried out.
    Free = 0,
    /// The engine is switched off.
    SwitchedOff = 1,
    /// The instances are at home in another database: restored, or made from a template.
    OtherDatabase = 2,
    /// They are at home in another system: upgraded, or copied.
    OtherSystem = 3,
    /// They are at home in a cluster of another name.
    OtherName = 4,
}

/// A durable wake-up on its way to the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
    /// What is ready then.
    pub target: Target,
    /// Who carries it out.
    pub role: RoleId,
}

impl Hold {
    /// What is said to users of it.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Hold::Free => None,
            Hold::SwitchedOff => Some("held: switched off (pg_durable.enabled)"),
            Hold::OtherDatabase => Some(
                "held: a copy (restored from a dump, or made from a template): SELECT df.adopt() lets it go on",
            ),
            Hold::OtherSystem => Some(
                "held: a copy (of another system, or upgraded without pg_durable.cluster_name): SELECT df.adopt() lets it go on",
            ),
            Hold::OtherName => Some(
                "held: a copy (of a cluster with another pg_durable.cluster_name): SELECT df.adopt() lets it go on",
            ),
        }
    }

    /// Whether it is for where the rows came from.
    pub fn is_of_a_copy(self) -> bool {
        match self {
            Hold::Free | Hold::SwitchedOff => false,
            Hold::OtherDatabase | Hold::OtherSystem | Hold::OtherName => true,
        }
    }
}

impl Database {
    fn has_to_be_left(&self) -> bool {
        self.released || self.alone > 0
    }

    /// Why nothing is carried out here.
    pub fn hold(&self) -> Hold {
        self.hold
    }

    /// Whether instances of roles that do not exist here wait for them.
    pub fn misses_roles(&self) -> bool {
        self.misses_roles
    }

    /// What the scheduler has failed at last, if anything.
    pub fn troubles(&self) -> impl Iterator<Item = (Duty, Trouble)> {
        Duty::ALL.into_iter().filter_map(|duty| Some((duty, self.troubles.of(duty)?)))
    }
}

impl Databases {
    /// The databases in which a scheduler is wanted and none runs.
    pub fn without_scheduler(&self) -> Vec<DatabaseId> {
        let lonely = self.served().filter(|entry| !entry.scheduler.is_there() && !entry.has_to_be_left());
        lonely.map(|entry| entry.id).collect()
    }

    /// Whether nobody has found out yet that the extension is in this database.
    pub fn is_in_question(&self, database: DatabaseId) -> bool {
        self.of(database).is_some_and(|entry| !entry.is_known)
    }

    /// Whether the scheduler of this database is to leave it.
    pub fn has_to_be_left(&self, database: DatabaseId) -> bool {
        self.of(database).is_none_or(Database::has_to_be_left)
    }

    /// Whether its scheduler was sent away until somebody has work there.
    pub fn is_released(&self, database: DatabaseId) -> bool {
        self.of(database).is_some_and(|entry| entry.released)
    }

    /// Whether a process serves this database.
    pub fn has_scheduler(&self, database: DatabaseId) -> bool {
        self.of(database).is_some_and(|entry| entry.scheduler.is_there())
    }

    /// Why nothing is carried out in this database.
    pub fn hold_of(&self, database: DatabaseId) -> Hold {
        self.of(database).map_or(Hold::Free, |entry| entry.hold)
    }

    /// The rows that say where the instances are at home have changed: the scheduler looks.
    pub fn look_home(&mut self, database: DatabaseId) -> Wake {
        self.tell(database, |entry| entry.look_home = true)
    }

    /// Whether the scheduler is to look where the instances are at home; true once.
    pub fn take_look_home(&mut self, database: DatabaseId) -> bool {
        self.of_mut(database).is_some_and(|entry| std::mem::take(&mut entry.look_home))
    }

    /// Instances of roles that do not exist here wait for them; true where that is new.
    pub fn note_missing_roles(&mut self, database: DatabaseId) -> bool {
        self.of_mut(database).is_some_and(|entry| !std::mem::replace(&mut entry.misses_roles, true))
    }

    /// A duty of the scheduler has failed; says when it is to be tried again.
    pub fn note_trouble(&mut self, database: DatabaseId, duty: Duty, sqlstate: [u8; 5], now: i64) -> i64 {
        self.of_mut(database).map_or(now, |entry| entry.troubles.note(duty, sqlstate, now))
    }

    /// A duty of the scheduler has been done.
    pub fn clear_trouble(&mut self, database: DatabaseId, duty: Duty) {
        if let Some(entry) = self.of_mut(database) {
            entry.troubles.clear(duty);
        }
    }

    /// Until when each duty is put off that has failed, in the order of [`Duty::ALL`].
    pub fn troubles(&self, database: DatabaseId) -> [Option<i64>; Duty::ALL.len()] {
        let entry = self.of(database);
        Duty::ALL.map(|duty| Some(entry?.troubles.of(duty)?.again_at))
    }

    /// What is the matter with a duty, if anything.
    pub fn trouble(&self, database: DatabaseId, duty: Duty) -> Option<Trouble> {
        self.of(database).and_then(|entry| entry.troubles.of(duty))
    }

    /// The roles that were left without a queue since the last call.
    pub fn take_orphans(&mut self, database: DatabaseId) -> Vec<RoleId> {
        let entry = self.of_mut(database);
        let orphans = entry.map(|entry| std::mem::take(&mut entry.orphans)).unwrap_or_default();
        orphans.into_iter().filter(|&role| role != RoleId(0)).collect()
    }

    /// Every scheduler is to look at its timers: the clock was moved.
    pub fn wake_schedulers(&self) -> Wake {
        self.served().map(|entry| entry.scheduler.wake()).fold(Wake::nobody(), Wake::and)
    }

    /// Whether the scheduler that has just entered finds nothing in the tables; true once.
    pub fn take_is_new(&mut self, database: DatabaseId) -> bool {
        self.of_mut(database).is_some_and(|entry| std::mem::take(&mut entry.is_new))
    }

    /// How often the extension of this database was created or dropped.
    pub fn changes(&self, database: DatabaseId) -> u32 {
        self.of(database).map_or(0, |entry| entry.changes)
    }

    /// The extension of this database has been dropped.
    pub fn note_drop(&mut self, database: DatabaseId) -> Wake {
        self.tell(database, |entry| {
            entry.dropped = true;
            entry.changes += 1;
        })
    }

    /// Whether the extension of this database was dropped.
    pub fn is_dropped(&self, database: DatabaseId) -> bool {
        self.of(database).is_none_or(|entry| entry.dropped)
    }

    /// Asks the scheduler to look at the tables again.
    pub fn request_rescan(&mut self, database: DatabaseId) -> Wake {
        self.tell(database, |entry| entry.rescan = true)
    }

    /// Whether the tables have to be looked at again.
    pub fn wants_rescan(&self, database: DatabaseId) -> bool {
        self.of(database).is_some_and(|entry| entry.rescan)
    }

    /// The tables are about to be looked at.
    pub fn begin_rescan(&mut self, database: DatabaseId) {
        if let Some(entry) = self.of_mut(database) {
            entry.rescan = false;
            // The look finds those that still are.
            entry.misses_roles = false;
        }
    }

    /// Some prepared transaction holds a start or signal.
    pub fn expect_prepared(&mut self, database: DatabaseId) -> Wake {
        self.tell(database, |entry| entry.sweep = true)
    }

    /// Whether prepared transactions are to be swept for.
    pub fn sweeps(&self, database: DatabaseId) -> bool {
        self.of(database).is_some_and(|entry| entry.sweep)
    }

    /// The last sweep, unless somebody expects more from prepared transactions.
    pub fn stop_sweeping(&mut self, database: DatabaseId) {
        if let Some(entry) = self.of_mut(database) {
            entry.sweep = false;
        }
    }

    /// The scheduler is about to sleep until then, or is awake (`None`).
    pub fn note_look(&mut self, database: DatabaseId, at: Option<i64>) {
        if let Some(entry) = self.of_mut(database) {
            entry.looks_at = at.unwrap_or_default();
        }
    }

    /// Whether a scheduler is wanted in this database.
    pub fn is_served(&self, database: DatabaseId) -> bool {
        self.of(database).is_some()
    }

    /// Whether a scheduler may be wanted in this database: it is already, or there is a place.
    pub fn has_room_for(&self, database: DatabaseId) -> bool {
        self.is_served(database) || self.of(DatabaseId(0)).is_some()
    }

    /// Whether what is put on the board for this database is of use: it is served, and its instances are at home.
    pub(crate) fn takes_work(&self, database: DatabaseId) -> bool {
        self.of(database).is_some_and(|entry| !entry.hold.is_of_a_copy())
    }

    /// The work of a tenant who has no queue is in the tables only; true where that is new.
    pub(crate) fn note_orphan(&mut self, tenant: Tenant) -> bool {
        let Some(entry) = self.of_mut(tenant.database) else { return false };
        if entry.rescan || entry.orphans.contains(&tenant.role) {
            return false;
        }
        match entry.orphans.iter_mut().find(|place| **place == RoleId(0)) {
            Some(place) => *place = tenant.role,
            None => entry.rescan = true,
        }
        true
    }

    /// The databases in which a scheduler is wanted.
    pub(crate) fn served(&self) -> impl Iterator<Item = &Database> {
        self.databases.iter().filter(|entry| entry.id != DatabaseId(0))
    }

    /// A scheduler is wanted in this database; false where there is no room for it.
    pub(crate) fn want(&mut self, database: DatabaseId) -> bool {
        let position = |id| self.databases.iter().position(|entry| entry.id == id);
        let Some(place) = position(database).or_else(|| position(DatabaseId(0))) else { return false };
        let entry = &mut self.databases[place];
        entry.id = database;
        entry.dropped = false;
        entry.released = false;
        entry.changes += 1;
        true
    }

    /// Nothing is carried out in this database for now, or again; true where that is new.
    pub(crate) fn hold(&mut self, database: DatabaseId, hold: Hold) -> bool {
        let entry = self.of_mut(database);
        entry.is_some_and(|entry| std::mem::replace(&mut entry.hold, hold) != hold)
    }

    /// The scheduler leaves until somebody has work here.
    pub(crate) fn release(&mut self, database: DatabaseId) -> Wake {
        self.tell(database, |entry| entry.released = true)
    }

    /// Somebody wants the database alone.
    pub(crate) fn leave_alone(&mut self, database: DatabaseId) -> Wake {
        self.tell(database, |entry| entry.alone += 1)
    }

    /// Somebody who wanted the database alone does not any more.
    pub(crate) fn come_back(&mut self, database: DatabaseId) {
        if let Some(entry) = self.of_mut(database) {
            entry.alone = entry.alone.saturating_sub(1);
        }
    }

    /// [`want`](Self::want) for a database in which the extension was created just now. What a restore then puts into
    /// its tables is not run before somebody says that all tables are there.
    pub(crate) fn want_new(&mut self, database: DatabaseId) -> bool {
        let is_new = !self.is_served(database);
        let is_wanted = self.want(database);
        if let Some(entry) = self.of_mut(database) {
            entry.is_new = is_new;
            entry.is_known = true;
        }
        is_wanted
    }

    /// The extension of this database is there.
    pub(crate) fn keep(&mut self, database: DatabaseId) {
        if let Some(entry) = self.of_mut(database) {
            entry.dropped = false;
            entry.is_known = true;
        }
    }

    /// No scheduler is wanted in this database any more.
    pub(crate) fn forget(&mut self, items: &mut Items, database: DatabaseId) {
        if let Some(entry) = self.of_mut(database) {
            items.clear(&mut entry.timers);
            *entry = Database::zeroed();
        }
    }

    /// This process is to be the scheduler; false where none is wanted, or one runs.
    pub(crate) fn enter_scheduler(
        &mut self,
        database: DatabaseId,
        pid: i32,
        place: ProcNumber,
        now: i64,
    ) -> bool {
        let is_free = |entry: &&mut Database| !entry.scheduler.is_there() && !entry.has_to_be_left();
        let free = self.of_mut(database).filter(is_free);
        free.map(|entry| entry.scheduler = Process { pid, place, since: now }).is_some()
    }

    /// The process with this pid leaves, if it is the scheduler.
    pub(crate) fn leave_scheduler(&mut self, database: DatabaseId, pid: i32) {
        if let Some(entry) = self.of_mut(database).filter(|entry| entry.scheduler.pid == pid) {
            entry.scheduler = Process::zeroed();
            entry.looks_at = 0;
        }
    }

    pub(crate) fn wake_scheduler(&self, database: DatabaseId) -> Wake {
        self.of(database).map_or_else(Wake::nobody, |entry| entry.scheduler.wake())
    }

    /// Wakes the scheduler unless it sleeps and will look at the board by then.
    pub(crate) fn wake_scheduler_by(&self, database: DatabaseId, at: i64) -> Wake {
        let is_late = |entry: &&Database| entry.looks_at == 0 || entry.looks_at > at;
        self.of(database).filter(is_late).map_or_else(Wake::nobody, |entry| entry.scheduler.wake())
    }

    /// Hands a timer to the scheduler. Each database may have as many on their way as any other: where no place is free, the
    /// newest of the one that has most gives way, or this one. Says whose timer was left to the tables.
    pub(crate) fn set_timer(
        &mut self,
        items: &mut Items,
        database: DatabaseId,
        timer: Timer,
    ) -> (Wake, Option<Tenant>) {
        let item = Item { target: timer.target, role: timer.role, ready_at: timer.at, pusher: None };
        let Some(place) = self.databases.iter().position(|entry| entry.id == database) else {
            return (Wake::nobody(), None);
        };
        let wake = self.databases[place].scheduler.wake();
        if items.append(&mut self.databases[place].timers, &item).is_ok() {
            return (wake, None);
        }
        let own = self.databases[place].timers.len();
        let others = self.served().filter(|entry| entry.id != database && !entry.timers.is_empty()).count();
        let mut left = None;
        if own < ROOM / (others as u32 + 1)
            && let Some(longest) = self.databases.iter_mut().max_by_key(|entry| entry.timers.len())
            && let Some(newest) = items.take_last(&mut longest.timers)
        {
            left = Some(Tenant { database: longest.id, role: newest.role });
        }
        if items.append(&mut self.databases[place].timers, &item).is_err() {
            left = Some(Tenant { database, role: timer.role });
        }
        (wake, left)
    }

    /// The timers that were set since the last call.
    pub(crate) fn take_timers(&mut self, items: &mut Items, database: DatabaseId) -> Vec<Timer> {
        let Some(entry) = self.of_mut(database) else { return Vec::new() };
        let mut timers = Vec::with_capacity(entry.timers.len() as usize);
        let timer = |item: Item| Timer { at: item.ready_at, target: item.target, role: item.role };
        timers.extend(items.iter(&entry.timers).map(timer));
        items.clear(&mut entry.timers);
        timers
    }

    /// Notes something for the scheduler, and wakes it.
    fn tell(&mut self, database: DatabaseId, note: impl FnOnce(&mut Database)) -> Wake {
        let Some(entry) = self.of_mut(database) else { return Wake::nobody() };
        note(entry);
        entry.scheduler.wake()
    }

    fn of(&self, database: DatabaseId) -> Option<&Database> {
        self.databases.iter().find(|entry| entry.id == database)
    }

    fn of_mut(&mut self, database: DatabaseId) -> Option<&mut Database> {
        self.databases.iter_mut().find(|entry| entry.id == database)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    const HERE: DatabaseId = DatabaseId(1);

    fn woken(wake: Wake) -> Vec<ProcNumber> {
        wake.into_iter().collect()
    }

    fn timer(at: i64) -> Timer {
        Timer { at, target: Target { instance: at as u64, branch: 1 }, role: RoleId(7) }
    }

    /// What a database is, told naively.
    #[derive(Default)]
    struct Naive {
        scheduler: Option<i32>,
        looks_at: Option<i64>,
        timers: Vec<Timer>,
        changes: u32,
        rescan: bool,
        sweep: bool,
        dropped: bool,
        is_new: bool,
    }

    impl Naive {
        fn wake(&self) -> Vec<ProcNumber> {
            self.scheduler.into_iter().collect()
        }
    }

    /// Databases, and what naive entries say.
    struct Model {
        databases: Box<Databases>,
        items: Box<Items>,
        naive: BTreeMap<DatabaseId, Naive>,
    }

    impl Model {
        /// Databases and schedulers come and go.
        fn change(&mut self, random: &mut Random, database: DatabaseId, says: &str) {
            let Model { databases, items, naive } = self;
            let pid = 1 + random.below(3) as i32;
            match random.below(8) {
                kind @ 0..3 => {
                    let is_new = !naive.contains_key(&database);
                    let is_wanted =
                        if kind == 0 { databases.want_new(database) } else { databases.want(database) };
                    assert!(is_wanted, "{says}");
                    let entry = naive.entry(database).or_default();
                    (entry.dropped, entry.changes) = (false, entry.changes + 1);
                    if kind == 0 {
                        entry.is_new = is_new;
                    }
                }
                3 => {
                    databases.forget(items, database);
                    naive.remove(&database);
                }
                4..6 => {
                    let entered = databases.enter_scheduler(database, pid, pid, 0);
                    let entry = naive.get_mut(&database).filter(|entry| entry.scheduler.is_none());
                    assert_eq!(entered, entry.is_some(), "{says}");
                    if let Some(entry) = entry {
                        entry.scheduler = Some(pid);
                    }
                }
                _ => {
                    databases.leave_scheduler(database, pid);
                    let entry = naive.get_mut(&database);
                    if let Some(entry) = entry.filter(|entry| entry.scheduler == Some(pid)) {
                        (entry.scheduler, entry.looks_at) = (None, None);
                    }
                }
            }
        }

        /// A scheduler is told something.
        fn tell(&mut self, random: &mut Random, database: DatabaseId, says: &str) {
            let Model { databases, items, naive } = self;
            let mut told = |wake: Wake, note: &dyn Fn(&mut Naive)| {
                let expected = naive.get_mut(&database).map(|entry| {
                    note(entry);
                    entry.wake()
                });
                assert_eq!(woken(wake), expected.unwrap_or_default(), "{says}");
            };
            match random.below(5) {
                0 => told(databases.note_drop(database), &|entry| {
                    (entry.dropped, entry.changes) = (true, entry.changes + 1);
                }),
                1 => told(databases.request_rescan(database), &|entry| entry.rescan = true),
                2 => told(databases.expect_prepared(database), &|entry| entry.sweep = true),
                _ => {
                    let timer = timer(random.below(1_000) as i64);
                    let (wake, left) = databases.set_timer(items, database, timer);
                    assert_eq!(left, None, "{says}");
                    told(wake, &|entry| entry.timers.push(timer));
                }
            }
        }

        /// A scheduler does what it was told.
        fn act(&mut self, random: &mut Random, database: DatabaseId, says: &str) {
            let Model { databases, items, naive } = self;
            match random.below(4) {
                0 => {
                    let at = random.one_in(2).then(|| 1 + random.below(10) as i64);
                    databases.note_look(database, at);
                    naive.entry(database).and_modify(|entry| entry.looks_at = at);
                }
                1 => {
                    let taken = databases.take_timers(items, database);
                    let timers = naive.get_mut(&database).map(|entry| std::mem::take(&mut entry.timers));
                    assert_eq!(taken, timers.unwrap_or_default(), "{says}");
                }
                2 => {
                    databases.begin_rescan(database);
                    databases.stop_sweeping(database);
                    databases.keep(database);
                    naive.entry(database).and_modify(|entry| {
                        (entry.rescan, entry.sweep, entry.dropped) = (false, false, false);
                    });
                }
                _ => {
                    let is_new = naive.get_mut(&database).map(|entry| std::mem::take(&mut entry.is_new));
                    assert_eq!(databases.take_is_new(database), is_new.unwrap_or(false), "{says}");
                }
            }
        }

        fn check(&self, random: &mut Random, database: DatabaseId, says: &str) {
            let Model { databases, naive, .. } = self;
            let known = naive.get(&database);
            let is = |what: &dyn Fn(&Naive) -> bool| known.is_some_and(what);
            assert_eq!(databases.is_served(database), known.is_some(), "{says}");
            assert_eq!(databases.changes(database), known.map_or(0, |entry| entry.changes), "{says}");
            assert_eq!(databases.wants_rescan(database), is(&|entry| entry.rescan), "{says}");
            assert_eq!(databases.sweeps(database), is(&|entry| entry.sweep), "{says}");
            assert_eq!(databases.is_dropped(database), known.is_none_or(|entry| entry.dropped), "{says}");
            let by = random.below(12) as i64;
            let sleeps_on = known.filter(|entry| entry.looks_at.is_none_or(|at| at > by));
            let expected = sleeps_on.map(Naive::wake).unwrap_or_default();
            assert_eq!(woken(databases.wake_scheduler_by(database, by)), expected, "{says}");
            let mut without = databases.without_scheduler();
            without.sort();
            let lonely = naive.iter().filter(|(_, entry)| entry.scheduler.is_none());
            assert!(lonely.map(|(&id, _)| id).eq(without), "{says}");
            let mut all = woken(databases.wake_schedulers());
            all.sort();
            let mut expected: Vec<_> = naive.values().filter_map(|entry| entry.scheduler).collect();
            expected.sort();
            assert_eq!(all, expected, "{says}");
        }
    }

    #[test]
    fn databases_are_what_naive_entries_are() {
        const SEED: u64 = 4;
        let mut random = Random::new(SEED);
        let mut model = Model {
            databases: bytemuck::zeroed_box(),
            items: bytemuck::zeroed_box(),
            naive: BTreeMap::new(),
        };
        for n in 0..100_000 {
            let says = format!("seed {SEED}, operation {n}");
            let database = DatabaseId(1 + random.below(6) as u32);
            match random.below(8) {
                0 => model.change(&mut random, database, &says),
                1..5 => model.tell(&mut random, database, &says),
                5..7 => model.act(&mut random, database, &says),
                _ => model.check(&mut random, database, &says),
            }
        }
    }

    #[test]
    fn one_database_too_many_is_not_served() {
        let mut databases: Box<Databases> = bytemuck::zeroed_box();
        for id in 1..=DATABASES_MAX as u32 {
            assert!(databases.want(DatabaseId(id)));
        }
        let other = DatabaseId(DATABASES_MAX as u32 + 1);
        assert!(!databases.want(other) && !databases.want_new(other) && !databases.is_served(other));
        assert!(databases.want(HERE), "one that is there is wanted again");
        databases.forget(&mut bytemuck::zeroed_box(), HERE);
        assert!(databases.want(other) && databases.is_served(other));
    }
}
