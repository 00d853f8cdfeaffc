//! Executors that advance one instance as those of the extension do: each with its own, possibly outdated view.

use std::collections::BTreeMap;
use std::sync::Arc;

use pg_durable_graph::kind::{Leaf, NodeKind};
use pg_durable_graph::progress::{Failing, Fallout, Instant, Next, Progress, ProgressError};
use pg_durable_graph::{Failure, Graph, NodeId, NodeStatus, Outcome};

use crate::leaf::{self, Executed};
use crate::mailbox::Consumption;
use crate::random::Random;
use crate::table::{End, Refused, Table, Transaction};

/// How long a run may be.
const STEPS_MAX: usize = 500;

/// Ready work: a branch, or with `None` every branch.
#[derive(Debug, Clone, Copy)]
struct Item {
    target: Option<NodeId>,
    /// Who queued it, holding which load.
    by: Option<(usize, usize)>,
    /// It waits for something that comes last.
    parked: bool,
}

impl Item {
    fn new(target: Option<NodeId>) -> Item {
        Item { target, by: None, parked: false }
    }
}

#[derive(Default)]
struct Executor {
    held: Option<Held>,
    work: Option<Work>,
    look_again: bool,
    /// How many more steps slip through after the branch was given up.
    given_up: Option<usize>,
}

struct Held {
    progress: Progress,
    load: usize,
}

struct Work {
    item: Item,
    /// The branch under lease.
    branch: NodeId,
    next: Next,
    /// What is to be recorded in place of going on.
    failed: Option<Failing>,
}

enum After {
    Next(NodeId, Next),
    Fails(NodeId, Failure),
    Parked,
}

/// In which order things happen.
pub enum Order {
    /// One executor; the branches of a JOIN one after the other, and waits when nothing else is left.
    InTurn,
    /// Any, with duplicate work items, deaths of executors and restarts of the server.
    Random,
}

pub struct Engine {
    graph: Arc<Graph>,
    seed: u64,
    order: Order,
    random: Random,
    executors: Vec<Executor>,
    queue: Vec<Item>,
    loads: usize,
    pub table: Table,
    /// The table after each commit.
    pub history: Vec<Table>,
    /// The least span between generations.
    pub interval: Instant,
    /// How many percent of the leaves fail.
    pub failures: usize,
}

impl Engine {
    pub fn new(graph: Arc<Graph>, seed: u64, order: Order, table: Table) -> Engine {
        let count = match order {
            Order::InTurn => 1,
            Order::Random => 1 + seed as usize % 4,
        };
        Engine {
            graph,
            seed,
            order,
            random: Random::new(seed ^ 0x5eed),
            executors: (0..count).map(|_| Executor::default()).collect(),
            queue: vec![Item::new(Some(NodeId::ROOT))],
            loads: 0,
            table,
            history: Vec::new(),
            interval: 0,
            failures: 0,
        }
    }

    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Runs until an instance that nothing fails in has ended; `None` when that takes more steps than a test should.
    pub fn run(&mut self) -> Option<Outcome> {
        self.run_to_end().map(|end| match end {
            End::Completed(result) => result,
            End::Failed(node, failure) => panic!("seed {}: {node}: {failure:?}", self.seed),
        })
    }

    /// Runs until the instance has ended; `None` when that takes more steps than a test should.
    pub fn run_to_end(&mut self) -> Option<End> {
        /// How many turns may pass without a step; most are lost to disturbances.
        const PATIENCE: usize = 5_000;
        let (mut steps, mut idle) = (0, 0);
        while self.table.end.is_none() {
            if self.table.steps() > STEPS_MAX {
                return None;
            }
            idle = if self.table.steps() == steps { idle + 1 } else { 0 };
            steps = self.table.steps();
            assert!(idle < PATIENCE, "seed {}: stuck", self.seed);
            self.turn();
        }
        self.table.end.clone()
    }

    /// Goes on for a while with what executors, queues and old views have left behind an end.
    pub fn run_on(&mut self) {
        let is_idle = |engine: &Engine| engine.executors.iter().all(|one| one.work.is_none());
        for _ in 0..80 {
            if self.queue.is_empty() && is_idle(self) {
                self.queue.push(Item::new(Some(NodeId::ROOT)));
            }
            self.turn();
        }
    }

    fn turn(&mut self) {
        if matches!(self.order, Order::Random) {
            self.disturb();
        }
        // Each turn takes some time.
        self.table.now += 1;
        let slot = self.random.below(self.executors.len());
        if self.executors[slot].work.is_some() {
            self.step(slot);
        } else if !self.queue.is_empty() {
            self.take(slot);
        } else {
            assert!(self.executors.iter().any(|one| one.work.is_some()), "seed {}: stuck", self.seed);
        }
    }

    fn disturb(&mut self) {
        if self.random.one_in(60) {
            let branch = self.graph.branch(NodeId(self.random.below(self.graph.len()) as u32));
            let target = (!self.random.one_in(3)).then_some(branch);
            self.queue.push(Item::new(target));
        }
        if self.random.one_in(80) {
            let slot = self.random.below(self.executors.len());
            let executor = std::mem::take(&mut self.executors[slot]);
            if let Some(work) = executor.work {
                self.queue.push(Item::new(Some(work.branch)));
            }
        }
        if self.random.one_in(400) {
            // A server that has crashed.
            self.executors.iter_mut().for_each(|executor| *executor = Executor::default());
            self.queue = vec![Item::new(Some(NodeId::ROOT))];
        }
    }

    fn holder(&self, branch: NodeId, except: usize) -> Option<usize> {
        let holds = |one: &Executor| one.work.as_ref().is_some_and(|work| work.branch == branch);
        self.executors.iter().enumerate().position(|(slot, one)| slot != except && holds(one))
    }

    fn take(&mut self, slot: usize) {
        let place = match self.order {
            // Not in the order in which the waits were reached: a restart may change that.
            Order::InTurn => {
                let ready = self.queue.iter().position(|item| !item.parked);
                ready
                    .or_else(|| (0..self.queue.len()).min_by_key(|place| self.queue[*place].target))
                    .expect("there is work")
            }
            Order::Random => self.random.below(self.queue.len()),
        };
        let item = self.queue.remove(place);
        if let Some(holder) = item.target.and_then(|target| self.holder(target, slot)) {
            self.executors[holder].look_again = true;
            return;
        }
        let held = self.executors[slot].held.take();
        let held = held.filter(|held| item.by == Some((slot, held.load)));
        let is_fresh = held.is_none();
        let mut held = held.unwrap_or_else(|| {
            self.loads += 1;
            let progress = Progress::new(self.graph.clone(), self.table.load(), self.interval, self.seed);
            Held { progress, load: self.loads }
        });
        let progress = &mut held.progress;
        let branch = item.target.unwrap_or(NodeId::ROOT);
        let mut next = Ok(Next::Finished(Arc::default()));
        if is_fresh || branch == NodeId::ROOT {
            next = progress.resume(self.table.now);
        }
        if branch != NodeId::ROOT {
            // Where the walk cannot pass, whoever finds that says so: the one who came there may be gone.
            let is_stopped = is_fresh && next.is_err();
            if !progress.is_live(branch) && !is_stopped {
                // What an old view leaves over is not all: others may rely on whoever takes this item.
                if !is_fresh {
                    self.queue.push(Item::new(item.target));
                    return;
                }
                let seed = self.seed;
                for branch in progress.take_others() {
                    // Or those who take them would only pass them on.
                    assert!(progress.is_live(branch), "seed {seed}: {branch} is passed on and not live");
                    self.queue.push(Item::new(Some(branch)));
                }
                self.executors[slot].held = Some(held);
                return;
            }
            drop(progress.take_frontier());
            if progress.is_live(branch) {
                next = progress.resume_branch(branch, self.table.now);
            }
        }
        self.executors[slot].held = Some(held);
        let going = next.clone().unwrap_or(Next::BranchCompleted(branch));
        self.executors[slot].work = Some(Work { item, branch, next: going, failed: None });
        let after = self.transact(|engine, transaction| engine.settle(slot, branch, next, transaction));
        self.follow(slot, after);
    }

    fn transact(
        &mut self,
        work: impl FnOnce(&mut Engine, &mut Transaction) -> After,
    ) -> Result<After, Refused> {
        let mut transaction = Transaction::default();
        let after = work(self, &mut transaction);
        let changes = !transaction.writes.is_empty();
        self.table.commit(transaction)?;
        if changes && matches!(self.order, Order::InTurn) {
            self.history.push(self.table.clone());
        }
        Ok(after)
    }

    fn follow(&mut self, slot: usize, after: Result<After, Refused>) {
        match after {
            Ok(After::Next(branch, next)) => {
                let others: Vec<NodeId> = self.progress(slot).take_abandoned();
                for other in 0..self.executors.len() {
                    let executor = &mut self.executors[other];
                    if let Some(work) = &executor.work
                        && other != slot
                        && others.iter().any(|root| self.graph.is_within(work.branch, *root))
                    {
                        executor.given_up = Some(self.random.below(2));
                    }
                }
                let work = self.executors[slot].work.as_mut().expect("it has work");
                work.next = next;
                if work.branch != branch && !self.exchange(slot, branch) {
                    self.let_go(slot);
                }
            }
            Ok(After::Fails(node, failure)) => {
                let began = self.table.now;
                let progress = self.progress(slot);
                let (generation, attempts) = (progress.generation(node), progress.failed_attempts(node));
                let work = self.executors[slot].work.as_mut().expect("it has work");
                work.failed = Some(Failing { node, generation, attempts, failure, began });
            }
            Ok(After::Parked) => {
                let branch = self.let_go(slot).branch;
                self.queue.push(Item { parked: true, ..Item::new(Some(branch)) });
            }
            Err(Refused) => self.look_at_the_table(slot),
        }
    }

    /// What this executor knows is outdated.
    fn look_at_the_table(&mut self, slot: usize) {
        let work = self.let_go(slot);
        self.executors[slot].held = None;
        self.queue.push(Item { by: None, parked: false, ..work.item });
    }

    /// Gets the lease of another branch in exchange. The extension does that only where a leaf is next, and sets a timer for
    /// the branch where it is to pause.
    fn exchange(&mut self, slot: usize, branch: NodeId) -> bool {
        let next = &self.executors[slot].work.as_ref().expect("it has work").next;
        if !matches!(next, Next::Run(_) | Next::Pause { .. }) {
            return true;
        }
        if let Some(holder) = self.holder(branch, slot) {
            self.executors[holder].look_again = true;
            return false;
        }
        let executor = &mut self.executors[slot];
        let work = executor.work.as_mut().expect("it has work");
        if std::mem::take(&mut executor.look_again) {
            self.queue.push(Item::new(Some(work.branch)));
        }
        work.branch = branch;
        true
    }

    fn let_go(&mut self, slot: usize) -> Work {
        let executor = &mut self.executors[slot];
        let work = executor.work.take().expect("it has work");
        executor.given_up = None;
        if std::mem::take(&mut executor.look_again) {
            self.queue.push(Item::new(Some(work.branch)));
        }
        work
    }

    fn step(&mut self, slot: usize) {
        let work = self.executors[slot].work.as_mut().expect("it has work");
        if let Some(failed) = work.failed.take() {
            return self.record_failure(slot, failed);
        }
        let (branch, now) = (work.branch, self.table.now);
        match work.next.clone() {
            Next::Run(leaf) => {
                match &mut self.executors[slot].given_up {
                    Some(0) => return self.look_at_the_table(slot),
                    Some(left) => *left -= 1,
                    None => {}
                }
                if matches!(self.order, Order::Random) && self.random.one_in(20) {
                    let load = self.executors[slot].held.as_ref().expect("it holds the instance").load;
                    self.let_go(slot);
                    self.queue.push(Item { by: Some((slot, load)), ..Item::new(Some(branch)) });
                    return;
                }
                let after = match self.progress(slot).check_deadline(leaf, now) {
                    Ok(()) => self.carry_out(slot, leaf),
                    Err(error) => Ok(After::Fails(error.node(), error.into())),
                };
                self.follow(slot, after);
            }
            Next::Pause { node, until } => {
                if until > now {
                    self.let_go(slot);
                    self.queue.push(Item::new(Some(branch)));
                    return;
                }
                let next = self.progress(slot).end_pause(node, now);
                let after =
                    self.transact(|engine, transaction| engine.settle(slot, branch, next, transaction));
                self.follow(slot, after);
            }
            Next::Spawn { node, .. } => {
                let load = self.executors[slot].held.as_ref().expect("it holds the instance").load;
                let frontier = self.progress(slot).take_frontier();
                let below = frontier.into_iter().filter(|(branch, _)| self.graph.is_within(*branch, node));
                let items: Vec<Item> = below
                    .map(|(branch, _)| Item { by: Some((slot, load)), ..Item::new(Some(branch)) })
                    .collect();
                self.queue.splice(0..0, items);
                self.let_go(slot);
            }
            Next::BranchCompleted(root) => {
                let parent = self.graph.parent(root).unwrap_or(NodeId::ROOT);
                let outer = self.graph.branch(parent);
                self.let_go(slot);
                let is_sibling = |branch| branch != outer && self.graph.is_within(branch, parent);
                let mut running = self.executors.iter().filter_map(|one| one.work.as_ref());
                let mut queued = self.queue.iter().filter_map(|item| item.target);
                if running.any(|work| is_sibling(work.branch)) || queued.any(is_sibling) {
                    return;
                }
                match self.holder(outer, slot) {
                    Some(holder) => self.executors[holder].look_again = true,
                    None => self.queue.push(Item::new(Some(outer))),
                }
            }
            Next::Finished(_) | Next::Failed { .. } => {
                self.let_go(slot);
            }
        }
    }

    fn progress(&mut self, slot: usize) -> &mut Progress {
        &mut self.executors[slot].held.as_mut().expect("it holds the instance").progress
    }

    fn carry_out(&mut self, slot: usize, leaf: NodeId) -> Result<After, Refused> {
        let graph = self.graph.clone();
        let branch = graph.branch(leaf);
        let nth = self.table.count(leaf);
        let (seed, now) = (self.seed, self.table.now);
        let view = leaf::view(self.progress(slot).bindings(branch).expect("the branch is live"));
        if let Some(failure) = leaf::failure(&graph, seed, leaf, nth, self.failures) {
            return Ok(After::Fails(leaf, failure));
        }
        let effect = Some(Executed { leaf, nth, view });
        match graph.kind(leaf) {
            NodeKind::Leaf(waiting) if waiting.wait().is_some() => {
                let effect = Some(Executed { leaf, nth, view: BTreeMap::new() });
                let work = self.executors[slot].work.as_mut().expect("it has work");
                let parks = match self.order {
                    Order::InTurn => !std::mem::take(&mut work.item.parked),
                    Order::Random => self.random.one_in(2),
                };
                if parks {
                    return Ok(After::Parked);
                }
                self.transact(|engine, transaction| {
                    transaction.effect = effect;
                    transaction.consumes = Some(Consumption::by(engine.progress(slot), leaf));
                    let next = engine.progress(slot).complete(leaf, leaf::waited(leaf, nth), now);
                    engine.settle(slot, branch, next, transaction)
                })
            }
            NodeKind::Leaf(end) if end.breaks() => self.transact(|engine, transaction| {
                let next = engine.progress(slot).complete_break(leaf, leaf::broke(leaf, nth), now);
                // One that no LOOP encloses has none.
                transaction.effect =
                    effect.filter(|_| !next.as_ref().is_err_and(|error| error.node() == leaf));
                engine.write(slot, branch, transaction);
                let outer = graph.enclosing_loop(leaf).map_or(NodeId::ROOT, |outer| graph.branch(outer));
                engine.settle(slot, outer, next, transaction)
            }),
            NodeKind::Leaf(Leaf::Fail(fail)) => {
                Ok(After::Fails(leaf, fail.failure(fail.message.clone(), None)))
            }
            NodeKind::Leaf(_) => self.transact(|engine, transaction| {
                transaction.effect = effect;
                let next = engine.progress(slot).complete(leaf, leaf::rows(seed, leaf, nth), now);
                engine.settle(slot, branch, next, transaction)
            }),
            NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_)
            | NodeKind::Retry(_)
            | NodeKind::Catch(_)
            | NodeKind::Timeout(_) => unreachable!("only leaves are run"),
        }
    }

    fn write(&mut self, slot: usize, branch: NodeId, transaction: &mut Transaction) {
        let progress = self.progress(slot);
        for node in progress.take_writes(branch) {
            transaction.writes.push((node, progress.state(node).clone()));
        }
    }

    /// Records a failure as whoever comes first of several: with a look at the rows as they are.
    fn record_failure(&mut self, slot: usize, failing: Failing) {
        self.loads += 1;
        let progress = Progress::new(self.graph.clone(), self.table.load(), self.interval, self.seed);
        self.executors[slot].held = Some(Held { progress, load: self.loads });
        let (tried, now) = (failing.node, self.table.now);
        let Some(Fallout { node, branch, next }) = self.progress(slot).fail(failing, now) else {
            return self.look_at_the_table(slot);
        };
        let after = self.transact(|engine, transaction| {
            transaction.failed = Some(node);
            for around in engine.progress(slot).branches_to(node) {
                engine.write(slot, around, transaction);
            }
            engine.settle(slot, branch, next, transaction)
        });
        if node != tried {
            // What was to be recorded has yet to be.
            let work = self.executors[slot].work.as_ref().expect("it has work");
            self.queue.push(Item { by: None, parked: false, ..work.item });
        }
        self.follow(slot, after);
    }

    fn settle(
        &mut self,
        slot: usize,
        branch: NodeId,
        next: Result<Next, ProgressError>,
        transaction: &mut Transaction,
    ) -> After {
        let after = self.walk_on(slot, branch, next, transaction);
        transaction.gives_up = self.progress(slot).take_given_up();
        after
    }

    fn walk_on(
        &mut self,
        slot: usize,
        branch: NodeId,
        next: Result<Next, ProgressError>,
        transaction: &mut Transaction,
    ) -> After {
        let (mut branch, mut next) = (branch, next);
        let now = self.table.now;
        loop {
            self.write(slot, branch, transaction);
            let known = match next {
                Ok(next) => next,
                Err(error) => return After::Fails(error.node(), error.into()),
            };
            match known {
                Next::BranchCompleted(root) => {
                    let parent = self.graph.parent(root).unwrap_or(NodeId::ROOT);
                    next = match self.progress(slot).complete_branches(root, now).transpose() {
                        Some(next) => next,
                        None => return After::Next(branch, Next::BranchCompleted(root)),
                    };
                    branch = self.graph.branch(parent);
                }
                Next::Run(leaf) => {
                    let is_wait = self.graph.kind(leaf).waits();
                    if is_wait && self.progress(slot).status(leaf) != NodeStatus::Running {
                        self.progress(slot).arm(leaf, Some(0));
                        self.write(slot, branch, transaction);
                    }
                    return After::Next(branch, Next::Run(leaf));
                }
                Next::Spawn { node, branches } if self.graph.is_scope(node) => {
                    let progress = self.progress(slot);
                    drop(progress.take_frontier());
                    branch = branches[0];
                    next = progress.resume_branch(branch, now);
                }
                Next::Failed { node, failure } => {
                    transaction.end = Some(End::Failed(node, (*failure).clone()));
                    return After::Next(branch, Next::Failed { node, failure });
                }
                Next::Finished(outcome) => {
                    transaction.end = Some(End::Completed((*outcome).clone()));
                    return After::Next(branch, Next::Finished(outcome));
                }
                next @ (Next::Pause { .. } | Next::Spawn { .. }) => {
                    return After::Next(branch, next);
                }
            }
        }
    }
}
