//! The scheduler: one a database. Owns the timers, starts executors, rebuilds the queue after a restart. Runs no SQL
//! of users.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use pg_durable_board::{DatabaseId, InFlight, Opening, RoleId, Target, Tenant};
use pg_durable_graph::{Failure, NodeId};
use pgrx::pg_sys::Oid;

use crate::engine::{failing, wake};
use crate::pg::process::{self, Handle, Worker};
use crate::pg::spi::Session;
use crate::pg::xact::Transaction;
use crate::pg::{activity, catalog, caught, clock, gucs, latch, shmem};
use crate::store::{self, instances, nodes};

/// How many deaths of its process fail a node.
const DEATHS_MAX: i64 = 3;
/// How much ready work of a scan is put on the board at once.
const BOARD_SHARE: u32 = 16 * 1024;
/// How long a role that could not be served waits.
const BLOCKED_US: i64 = 1_000_000;

thread_local! {
    static DATABASE: std::cell::Cell<DatabaseId> = const { std::cell::Cell::new(DatabaseId(0)) };
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Hash)]
struct Due {
    at: i64,
    instance: u64,
    branch: u32,
    role: RoleId,
}

struct Scheduler {
    database: DatabaseId,
    timers: BinaryHeap<Reverse<Due>>,
    known: HashSet<Due>,
    /// Unfinished instances that the board has no room for yet.
    backlog: VecDeque<(u64, RoleId)>,
    starting: HashMap<usize, Handle>,
    scanned_at: i64,
    /// How many timers make it worth looking for those that mean nothing any more.
    prune_at: usize,
    sweep_at: i64,
    reconcile_at: i64,
    warned_at: i64,
}

/// The life of a scheduler in the database with this oid.
pub fn run(database: DatabaseId) {
    process::take_signals();
    DATABASE.set(database);
    process::before_exit(|| wake::send(|board| board.leave_scheduler(DATABASE.get(), process::my_pid())));
    process::connect(Some(Oid::from(database.0)), None);
    activity::show_name("pg_durable scheduler");
    if !shmem::board().enter_scheduler(database, process::my_pid(), latch::my_proc_number(), clock::now()) {
        process::exit();
    }
    if !is_served(database) {
        process::exit();
    }
    let mut scheduler = Scheduler {
        database,
        timers: BinaryHeap::new(),
        known: HashSet::new(),
        backlog: VecDeque::new(),
        starting: HashMap::new(),
        scanned_at: 0,
        prune_at: 0,
        sweep_at: 0,
        reconcile_at: 0,
        warned_at: 0,
    };
    // Before the first executor: a step that has had its chances gets no other.
    scheduler.count_deaths();
    // Before the scan: what is committed between the two is then either seen by the scan or swept for.
    if has_prepared_transactions() {
        wake::expect_prepared();
    }
    if !shmem::board().databases.take_is_new(database) {
        scheduler.scan();
    }
    loop {
        latch::check_interrupts();
        if shmem::board().databases.is_dropped(database) && !is_served(database) {
            process::exit();
        }
        let next_at = scheduler.pass();
        activity::report_statistics(false);
        shmem::board().databases.note_look(database, next_at);
        latch::wait(next_at.map(|at| Duration::from_micros((at - clock::now()).max(0) as u64)));
        shmem::board().databases.note_look(database, None);
    }
}

impl Scheduler {
    /// Does what is due; says until when there is nothing to do.
    fn pass(&mut self) -> Option<i64> {
        let now = clock::now();
        self.count_deaths();
        let mut next_at = i64::MAX;
        let mut at = |moment: i64| next_at = next_at.min(moment);
        self.take_timers();
        self.prune_timers();
        self.fire_timers(now);
        if let Some(Reverse(due)) = self.timers.peek() {
            at(due.at);
        }
        if let Some(moment) = self.scan_again(now) {
            at(moment);
        }
        self.feed_board(now);
        if !self.backlog.is_empty() {
            at(now + 20_000);
        }
        if let Some(moment) = self.start_executors(now) {
            at(moment);
        }
        if let Some(moment) = self.mark_running(now) {
            at(moment);
        }
        if let Some(moment) = self.sweep(now) {
            at(moment);
        }
        if let Some(moment) = self.reconcile(now) {
            at(moment);
        }
        (next_at != i64::MAX).then_some(next_at)
    }

    fn tenant(&self, role: RoleId) -> Tenant {
        Tenant { database: self.database, role }
    }

    fn take_timers(&mut self) {
        for timer in shmem::board().take_timers(self.database) {
            let due = Due {
                at: timer.at,
                instance: timer.target.instance,
                branch: timer.target.branch,
                role: timer.role,
            };
            if self.known.insert(due) {
                self.timers.push(Reverse(due));
            }
        }
    }

    fn fire_timers(&mut self, now: i64) {
        while let Some(Reverse(due)) = self.timers.peek().copied()
            && due.at <= now
        {
            self.timers.pop();
            self.known.remove(&due);
            let target = Target { instance: due.instance, branch: due.branch };
            wake::send(|board| board.push(self.tenant(due.role), target, None, now));
        }
    }

    /// Looks at the tables again if something did not fit on the board. Not at once: while it is full, each look ends in
    /// the wish for another one.
    fn scan_again(&mut self, now: i64) -> Option<i64> {
        const PAUSE_US: i64 = 250_000;
        if !self.backlog.is_empty() || !shmem::board().databases.wants_rescan(self.database) {
            return None;
        }
        if now < self.scanned_at + PAUSE_US {
            return Some(self.scanned_at + PAUSE_US);
        }
        shmem::board().databases.begin_rescan(self.database);
        self.scanned_at = now;
        self.scan();
        None
    }

    /// Forgets timers of instances that have ended: the time-out of a wait that was long over would stay for days.
    fn prune_timers(&mut self) {
        const PRUNE_AT_LEAST: usize = 50_000;
        if self.timers.len() < self.prune_at.max(PRUNE_AT_LEAST) {
            return;
        }
        let unfinished: HashSet<u64> = in_transaction(instances::unfinished)
            .into_iter()
            .filter_map(|(id, _)| wake::instance_number(&id))
            .collect();
        self.known.retain(|due| unfinished.contains(&due.instance));
        self.timers.retain(|Reverse(due)| unfinished.contains(&due.instance));
        self.prune_at = 2 * self.timers.len();
    }

    /// Finds every unfinished instance.
    fn scan(&mut self) {
        let found = in_transaction(instances::unfinished);
        let numbered = found
            .into_iter()
            .filter_map(|(id, role)| Some((wake::instance_number(&id)?, RoleId(role.to_u32()))));
        self.backlog = numbered.collect();
    }

    fn feed_board(&mut self, now: i64) {
        if self.backlog.is_empty() {
            return;
        }
        let room = BOARD_SHARE.saturating_sub(shmem::board().queues.queued(self.database));
        for _ in 0..room {
            let Some((instance, role)) = self.backlog.pop_front() else { return };
            let target = Target { instance, branch: NodeId::ROOT.0 };
            wake::send(|board| board.push(self.tenant(role), target, None, now));
        }
    }

    fn start_executors(&mut self, now: i64) -> Option<i64> {
        self.starting.retain(|&slot, handle| {
            let has_failed = handle.is_stopped() && shmem::board().executors.is_starting(slot);
            if has_failed {
                wake::send(|board| board.leave_executor(slot, now));
            }
            !has_failed && shmem::board().executors.is_starting(slot)
        });
        let limit = self.executors_max();
        let openings = wake::ask(|board| board.open_executors(self.database, limit, now));
        let mut ask_again = openings.ask_again;
        for opening in openings.start {
            if let Err(failure) = self.check_role(opening.tenant.role) {
                wake::send(|board| board.leave_executor(opening.slot, now));
                self.fail_instances_of(opening.tenant.role, &failure);
                continue;
            }
            if self.start_executor(opening).is_err() {
                wake::send(|board| board.leave_executor(opening.slot, now));
                shmem::board().launcher.note_exhausted(now);
                shmem::board().queues.block(opening.tenant, now + BLOCKED_US);
                ask_again = Some(now + BLOCKED_US);
                self.warn_of_exhaustion(now);
            }
        }
        ask_again
    }

    /// As many as the settings allow and the server has worker slots for, other users of which are left some.
    fn executors_max(&self) -> usize {
        /// The launcher, this scheduler, and the server's own logical replication launcher.
        const OTHERS: i32 = 3;
        let slots = (process::max_worker_processes() - OTHERS).max(1) as usize;
        gucs::max_executors().min(slots)
    }

    fn start_executor(&mut self, opening: Opening) -> Result<(), process::NoWorkerSlot> {
        let executor = Worker {
            kind: "pg_durable executor",
            name: format!("pg_durable executor {}", opening.slot),
            entry: "pg_durable_executor_main",
            argument: opening.slot as u64,
            restart: None,
        };
        self.starting.insert(opening.slot, executor.start()?);
        Ok(())
    }

    /// Whether a process can be born as this role here; if not, waiting would not help.
    fn check_role(&self, role: RoleId) -> Result<(), Failure> {
        let (role, database) = (Oid::from(role.0), Oid::from(self.database.0));
        in_transaction(|_| {
            let Some(name) = catalog::role_name(role) else {
                return Err(Failure::new("42704", "submitted_by role no longer exists in pg_roles")
                    .hint("Start the workflow again as a role that exists."));
            };
            if !catalog::may_connect(role, database) {
                return Err(Failure::new(
                    "42501",
                    format!("role \"{name}\" may not connect to the database"),
                )
                .hint("Grant CONNECT on the database to the role and start the workflow again."));
            }
            if !process::RUNS_NOLOGIN_ROLES && !catalog::can_login(role) {
                return Err(Failure::new("28000", format!("role \"{name}\" does not have LOGIN privilege"))
                    .hint("Grant LOGIN to the role (PostgreSQL 17 and later do not need it) and start the workflow again."));
            }
            Ok(())
        })
    }

    fn fail_instances_of(&mut self, role: RoleId, failure: &Failure) {
        shmem::board().clear_queue(self.tenant(role));
        for id in in_transaction(|spi| instances::unfinished_of_role(spi, Oid::from(role.0))) {
            let text = format!("Instance {id}: {}", failure.message);
            pgrx::log!("pg_durable: {text}");
            if failing::store_failure(&id, &text, failure).is_ok()
                && let Some(number) = wake::instance_number(&id)
            {
                wake::send(|board| board.waiters.note_ended(self.database, number));
            }
        }
    }

    fn warn_of_exhaustion(&mut self, now: i64) {
        /// Often enough to be seen, seldom enough not to fill the log.
        const EVERY_US: i64 = 60_000_000;
        if self.warned_at + EVERY_US < now || self.warned_at == 0 {
            self.warned_at = now;
            pgrx::warning!(
                "pg_durable: no worker slot is free for an executor; work waits. Raise max_worker_processes (now {})",
                process::max_worker_processes()
            );
        }
    }

    /// Says in their rows which instances run, where a long first step has not come to it.
    fn mark_running(&self, now: i64) -> Option<i64> {
        let (pending, ask_again) = shmem::board().executors.take_pending(self.database, now);
        if !pending.is_empty() {
            in_transaction(|spi| {
                for number in pending {
                    instances::mark_running(spi, &wake::instance_id(number));
                }
            });
        }
        ask_again
    }

    /// Looks for instances whose start was part of a prepared transaction, while there may be such.
    fn sweep(&mut self, now: i64) -> Option<i64> {
        if !shmem::board().databases.sweeps(self.database) {
            return None;
        }
        if now < self.sweep_at {
            return Some(self.sweep_at);
        }
        // Stopped before the look: one that is prepared from now on starts it anew.
        shmem::board().databases.stop_sweeping(self.database);
        let goes_on = has_prepared_transactions();
        if goes_on {
            wake::expect_prepared();
        }
        self.scan();
        self.feed_board(now);
        self.sweep_at = now + gucs::sweep_interval().as_micros() as i64;
        goes_on.then_some(self.sweep_at)
    }

    /// Deletes terminal instances that have been kept long enough.
    fn reconcile(&mut self, now: i64) -> Option<i64> {
        let interval = gucs::reconcile_interval()?.as_micros() as i64;
        if self.reconcile_at == 0 {
            // Not while the server is busy starting.
            self.reconcile_at = now + interval.min(60_000_000);
        }
        if now >= self.reconcile_at {
            let deleted = in_transaction(|spi| instances::delete_expired(spi, gucs::retention_days()));
            self.reconcile_at = if deleted > 0 { now + 100_000 } else { now + interval };
        }
        Some(self.reconcile_at)
    }

    /// Steps that took their process with them are counted, and given up after the third time.
    fn count_deaths(&mut self) {
        let suspects = shmem::board().suspects.take(self.database);
        for InFlight { instance, generation, node, .. } in suspects {
            let id = wake::instance_id(instance);
            let node = NodeId(node);
            let deaths = in_transaction(|spi| nodes::count_death(spi, &id, node, generation));
            pgrx::log!(
                "pg_durable: an executor died in instance {id} at node {node} ({deaths} of {DEATHS_MAX})"
            );
            if deaths >= DEATHS_MAX {
                let message =
                    format!("the server process died {deaths} times while it carried out this node");
                let failure = Failure::new("XX000", message)
                    .hint("Look into the server log for why the process died: a crash in a function, or the system's out-of-memory killer.");
                // An error while storing it leaves the node to its fourth attempt.
                if failing::store_death(instance, node, generation, failure).is_ok_and(|counts| counts) {
                    wake::interrupt(self.database, instance, None, |_| true);
                    wake::send(|board| board.waiters.note_ended(self.database, instance));
                }
            }
        }
    }
}

fn in_transaction<T>(work: impl FnOnce(&Session) -> T) -> T {
    let transaction = Transaction::begin_internal();
    let owner = store::as_owner();
    let spi = Session::open();
    let done = work(&spi);
    drop(spi);
    drop(owner);
    transaction.commit();
    done
}

/// Whether the extension is there. The answer holds also where it is created or dropped during the look.
fn is_served(database: DatabaseId) -> bool {
    loop {
        let changes = shmem::board().databases.changes(database);
        let has_extension = has_extension();
        let decided = wake::ask(|board| board.decide_served(database, changes, has_extension));
        if let Some(is_served) = decided {
            return is_served;
        }
    }
}

fn has_extension() -> bool {
    let transaction = Transaction::begin_internal();
    let has = catalog::extension().is_some();
    transaction.commit();
    has
}

fn has_prepared_transactions() -> bool {
    caught::catch(|| in_transaction(store::has_prepared_transactions)).unwrap_or(true)
}
