//! Advancing an instance: from a piece of ready work, step after step, until it ends, waits, or others are due.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant as Moment};

use pg_durable_board::{Hindrance, InFlight, Pusher, Target, Tenant, Work};
use pg_durable_graph::progress::{Next, ProgressError};
use pg_durable_graph::verdict::{Phase, Try, Verdict, until_free, verdict};
use pg_durable_graph::{Failure, NodeId};
use pgrx::pg_sys::Oid;

use super::checkpoint::internal;
use super::committing::Gate;
use super::failing::{self, Stored, store_failure, store_failure_of_node};
use super::flush::Flush;
use super::instance::{After, Instance, Loaded};
use super::standing::Standing;
use super::stop::{Caught, Stop};
use super::{steps, wake};
use crate::pg::spi::Tid;
use crate::pg::xact::Transaction;
use crate::pg::{activity, caught, clock, gucs, inflight, latch, process, session, shmem, value};
use crate::store::instances::Changed;

/// How long an executor stays with one instance while others of its role wait.
const TIME_SLICE: Duration = Duration::from_millis(50);
/// Of how many instances an executor remembers where their rows are.
const PLACES_OF: usize = 16;
/// Of how many branches an executor remembers that they were tried in vain. Beyond that it counts anew: pauses are shorter
/// again, and what has a leaf is counted in its row all the same.
const TRIES_OF: usize = 1024;
/// How often in a row a branch is looked at again at once.
const LOST_MAX: u32 = 10;
/// How long until a branch is looked at again where looking at once did not help.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An executor: the process that advances instances of one role in one database.
pub struct Executor {
    pub slot: usize,
    pub tenant: Tenant,
    /// The instance that was advanced last, as this process knows it.
    held: Option<Box<Instance>>,
    /// Which instance's turn it is, and since when.
    turn: (u64, Moment),
    loads: u32,
    /// Where the rows of instances with loops were when this process had them last: see `heap::find_at`.
    places: VecDeque<(u64, Vec<Option<Tid>>)>,
    /// Where this process came too late last, and how often in a row.
    lost: (Target, u32),
    /// How often in a row something could not be done, by instance, branch and leaf. Where there is a leaf, its row knows
    /// too.
    tries: HashMap<(Target, Option<NodeId>), u32>,
    /// A step has changed who the session is, or somebody what its role may do: this process must not run another.
    pub is_tainted: bool,
    standing: Standing,
    hindered_by: Option<Hindrance>,
}

impl Executor {
    /// An executor that has just connected.
    pub fn new(slot: usize, tenant: Tenant) -> Executor {
        let transaction = Transaction::begin_internal();
        let standing = Standing::at_birth(tenant);
        transaction.commit();
        Executor {
            slot,
            tenant,
            held: None,
            turn: (0, Moment::now()),
            loads: 0,
            places: VecDeque::new(),
            lost: (Target { instance: 0, branch: 0 }, 0),
            tries: HashMap::new(),
            is_tainted: false,
            standing,
            hindered_by: None,
        }
    }

    /// The instance whose work is preferred, being at hand. Not for long: one that always has more work would keep
    /// all others of its role waiting.
    pub fn preference(&self) -> Option<u64> {
        let (number, since) = self.turn;
        (self.held.is_some() && since.elapsed() <= TIME_SLICE).then_some(number)
    }

    /// Lets go of the instance at hand: nobody knows when its next work comes.
    pub fn forget(&mut self) {
        self.let_go();
        value::forget_types();
    }

    /// Advances what `work` names, as far as it goes now.
    pub fn advance(&mut self, work: Work) {
        let since = Moment::now();
        let Some((mut instance, is_fresh)) = self.hold(work) else { return };
        let _gate = Gate::close(self.slot, instance.id.clone(), instance.place());
        activity::show_name(&format!("pg_durable:{}", instance.id));
        let stopped = self.advance_instance(&mut instance, work.target, is_fresh, since);
        activity::show_idle();
        match stopped {
            Ok(()) => {
                self.lost.1 = 0;
                self.forget_tries(work.target);
                self.held = Some(instance);
            }
            // Where it has written rows there are none, as that was rolled back: those that it was loaded from are remembered.
            Err(stop) => self.end_with(*instance, work.target, stop),
        }
    }

    fn role(&self) -> Oid {
        Oid::from(self.tenant.role.0)
    }

    fn hold(&mut self, work: Work) -> Option<(Box<Instance>, bool)> {
        if self.turn.0 != work.target.instance {
            self.turn = (work.target.instance, Moment::now());
        }
        let is_at_hand =
            |held: &mut Box<Instance>| held.number == work.target.instance && work.load == Some(held.load);
        if let Some(held) = self.held.take_if(is_at_hand) {
            return Some((held, false));
        }
        self.let_go();
        self.loads += 1;
        let (role, loads) = (self.role(), self.loads);
        let known = self.places.iter().find(|(number, _)| *number == work.target.instance);
        let places = known.map_or(&[][..], |(_, places)| places);
        let standing = &mut self.standing;
        let loaded = process::without_cancellation(|| {
            caught::catch(|| Instance::load(work.target.instance, role, loads, places, standing))
        });
        match loaded {
            Ok(Loaded::Instance(instance)) => {
                self.remember_places(&instance);
                Some((instance, true))
            }
            Ok(Loaded::Gone) => None,
            Ok(Loaded::Unfit) => {
                self.give_way();
                None
            }
            Ok(Loaded::Blocked { id, role }) => {
                let message = format!(
                    "pg_durable blocked instance {id}: submitted_by role \"{role}\" is a superuser, but pg_durable.enable_superuser_instances is off"
                );
                self.fail_whole(work.target, Failure::new("42501", message));
                None
            }
            Ok(Loaded::Broken(error)) => {
                self.fail_whole(work.target, error.into());
                None
            }
            Err(failure) => {
                self.judge(None, work.target, Caught::in_phase(Phase::Loading, failure));
                None
            }
        }
    }

    fn let_go(&mut self) {
        if let Some(held) = self.held.take() {
            self.remember_places(&held);
        }
    }

    fn remember_places(&mut self, instance: &Instance) {
        if !instance.has_loops() {
            return;
        }
        self.places.retain(|(number, _)| *number != instance.number);
        self.places.push_front((instance.number, instance.places().to_vec()));
        self.places.truncate(PLACES_OF);
    }

    fn advance_instance(
        &mut self,
        instance: &mut Instance,
        target: Target,
        is_fresh: bool,
        since: Moment,
    ) -> Result<(), Stop> {
        let Some((mut branch, next)) = self.enter(instance, target, is_fresh) else { return Ok(()) };
        // What only runs a step that is at hand has nothing to be written before it.
        let mut after = match next {
            Ok(Next::Run(leaf)) if instance.is_ready(branch, leaf) => {
                After::Next { branch, next: Next::Run(leaf) }
            }
            next => internal(instance, |instance, spi| instance.settle(spi, branch, next, Flush::Later))?,
        };
        loop {
            // First of all: whoever runs something that was given up by what has just been committed must hear of it,
            // also when this process is to end.
            self.interrupt_abandoned(instance);
            let next;
            (branch, next) = match after {
                After::Next { branch, next } => (branch, next),
                After::Fails { node, failure } => return Err(Stop::Failed { node, failure }),
                // Given up while it was looked at: nobody counts on it any more, and others may have counted it as under way.
                After::Parked { .. } if shmem::board().executors.is_abandoned(self.slot) => {
                    return Err(Stop::Abandoned);
                }
                After::Parked { until } => {
                    self.set_timer(instance, branch, until);
                    return Ok(());
                }
                After::Held => return Err(Stop::Held),
            };
            let leaf = match next {
                Next::Run(leaf) => leaf,
                Next::Pause { node, until } if until <= clock::now() => {
                    let next = instance.progress.end_pause(node, clock::now());
                    after =
                        internal(instance, |instance, spi| instance.settle(spi, branch, next, Flush::Later))?;
                    continue;
                }
                Next::Pause { until, .. } => {
                    self.set_timer(instance, branch, Some(until));
                    return Ok(());
                }
                Next::Spawn { node, .. } => {
                    self.spawn(instance, node);
                    return Ok(());
                }
                Next::BranchCompleted(root) => {
                    self.finish_branch(instance, root);
                    return Ok(());
                }
                Next::Failed { .. } => {
                    self.tell_ended(instance.number);
                    return Ok(());
                }
                Next::Finished(_) => {
                    self.tell_completed(instance.number);
                    return Ok(());
                }
            };
            process::without_cancellation(latch::serve_interrupts);
            if !self.holds(instance, branch) {
                return Ok(());
            }
            if since.elapsed() > TIME_SLICE && self.yields(instance, branch) {
                return Ok(());
            }
            if let Err(error) = instance.progress.check_deadline(leaf, clock::now()) {
                return Err(Stop::Failed { node: error.node(), failure: error.into() });
            }
            let of_leaf = |stop: Stop| stop.with(|caught| Caught { leaf: Some(leaf), ..caught });
            after = self.carry_out(instance, leaf).map_err(of_leaf)?;
        }
    }

    /// Finds the branch that a target means, and what it does next; `None` where others are to go on instead.
    fn enter(
        &self,
        instance: &mut Instance,
        target: Target,
        is_fresh: bool,
    ) -> Option<(NodeId, Result<Next, ProgressError>)> {
        let progress = &mut instance.progress;
        let branch = NodeId(target.branch);
        if target.branch == Target::EVERY_BRANCH || branch == NodeId::ROOT {
            return Some((NodeId::ROOT, progress.resume(clock::now())));
        }
        let resumed = if is_fresh { progress.resume(clock::now()).map(|_| ()) } else { Ok(()) };
        if !progress.is_live(branch)
            && let Err(error) = resumed
        {
            // Whoever finds that the walk cannot pass says so: the one who came there may be gone.
            return Some((branch, Err(error)));
        }
        if !progress.is_live(branch) && !is_fresh {
            // What is at hand may be old: only the tables tell what goes on instead.
            self.push(target, None);
            return None;
        }
        if !progress.is_live(branch) {
            self.pass_on(instance);
            return None;
        }
        drop(progress.take_frontier());
        Some((branch, progress.resume_branch(branch, clock::now())))
    }

    /// Carries out one leaf.
    fn carry_out(&mut self, instance: &mut Instance, leaf: NodeId) -> Result<After, Stop> {
        let graph = instance.progress.graph().clone();
        process::forget_cancellation();
        if !wake::ask(|board| board.begin_node(self.slot, leaf.0, instance.is_pending, clock::now())) {
            return Err(Stop::Abandoned);
        }
        let Some(kind) = graph.kind(leaf).leaf() else { unreachable!("only leaves are run") };
        instance.note_beginning();
        let slot = self.slot;
        let is_abandoned = || shmem::board().executors.is_abandoned(slot);
        let standing = &mut self.standing;
        let mut carry_out = |instance: &mut Instance| {
            steps::carry_out(instance, leaf, kind, standing, is_abandoned, clock::now())
        };
        // What leaves nothing but its outcome can neither kill its process nor change its session.
        if kind.delivered().is_none() {
            return carry_out(instance);
        }
        let note = InFlight {
            instance: instance.number,
            generation: instance.progress.generation(leaf),
            database: self.tenant.database,
            node: leaf.0,
        };
        inflight::note(slot, Some(note));
        let after = carry_out(instance);
        inflight::note(slot, None);
        if after.is_ok()
            && let Some(hindrance) = self.hindered_by.take()
        {
            shmem::board().hindrances.forget(self.tenant, hindrance);
        }
        self.interrupt_abandoned(instance);
        self.clean_session();
        after
    }

    fn clean_session(&mut self) {
        match process::without_cancellation(|| caught::catch(|| session::clean(self.role()))) {
            Ok(session::Hygiene::Clean) => {}
            Ok(session::Hygiene::Tainted) | Err(_) => self.is_tainted = true,
        }
    }

    /// Whether this executor may go on in this branch: it has, or gets, its lease; and may still run steps.
    fn holds(&mut self, instance: &Instance, branch: NodeId) -> bool {
        let target = Target { instance: instance.number, branch: branch.0 };
        if self.is_tainted {
            self.push(target, None);
            return false;
        }
        wake::ask(|board| board.exchange_lease(self.slot, target))
    }

    fn yields(&self, instance: &Instance, branch: NodeId) -> bool {
        let board = shmem::board();
        let (others_wait, retires) = (board.others_wait(self.slot), board.executors.retires(self.slot));
        drop(board);
        if others_wait || retires {
            self.push(Target { instance: instance.number, branch: branch.0 }, Some(instance.load));
        }
        others_wait || retires
    }

    fn push(&self, target: Target, load: Option<u32>) {
        let pusher = load.map(|load| Pusher { slot: self.slot, load });
        wake::send(|board| board.push(self.tenant, target, pusher, clock::now()));
    }

    /// Makes the branches of a JOIN or RACE ready. Their items are taken from the queue by this executor too, which
    /// has the instance at hand, or by others who are idle.
    fn spawn(&self, instance: &mut Instance, node: NodeId) {
        let graph = instance.progress.graph().clone();
        let frontier = instance.progress.take_frontier();
        for (branch, _) in frontier.into_iter().filter(|(branch, _)| graph.is_within(*branch, node)) {
            self.push(Target { instance: instance.number, branch: branch.0 }, Some(instance.load));
        }
    }

    /// A branch has completed, and as far as this process knows its siblings have not. Whoever is the last to
    /// finish looks at them again.
    fn finish_branch(&self, instance: &Instance, root: NodeId) {
        let graph = instance.progress.graph();
        let outer = graph.parent(root).map_or(NodeId::ROOT, |parent| graph.branch(parent));
        let target = Target { instance: instance.number, branch: outer.0 };
        let parent = graph.parent(root).unwrap_or(NodeId::ROOT);
        let is_sibling = |branch: u32| {
            let branch = NodeId(branch);
            branch != outer
                && branch.index() < graph.len()
                && graph.is_within(branch, parent)
                // What still runs in one that has failed is no sibling's any more.
                && !instance.progress.has_failed_around(branch)
        };
        wake::send(|board| board.finish_branch(self.slot, target, is_sibling, clock::now()));
    }

    /// The branch that was to be advanced is not under way any more; what is, and is not being carried out, goes on.
    fn pass_on(&self, instance: &mut Instance) {
        for branch in instance.progress.take_others() {
            self.push(Target { instance: instance.number, branch: branch.0 }, None);
        }
    }

    /// Has a branch looked at then or, where the time of what is around it is up before, at that moment.
    fn set_timer(&self, instance: &Instance, branch: NodeId, until: Option<i64>) {
        let deadline = instance.progress.deadline(branch).map(|(_, deadline)| deadline);
        if let Some(until) = until.into_iter().chain(deadline).min() {
            let target = Target { instance: instance.number, branch: branch.0 };
            wake::send(|board| board.set_timer(self.tenant, target, until, clock::now()));
        }
    }

    fn interrupt_abandoned(&self, instance: &mut Instance) {
        let abandoned = instance.progress.take_abandoned();
        if !abandoned.is_empty() {
            let graph = instance.progress.graph().clone();
            wake::interrupt(self.tenant.database, instance.number, Some(self.slot), |branch| {
                (branch as usize) < graph.len()
                    && abandoned.iter().any(|&root| graph.is_within(NodeId(branch), root))
            });
        }
    }

    fn tell_completed(&self, number: u64) {
        wake::send(|board| board.waiters.note_completed(self.tenant.database, number));
    }

    fn tell_ended(&self, number: u64) {
        wake::send(|board| board.waiters.note_ended(self.tenant.database, number));
    }

    fn end_with(&mut self, instance: Instance, target: Target, stop: Stop) {
        match stop {
            // Somebody else was faster with what this process was about to store, or has given up the branch: the tables
            // say what is left to do. The branch may have begun anew in a later generation by now.
            Stop::Lost | Stop::Abandoned => {
                self.lost = if self.lost.0 == target { (target, self.lost.1 + 1) } else { (target, 1) };
                if self.lost.1 < LOST_MAX {
                    self.push(target, None);
                } else {
                    let failure = Failure::new("XX000", "its rows say otherwise than when they were loaded");
                    self.retry_later(target, LOOK_AGAIN, &failure);
                }
            }
            // Whoever ends the change says so, or else it is seen in time.
            Stop::Held => self.wait_until_free(target),
            Stop::Failed { node, failure } => self.record_failure(instance, target, node, failure),
            Stop::Caught(caught) => self.judge(Some(instance), target, *caught),
            Stop::Unfit => self.give_way(),
            Stop::Hindered { hindrance, failure } => self.wait_out(target, hindrance, &failure),
        }
    }

    /// Does what follows from an error of PostgreSQL's.
    fn judge(&mut self, instance: Option<Instance>, target: Target, caught: Caught) {
        let Caught { leaf, phase, has_committed, failure } = caught;
        let (conflicts_max, seed) = (gucs::retry_conflicts(), clock::now() as u64 ^ self.slot as u64);
        // Where a RETRY takes it, that says how often.
        let is_tried_again = match (&instance, leaf) {
            (Some(instance), Some(leaf)) => instance.progress.is_tried_again(leaf, &failure.sqlstate),
            (None, _) | (_, None) => false,
        };
        let conflicts_max = if is_tried_again { 0 } else { conflicts_max };
        let of =
            |number| verdict(phase, &failure.sqlstate, Try { number, has_committed, conflicts_max, seed });
        let judged = match of(1) {
            Verdict::RetryAfter(pause) if !pause.is_zero() => {
                let counted = self.count(target, leaf);
                let stored = match leaf {
                    Some(leaf) if phase != Phase::Failing => {
                        let id = wake::instance_id(target.instance);
                        failing::judge(&id, leaf, counted, &failure, of).ok()
                    }
                    Some(_) | None => None,
                };
                stored.unwrap_or_else(|| of(counted))
            }
            at_once => at_once,
        };
        match judged {
            Verdict::RetryAfter(Duration::ZERO) => self.push(target, None),
            Verdict::RetryAfter(pause) => self.retry_later(target, pause, &failure),
            Verdict::Fail | Verdict::GivenUp => match (instance, leaf) {
                (Some(instance), Some(leaf)) => self.record_failure(instance, target, leaf, failure),
                (_, _) => self.fail_whole(target, failure),
            },
        }
    }

    fn record_failure(&mut self, mut instance: Instance, target: Target, node: NodeId, failure: Failure) {
        let why = if gucs::log_workflow_sql() {
            format!(": {}", failure.message)
        } else {
            format!(" ({})", failure.sqlstate)
        };
        let failing = instance.failing(node, failure);
        match store_failure_of_node(&mut instance, failing) {
            // The branch has lost its race while it failed.
            Ok(Stored::Nothing) => self.push(target, None),
            Ok(Stored::Node) => self.end_with(instance, target, Stop::Held),
            Ok(Stored::Taken { node: failed, branch, until }) => {
                pgrx::debug1!("pg_durable: instance {} goes on behind node {failed}{why}", instance.id);
                self.forget_tries(target);
                self.interrupt_abandoned(&mut instance);
                match until {
                    Some(_) => self.set_timer(&instance, branch, until),
                    None => self.push(Target { instance: instance.number, branch: branch.0 }, None),
                }
                if failed != node {
                    self.push(target, None);
                }
            }
            Ok(Stored::Settled { node: failed, root }) => {
                pgrx::debug1!("pg_durable: instance {} goes on beside node {failed}{why}", instance.id);
                self.forget_tries(target);
                self.interrupt_abandoned(&mut instance);
                self.finish_branch(&instance, root);
                if failed != node {
                    self.push(target, None);
                }
            }
            Ok(Stored::Completed) => {
                self.forget_tries(target);
                self.tell_completed(instance.number);
            }
            Ok(Stored::End) => {
                pgrx::log!("pg_durable: instance {} failed at node {node}{why}", instance.id);
                self.forget_tries(target);
                wake::interrupt(self.tenant.database, instance.number, Some(self.slot), |_| true);
                self.tell_ended(instance.number);
            }
            Err(stop) => self.end_with(instance, target, stop),
        }
    }

    /// Fails an instance that cannot be carried out at all.
    fn fail_whole(&mut self, target: Target, failure: Failure) {
        let id = wake::instance_id(target.instance);
        pgrx::log!("pg_durable: instance {id} failed: {}", failure.message);
        match store_failure(&id, &failure.message, &failure) {
            Ok(Changed::Yes(_) | Changed::No) => {
                self.forget_tries(target);
                self.tell_ended(target.instance);
            }
            Ok(Changed::Held) => self.wait_until_free(target),
            Err(failure) => self.judge(None, target, Caught::in_phase(Phase::Failing, failure)),
        }
    }

    /// Ends this process, which is not fit for steps of its role any more. What it holds goes back to the queue when it
    /// leaves, and the scheduler decides whether another one is born.
    fn give_way(&mut self) {
        pgrx::log!(
            "pg_durable: executor ends: its role was dropped or altered, or may not connect or log in any more"
        );
        self.is_tainted = true;
    }

    /// Tries a branch again when what hinders it may have passed.
    fn wait_out(&mut self, target: Target, hindrance: Hindrance, failure: &Failure) {
        let until = wake::ask(|board| board.note_hindrance(self.tenant, hindrance, clock::now()));
        self.hindered_by = Some(hindrance);
        pgrx::log!("pg_durable: instance {} waits: {}", wake::instance_id(target.instance), failure.message);
        wake::send(|board| board.set_timer(self.tenant, target, until, clock::now()));
    }

    fn wait_until_free(&mut self, target: Target) {
        let tries = self.count(target, None);
        self.look_again_after(target, until_free(tries));
    }

    fn count(&mut self, target: Target, leaf: Option<NodeId>) -> u32 {
        if self.tries.len() >= TRIES_OF && !self.tries.contains_key(&(target, leaf)) {
            self.tries.clear();
        }
        let counted = self.tries.entry((target, leaf)).or_default();
        *counted = counted.saturating_add(1);
        *counted
    }

    fn forget_tries(&mut self, target: Target) {
        self.tries.retain(|(of, _), _| *of != target);
    }

    fn retry_later(&self, target: Target, pause: Duration, failure: &Failure) {
        // Conflicts are part of a busy day.
        if pause < Duration::from_secs(1) {
            return self.look_again_after(target, pause);
        }
        let after = match pause.as_secs() {
            1 => "a second".to_owned(),
            seconds => format!("{seconds} seconds"),
        };
        pgrx::warning!(
            "pg_durable: instance {} is tried again in {after}: {}",
            wake::instance_id(target.instance),
            failure.message
        );
        self.look_again_after(target, pause);
    }

    fn look_again_after(&self, target: Target, pause: Duration) {
        let at = clock::now() + pause.as_micros() as i64;
        wake::send(|board| board.set_timer(self.tenant, target, at, clock::now()));
    }
}
