//! How an instance moves through its graph: what is carried out next, given what the node rows say.
//!
//! `Progress` is the interpreter without any I/O. It is filled from stored node states, asked to
//! [`resume`](Progress::resume) a branch, told the outcome of each leaf, and answers with the [`Next`] thing to
//! do. What has to be stored for a restart to come to the same answer collects in
//! [`take_writes`](Progress::take_writes), and the caller commits it together with the leaf's effect.
//!
//! The walk is in this file. What the rows say is in `states`, which names the branches see in `names`, which branches may
//! be given up in `branches`, and what belongs to those that were in `passes`; each keeps its own to itself.
//!
//! # What is stored and what is derived
//! A leaf's outcome is stored. Of the inner nodes only LOOP (which generation it is in), RACE (who won), RETRY (which attempt
//! it is at) and CATCH (what its handler sees) hold facts of their own; THEN, IF and JOIN follow from their children and are written only when they bear a name,
//! because a later generation of an enclosing loop may still refer to it.
//!
//! # Generations
//! Every LOOP counts its generations in `iteration`, upwards for the life of the instance, and so does a RETRY of more than one
//! step. A node belongs to generation `iteration` of the nearest of these around it (0 outside of them), and a stored state of
//! another generation counts as not there. An executor may know an old number only, of a loop in a branch that lost a RACE, say: a LOOP's row
//! is therefore written for another generation of the loop around it only if its `iteration` grows.
//!
//! # Failure
//! A node that fails is told to [`fail`](Progress::fail), which says what follows: see `failing`. One that is stored in a
//! live branch, and that the walk comes by, was taken by nobody and ends the instance; one in a branch that was given up
//! counts for nothing. Where the walk itself cannot pass, that is a [`ProgressError`]; it becomes the failure of its node in
//! the same way.
//!
//! A scope (RETRY, CATCH) is a JOIN of one branch: what was bound in a branch that is given up is not bound behind it. Who
//! comes to a scope goes on in its branch at once.
//!
//! # Names
//! A name means what bound it last. Across generations the rows of the nodes remember that, with three helps:
//! - where several nodes of a loop bind the same name, a new generation forgets the outcomes that do not count any
//!   more, so that at most one row answers for a name;
//! - what branches of a JOIN or RACE have bound in earlier generations is copied into the row of the running LOOP,
//!   because the branches overwrite their rows while their siblings still read the old values; likewise what a named
//!   LOOP or IF on rows has bound before it was reached again;
//! - once a loop has completed, there is no such copy: what a branch that may be given up (of a RACE, or of a JOIN
//!   with a BREAK out of it) has bound in a generation before the last is unbound then.

mod branches;
mod failing;
mod kept;
mod names;
mod passes;
mod row;
mod scoped;
mod states;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use branches::Branches;
pub use failing::{Attempt, Failing, Fallout};
pub use kept::Kept;
pub use names::Bindings;
use names::Names;
pub use passes::{GivenUp, Position};
pub use row::{StateError, StateRow};
pub use scoped::{Caught, Scoped};
use states::States;
pub use states::{Fence, Held, NodeState, Own};

use crate::failure::Failure;
use crate::graph::Graph;
pub use crate::instant::Instant;
use crate::kind::{Condition, Join, NodeKind, Race, Retry, Timeout};
use crate::node_id::NodeId;
use crate::outcome::Outcome;
use crate::status::NodeStatus;
use crate::truth;

/// What an instance does next in the branch that was asked about.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Carry out this leaf.
    Run(NodeId),
    /// Wait until then: an endless loop that never waits by itself is being held back, or what has failed is tried again.
    Pause {
        /// The LOOP or RETRY, or the leaf.
        node: NodeId,
        /// When its next generation or attempt may start.
        until: Instant,
    },
    /// A JOIN, RACE or scope is under way; these branches of it have not completed.
    Spawn {
        /// The JOIN, RACE or scope.
        node: NodeId,
        /// The roots of the branches to be carried out.
        branches: Vec<NodeId>,
    },
    /// The branch has completed, its siblings (as far as this process knows) have not.
    BranchCompleted(NodeId),
    /// The root has completed.
    Finished(Arc<Outcome>),
    /// A node has failed, and nothing takes its failure: the instance fails.
    Failed {
        /// The node.
        node: NodeId,
        /// Why.
        failure: Arc<Failure>,
    },
}

/// The SQLSTATE of what took too long.
const TIMED_OUT: &str = "PDT01";

/// Why progress stopped; the node and with it the instance fails.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProgressError {
    /// A BREAK that no LOOP encloses.
    #[error("df.break() was called outside of a loop. df.break() may only be used inside df.loop().")]
    BreakOutsideLoop(NodeId),
    /// `df.if_rows` on a name that nothing has bound.
    #[error("df.if_rows: result '{name}' not found")]
    ConditionNotBound {
        /// The IF.
        node: NodeId,
        /// The name it looks at.
        name: String,
    },
    /// A TIMEOUT whose body has not completed in time.
    #[error("timed out after {} s", crate::seconds::print(*.duration))]
    TimedOut {
        /// The TIMEOUT.
        node: NodeId,
        /// How long it was.
        duration: Duration,
    },
    /// `df.if_rows` on a result that has no rows to count.
    #[error("df.if_rows: result '{name}' is not a SQL result (missing row_count)")]
    ConditionNotRows {
        /// The IF.
        node: NodeId,
        /// The name it looks at.
        name: String,
    },
}

impl ProgressError {
    /// The node that fails.
    pub fn node(&self) -> NodeId {
        match self {
            ProgressError::BreakOutsideLoop(node)
            | ProgressError::TimedOut { node, .. }
            | ProgressError::ConditionNotBound { node, .. }
            | ProgressError::ConditionNotRows { node, .. } => *node,
        }
    }
}

impl From<ProgressError> for Failure {
    fn from(error: ProgressError) -> Failure {
        let sqlstate = match &error {
            ProgressError::TimedOut { .. } => TIMED_OUT,
            ProgressError::BreakOutsideLoop(_)
            | ProgressError::ConditionNotBound { .. }
            | ProgressError::ConditionNotRows { .. } => "22023",
        };
        Failure::new(sqlstate, error.to_string())
    }
}

/// The interpreter of one instance, as one process sees it.
#[derive(Debug, Clone)]
pub struct Progress {
    graph: Arc<Graph>,
    branches: Arc<Branches>,
    states: States,
    names: Names,
    /// The least span between the generations of a loop that neither waits nor can end by itself.
    loop_min_interval: Instant,
    throttled: Vec<NodeId>,
    abandoned: Vec<NodeId>,
    given_up: Vec<GivenUp>,
    attempts: Vec<Attempt>,
    /// What delays are drawn from.
    seed: u64,
    /// What each branch does next, as far as the last walk came by.
    frontier: Vec<(NodeId, Next)>,
}

/// One whose end gives up what goes on somewhere, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The RACE, LOOP, RETRY or CATCH.
    pub node: NodeId,
    /// `generation`.
    pub generation: i64,
    /// `iteration`: a higher one has given up, too.
    pub iteration: i64,
}

enum At {
    Enter(NodeId),
    Completed(NodeId),
}

enum Entered {
    At(At),
    Next(Next),
    /// A BREAK in this branch has completed this loop, which lies around the branch.
    Broke(NodeId),
}

enum Walked {
    Next(Next),
    Broke(NodeId),
}

impl Progress {
    /// An instance as its node rows describe it. `states` are in the order of the graph's nodes; delays that are drawn follow
    /// from `seed`, which is the instance's.
    pub fn new(graph: Arc<Graph>, states: Vec<NodeState>, loop_min_interval: Instant, seed: u64) -> Progress {
        let throttled = graph.throttled_loops();
        let branches = Arc::new(Branches::new(graph.clone()));
        Progress {
            branches: branches.clone(),
            states: States::new(graph.clone(), states),
            names: Names::new(graph.clone(), branches),
            graph,
            loop_min_interval,
            throttled,
            abandoned: Vec::new(),
            given_up: Vec::new(),
            attempts: Vec::new(),
            seed,
            frontier: Vec::new(),
        }
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The state of a node as it stands, which may be of an earlier generation: see [`Progress::is_current`].
    pub fn state(&self, node: NodeId) -> &NodeState {
        self.states.of(node)
    }

    /// The generation that the node belongs to now.
    pub fn generation(&self, node: NodeId) -> i64 {
        self.states.generation(node)
    }

    /// Whether the stored state is of the present generation of every LOOP and RETRY around the node.
    pub fn is_current(&self, node: NodeId) -> bool {
        self.states.is_current(node)
    }

    /// The stored status where it is current, else pending.
    pub fn status(&self, node: NodeId) -> NodeStatus {
        self.states.status(node)
    }

    /// The named results that a node of this branch sees.
    pub fn bindings(&self, branch: NodeId) -> Option<&Bindings> {
        self.names.seen(branch)
    }

    /// The nodes of `branch` whose state has changed since the last call, each once, in the order of their
    /// first change. What changed in other branches stays until they are asked for: a walk over a JOIN looks
    /// into branches that another process may be carrying out, and only their owner writes them.
    pub fn take_writes(&mut self, branch: NodeId) -> Vec<NodeId> {
        self.states.take_writes(branch)
    }

    /// The subtrees that were given up by a decided RACE or a BREAK since the last call: whoever still runs
    /// something in there is to be cancelled.
    pub fn take_abandoned(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.abandoned)
    }

    /// What [`take_abandoned`](Self::take_abandoned) would give.
    pub fn abandoned(&self) -> &[NodeId] {
        &self.abandoned
    }

    /// Those whose end, or next attempt, gives up what goes on at a node.
    pub fn guards(&self, node: NodeId) -> Vec<Guard> {
        let guard = |at| Guard {
            node: at,
            generation: self.generation(at),
            iteration: if self.is_current(at) { self.state(at).own.number() } else { 0 },
        };
        self.branches.guards(node).into_iter().map(guard).collect()
    }

    /// What the branches that were come by since the last call do next: a leaf, a pause, or the end of all.
    pub fn take_frontier(&mut self) -> Vec<(NodeId, Next)> {
        std::mem::take(&mut self.frontier)
    }

    /// The branches that go on in place of one that is not under way any more, after a [`resume`](Self::resume). Where the
    /// walk has found something that the root's owner has yet to write, that is the root alone: those behind it are not live
    /// before, and who takes one of them would find the same.
    pub fn take_others(&mut self) -> Vec<NodeId> {
        let goes_on = |next: &Next| {
            // Of one that pauses, who was about to set its timer may be gone.
            matches!(next, Next::Run(_) | Next::Pause { .. } | Next::Finished(_))
        };
        let frontier = self.take_frontier();
        if self.has_writes(NodeId::ROOT) {
            return vec![NodeId::ROOT];
        }
        frontier.into_iter().filter(|(_, next)| goes_on(next)).map(|(branch, _)| branch).collect()
    }

    /// Whether `branch` is still to be carried out: the JOINs and RACEs that lead to it are under way, it has not failed beside
    /// them, and those who carry out the branches around it have written so.
    /// Call [`Progress::resume`] on the root first.
    pub fn is_live(&self, branch: NodeId) -> bool {
        let is_written = |at: NodeId| !self.has_writes(self.graph.branch(at));
        branch == NodeId::ROOT
            || self.names.seen(branch).is_some()
                && !self.has_failed(branch)
                && self.branches.parents(branch).all(is_written)
    }

    /// Whether [`take_writes`](Self::take_writes) would name a node.
    pub fn has_writes(&self, branch: NodeId) -> bool {
        self.states.has_writes(branch)
    }

    /// Walks the whole graph from its root over what has completed and says what the root branch does next.
    /// A JOIN or RACE that is under way is answered with its unfinished branches.
    ///
    /// `now`, here and below, is on the clock that `wake_at` is measured with: there is no other.
    pub fn resume(&mut self, now: Instant) -> Result<Next, ProgressError> {
        self.states.drop_stale_writes();
        self.names.close_all();
        self.frontier.clear();
        let next = self.walk_branch(NodeId::ROOT, now)?;
        self.note_frontier(NodeId::ROOT, &next);
        Ok(next)
    }

    fn walk_to_frontier(&mut self, branch: NodeId, now: Instant) -> Result<Next, ProgressError> {
        let passed = self.frontier.len();
        let next = self.walk_branch(branch, now)?;
        if matches!(next, Next::Spawn { .. }) && self.has_writes(branch) {
            // Its own branches wait for what leads to them to be written: what they bind must not change a decision
            // that nobody has stored.
            self.frontier.truncate(passed + 1);
            self.frontier.last_mut().into_iter().for_each(|(first, _)| *first = branch);
        }
        self.note_frontier(branch, &next);
        Ok(next)
    }

    fn note_frontier(&mut self, branch: NodeId, next: &Next) {
        if matches!(next, Next::Run(_) | Next::Pause { .. } | Next::Finished(_)) {
            self.frontier.push((branch, next.clone()));
        }
    }

    /// What `branch` does next; its bindings are those of the moment at which its JOIN or RACE was reached.
    pub fn resume_branch(&mut self, branch: NodeId, now: Instant) -> Result<Next, ProgressError> {
        self.states.drop_stale_writes();
        self.walk_branch(branch, now)
    }

    /// Records the outcome of a leaf and says what its branch does next.
    pub fn complete(&mut self, leaf: NodeId, outcome: Outcome, now: Instant) -> Result<Next, ProgressError> {
        self.states.complete(leaf, Arc::new(outcome));
        self.go_on(At::Completed(leaf), self.graph.branch(leaf), now)
    }

    /// Records that a BREAK was reached with this value: the nearest loop completes.
    pub fn complete_break(
        &mut self,
        leaf: NodeId,
        value: Value,
        now: Instant,
    ) -> Result<Next, ProgressError> {
        let outer = self.graph.enclosing_loop(leaf).ok_or(ProgressError::BreakOutsideLoop(leaf))?;
        let outcome = Arc::new(Outcome::plain(value));
        self.states.complete(leaf, outcome.clone());
        self.bind(leaf, self.graph.branch(leaf));
        let (inner, branch) = (self.graph.branch(leaf), self.graph.branch(outer));
        if inner != branch {
            self.give_up_beside(leaf, outer);
            self.decide_by_break(leaf, outer);
            self.names.go_on_with(inner, outer, branch);
            self.abandoned.push(outer);
        }
        let at = self.complete_loop(outer, outcome, branch);
        self.go_on(at, branch, now)
    }

    /// Records that a wait has begun.
    pub fn arm(&mut self, leaf: NodeId, wake_at: Option<Instant>) {
        self.states.arm(leaf, wake_at);
    }

    /// Ends the pause of a node and says what its branch does next.
    pub fn end_pause(&mut self, node: NodeId, now: Instant) -> Result<Next, ProgressError> {
        let entry = match self.graph.kind(node) {
            NodeKind::Loop(repeat) => repeat.body,
            NodeKind::Leaf(_)
            | NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Retry(_)
            | NodeKind::Catch(_)
            | NodeKind::Timeout(_) => node,
        };
        self.go_on(At::Enter(entry), self.graph.branch(node), now)
    }

    /// Goes on behind a JOIN, RACE or scope when, as far as this process knows, its branches have decided it.
    /// `None` while they have not. The caller owns the branch that the node stands in.
    pub fn complete_branches(&mut self, branch: NodeId, now: Instant) -> Result<Option<Next>, ProgressError> {
        let Some(parent) = self.graph.parent(branch) else { return Ok(None) };
        let outer = self.graph.branch(parent);
        match self.graph.kind(parent).clone() {
            NodeKind::Race(race) => {
                let winner = race.branches.iter().position(|&root| root == branch).unwrap_or_default();
                self.decide_race(parent, winner, &race, outer);
            }
            NodeKind::Join(join) => {
                let is_over =
                    |&root: &NodeId| self.is_completed(root) || join.settles && self.has_failed(root);
                if !join.branches.iter().all(is_over) {
                    return Ok(None);
                }
                self.merge_join(parent, &join, outer);
            }
            NodeKind::Retry(_) | NodeKind::Catch(_) | NodeKind::Timeout(_) => {
                if !self.is_active(parent, branch) {
                    return Ok(None);
                }
                self.complete_scope(parent, branch, outer);
            }
            NodeKind::Leaf(_) | NodeKind::Then(_) | NodeKind::If(_) | NodeKind::Loop(_) => return Ok(None),
        }
        self.go_on(At::Completed(parent), outer, now).map(Some)
    }

    /// Whether a node is known to have completed in its present generation.
    pub fn is_completed(&self, node: NodeId) -> bool {
        self.states.is_completed(node)
    }

    /// The inner nodes that have completed without being written, because their completion follows from their
    /// children. The one who ends an instance writes them, for readers of the table; not the scopes, of which one around each
    /// step would cost as much as the step's own row.
    pub fn derived(&self) -> Vec<NodeId> {
        self.graph
            .iter()
            .filter(|(id, node)| {
                let is_unwritten = node.kind.is_derived() && node.result_name.is_none();
                is_unwritten && !node.kind.is_scope() && self.is_completed(*id)
            })
            .map(|(id, _)| id)
            .collect()
    }

    /// Walks a branch from its root.
    fn walk_branch(&mut self, branch: NodeId, now: Instant) -> Result<Next, ProgressError> {
        self.open(branch);
        self.go_on(At::Enter(branch), branch, now)
    }

    fn go_on(&mut self, at: At, branch: NodeId, now: Instant) -> Result<Next, ProgressError> {
        Ok(match self.advance(at, branch, now)? {
            Walked::Next(next) => next,
            // Asked about a branch that is not live.
            Walked::Broke(_) => Next::BranchCompleted(branch),
        })
    }

    fn advance(&mut self, mut at: At, stop: NodeId, now: Instant) -> Result<Walked, ProgressError> {
        loop {
            at = match at {
                At::Enter(node) => match self.enter(node, stop, now)? {
                    Entered::At(at) => at,
                    Entered::Next(next) => return Ok(Walked::Next(next)),
                    Entered::Broke(outer) => return Ok(Walked::Broke(outer)),
                },
                At::Completed(node) => {
                    self.bind(node, stop);
                    if node == stop {
                        return Ok(Walked::Next(match self.graph.parent(node) {
                            None => Next::Finished(self.states.outcome(node)),
                            Some(_) => Next::BranchCompleted(node),
                        }));
                    }
                    match self.leave(node, stop, now) {
                        Entered::At(at) => at,
                        Entered::Next(next) => return Ok(Walked::Next(next)),
                        Entered::Broke(outer) => return Ok(Walked::Broke(outer)),
                    }
                }
            }
        }
    }

    /// Steps into a node that may have been carried out already.
    fn enter(&mut self, node: NodeId, branch: NodeId, now: Instant) -> Result<Entered, ProgressError> {
        let graph = self.graph.clone();
        if let Some(failure) = self.states.failure(node) {
            return Ok(Entered::Next(Next::Failed { node, failure: failure.clone() }));
        }
        Ok(match graph.kind(node) {
            NodeKind::Leaf(leaf) if leaf.breaks() && self.is_completed(node) => {
                self.bind(node, branch);
                let outer = graph.enclosing_loop(node).ok_or(ProgressError::BreakOutsideLoop(node))?;
                self.leave_loop(outer, branch)
            }
            NodeKind::Leaf(_) => {
                if self.failed_attempts(node) > 0 {
                    self.names.recall(&self.states, node, branch);
                }
                let wake_at = graph.retry_of(node).and_then(|_| self.backing_off(node, now));
                match (self.is_completed(node), wake_at) {
                    (true, _) => Entered::At(At::Completed(node)),
                    (false, Some(until)) => Entered::Next(Next::Pause { node, until }),
                    (false, None) => Entered::Next(Next::Run(node)),
                }
            }
            NodeKind::Then(then) => Entered::At(At::Enter(then.first)),
            NodeKind::If(choice) => match &choice.condition {
                Condition::Node(condition) => Entered::At(At::Enter(*condition)),
                Condition::HasRows(name) => {
                    let has_rows = self.decide_has_rows(node, name, branch)?;
                    Entered::At(At::Enter(if has_rows { choice.then } else { choice.otherwise }))
                }
            },
            NodeKind::Loop(repeat) => match self.enter_loop(node, branch, now) {
                Some(until) => Entered::Next(Next::Pause { node, until }),
                None => Entered::At(At::Enter(repeat.body)),
            },
            NodeKind::Join(join) => match self.broken_out(node, &join.branches) {
                Some(root) => self.walk_winner(node, root, branch, now)?,
                None => self.walk_all(node, join, branch, now)?,
            },
            NodeKind::Race(race) => match self.winner(node) {
                Some(winner) => self.walk_winner(node, race.branches[winner], branch, now)?,
                None => self.walk_until_won(node, race, branch, now)?,
            },
            NodeKind::Retry(Retry { body, .. }) | NodeKind::Timeout(Timeout { body, .. })
                if !graph.is_scope(node) =>
            {
                Entered::At(At::Enter(*body))
            }
            NodeKind::Retry(_) | NodeKind::Catch(_) | NodeKind::Timeout(_) => {
                match self.enter_scope(node, branch, now) {
                    Ok(root) => self.walk_scope(node, root, branch, now)?,
                    Err(until) => Entered::Next(Next::Pause { node, until }),
                }
            }
        })
    }

    /// Steps into a LOOP; says until when it is held back.
    fn enter_loop(&mut self, node: NodeId, branch: NodeId, now: Instant) -> Option<Instant> {
        match self.status(node) {
            // Its last generation is walked once more, for the names that it has bound.
            NodeStatus::Completed => None,
            NodeStatus::Running => {
                self.names.bind_left_behind(&self.states, node, branch);
                // Once the pause is over the body may be under way, in other branches too.
                self.state(node).wake_at.filter(|&until| until > now)
            }
            NodeStatus::Pending | NodeStatus::Failed => {
                self.begin_generation(node, None, branch);
                None
            }
        }
    }

    /// Walks the branches of a JOIN.
    fn walk_all(
        &mut self,
        node: NodeId,
        join: &Join,
        branch: NodeId,
        now: Instant,
    ) -> Result<Entered, ProgressError> {
        let (mut unfinished, mut failed) = (Vec::new(), None);
        for &root in &join.branches {
            match self.walk_to_frontier(root, now)? {
                Next::BranchCompleted(_) => {}
                next @ Next::Failed { .. } => failed = failed.or(Some(next)),
                Next::Run(_) | Next::Pause { .. } | Next::Spawn { .. } | Next::Finished(_) => {
                    unfinished.push(root)
                }
            }
        }
        if let Some(failed) = failed.filter(|_| !join.settles) {
            return Ok(Entered::Next(failed));
        }
        if !unfinished.is_empty() {
            return Ok(Entered::Next(Next::Spawn { node, branches: unfinished }));
        }
        self.merge_join(node, join, branch);
        Ok(Entered::At(At::Completed(node)))
    }

    /// Walks the branches of a RACE that has not been decided, up to one that has completed.
    fn walk_until_won(
        &mut self,
        node: NodeId,
        race: &Race,
        branch: NodeId,
        now: Instant,
    ) -> Result<Entered, ProgressError> {
        let (passed, mut failed, mut unfinished) = (self.frontier.len(), None, Vec::new());
        for (number, &root) in race.branches.iter().enumerate() {
            match self.walk_to_frontier(root, now)? {
                Next::BranchCompleted(_) => {
                    self.frontier.truncate(passed);
                    self.decide_race(node, number, race, branch);
                    return Ok(Entered::At(At::Completed(node)));
                }
                next @ Next::Failed { .. } => failed = failed.or(Some(next)),
                Next::Run(_) | Next::Pause { .. } | Next::Spawn { .. } | Next::Finished(_) => {
                    unfinished.push(root);
                }
            }
        }
        // Of one to which any will do, the others may still complete.
        Ok(Entered::Next(match failed {
            Some(failed) if !race.any || unfinished.is_empty() => failed,
            Some(_) | None => Next::Spawn { node, branches: unfinished },
        }))
    }

    /// Walks the one branch of a scope that is under way.
    fn walk_scope(
        &mut self,
        node: NodeId,
        root: NodeId,
        branch: NodeId,
        now: Instant,
    ) -> Result<Entered, ProgressError> {
        if let Some(root) = self.broken_out(node, &[root]) {
            return self.walk_winner(node, root, branch, now);
        }
        Ok(match self.walk_to_frontier(root, now)? {
            Next::BranchCompleted(_) => {
                self.complete_scope(node, root, branch);
                Entered::At(At::Completed(node))
            }
            failed @ Next::Failed { .. } => Entered::Next(failed),
            Next::Run(_) | Next::Pause { .. } | Next::Spawn { .. } | Next::Finished(_) => {
                self.check_time(node, now)?;
                Entered::Next(Next::Spawn { node, branches: vec![root] })
            }
        })
    }

    /// Until when a leaf that has failed is not tried again.
    fn backing_off(&self, leaf: NodeId, now: Instant) -> Option<Instant> {
        let is_tried_again = self.status(leaf) == NodeStatus::Running;
        self.state(leaf).wake_at.filter(|&until| is_tried_again && until > now)
    }

    /// The branch of these in which a BREAK has completed a loop around all of a node.
    fn broken_out(&self, node: NodeId, branches: &[NodeId]) -> Option<NodeId> {
        let root_of = |end| branches.iter().copied().find(|&root| self.graph.is_within(end, root));
        self.branches.breaks_out(node).filter(|&end| self.is_completed(end)).find_map(root_of)
    }

    /// Walks the one branch that counts, of a RACE that has been decided or a JOIN that a BREAK has left.
    fn walk_winner(
        &mut self,
        node: NodeId,
        root: NodeId,
        branch: NodeId,
        now: Instant,
    ) -> Result<Entered, ProgressError> {
        self.open(root);
        let passed = self.frontier.len();
        let walked = self.advance(At::Enter(root), root, now)?;
        // Whatever its rows say, nothing in there goes on.
        self.frontier.truncate(passed);
        self.names.go_on_with(root, node, branch);
        Ok(match walked {
            Walked::Next(_) => Entered::At(At::Completed(node)),
            Walked::Broke(outer) => self.leave_loop(outer, branch),
        })
    }

    /// Steps out of a loop that had completed before.
    fn leave_loop(&mut self, node: NodeId, branch: NodeId) -> Entered {
        if self.graph.branch(node) == branch {
            self.names.bind_left_behind(&self.states, node, branch);
            Entered::At(At::Completed(node))
        } else {
            Entered::Broke(node)
        }
    }

    /// Steps out of a completed node towards its parent.
    fn leave(&mut self, node: NodeId, branch: NodeId, now: Instant) -> Entered {
        let graph = self.graph.clone();
        let Some(parent) = graph.parent(node) else { return Entered::At(At::Completed(node)) };
        Entered::At(match graph.kind(parent) {
            NodeKind::Then(then) if node == then.first => At::Enter(then.next),
            NodeKind::Then(_) => {
                self.derive_completed(parent, self.states.outcome(node));
                At::Completed(parent)
            }
            NodeKind::If(choice) if choice.condition == Condition::Node(node) => {
                let is_true = truth::outcome_is_true(&self.states.outcome(node));
                At::Enter(if is_true { choice.then } else { choice.otherwise })
            }
            NodeKind::If(_) => {
                self.derive_completed(parent, self.states.outcome(node));
                At::Completed(parent)
            }
            NodeKind::Loop(repeat) => {
                let wants_more = match repeat.condition {
                    Some(condition) if node == repeat.body => return Entered::At(At::Enter(condition)),
                    _ if self.is_completed(parent) => return self.leave_loop(parent, branch),
                    Some(_) => truth::outcome_is_true(&self.states.outcome(node)),
                    None => true,
                };
                if !wants_more {
                    self.complete_loop(parent, self.states.outcome(repeat.body), branch)
                } else if self.throttled.contains(&parent) {
                    // The generation began when the pause before it ended; the first one's start is not known.
                    let began_at = self.state(parent).wake_at.unwrap_or(now);
                    let until = began_at.saturating_add(self.loop_min_interval).max(now);
                    self.begin_generation(parent, Some(until), branch);
                    return Entered::Next(Next::Pause { node: parent, until });
                } else {
                    self.begin_generation(parent, None, branch);
                    At::Enter(repeat.body)
                }
            }
            NodeKind::Retry(_) | NodeKind::Timeout(_) if !graph.is_scope(parent) => {
                self.derive_completed(parent, self.states.outcome(node));
                At::Completed(parent)
            }
            // The roots of branches are where `advance` stops, so it never leaves them from inside.
            NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Retry(_)
            | NodeKind::Catch(_)
            | NodeKind::Timeout(_) => {
                return Entered::Next(Next::BranchCompleted(branch));
            }
            NodeKind::Leaf(_) => unreachable!("a leaf has no children"),
        })
    }

    fn begin_generation(&mut self, node: NodeId, wake_at: Option<Instant>, branch: NodeId) {
        let is_first = self.status(node) != NodeStatus::Running;
        let kept = self.names.keep_for_loop(&self.states, node, branch);
        self.states.begin_generation(node, kept, wake_at);
        // Where the loop begins anew in a branch that may have been given up before, its rows may be those of what did
        // not count; what does count the row of the loop around the branch knows.
        let outer = self.graph.enclosing_count(node);
        let distrusts = outer.is_some_and(|outer| {
            matches!(self.graph.kind(outer), NodeKind::Retry(_)) || self.branches.may_be_given_up(node, outer)
        });
        self.forget_superseded(node, branch, is_first && distrusts);
    }

    fn complete_loop(&mut self, node: NodeId, outcome: Arc<Outcome>, branch: NodeId) -> At {
        self.states.complete_loop(node, outcome);
        self.forget_superseded(node, branch, false);
        if self.names.are_bound_in_vain(node) {
            // What those have bound before the last generation is unbound now. A walk over the rows finds out.
            self.open(branch);
            At::Enter(branch)
        } else {
            At::Completed(node)
        }
    }

    /// Forgets the outcomes inside a loop that a later one of the same name has superseded, or, where the rows may
    /// be those of a branch that was given up, all of them.
    fn forget_superseded(&mut self, outer: NodeId, branch: NodeId, all: bool) {
        for node in self.names.superseded(&self.states, outer, branch, all) {
            self.states.forget(node, branch);
        }
    }

    fn merge_join(&mut self, node: NodeId, join: &Join, outer: NodeId) {
        let outcome = if join.settles {
            let end_of = |&root: &NodeId| match self.states.failure(root) {
                Some(failure) => Err(failure.clone()),
                None => Ok(self.states.outcome(root)),
            };
            Outcome::settled(&join.branches.iter().map(end_of).collect::<Vec<_>>())
        } else {
            let results: Vec<_> = join.branches.iter().map(|&root| self.states.outcome(root)).collect();
            Outcome::of_branches(results.iter().map(Arc::as_ref))
        };
        // What has failed has bound nothing.
        let completed: Vec<NodeId> =
            join.branches.iter().copied().filter(|&root| !self.has_failed(root)).collect();
        self.names.merge(&completed, outer);
        self.names.end_within(node);
        self.derive_completed(node, Arc::new(outcome));
    }

    fn decide_race(&mut self, node: NodeId, winner: usize, race: &Race, outer: NodeId) {
        let root = race.branches[winner];
        self.names.go_on_with(root, node, outer);
        self.states.complete_race(node, winner, race.won_by(winner, self.states.outcome(root)));
        let others = race.branches.iter().copied().filter(|&other| other != root);
        self.give_up(node, others.clone());
        self.abandoned.extend(others);
    }

    /// A BREAK out of a branch of a RACE decides it, lest another branch win as well, and one out of a scope leaves that, lest
    /// a branch fail: whoever comes second is refused.
    fn decide_by_break(&mut self, leaf: NodeId, outer: NodeId) {
        let graph = self.graph.clone();
        let mut branch = graph.branch(leaf);
        while let Some(parent) = graph.parent(branch).filter(|&parent| outer < parent) {
            if let NodeKind::Race(race) = graph.kind(parent) {
                let winner = race.branches.iter().position(|&root| root == branch).unwrap_or_default();
                // The owner of its branch is out of work: the loop's writes it.
                self.states.decide_by_break(parent, winner, graph.branch(outer));
            }
            let has_time = matches!(graph.kind(parent), NodeKind::Timeout(_));
            if graph.is_scope(parent) && (has_time || graph.has_branches_within(branch)) {
                self.states.leave_by_break(parent, graph.branch(outer));
            }
            if self.branches.ends_in_row(branch) {
                self.states.leave_by_break(branch, graph.branch(outer));
            }
            branch = graph.branch(parent);
        }
    }

    /// A node has completed whose completion follows from its children's.
    fn derive_completed(&mut self, node: NodeId, outcome: Arc<Outcome>) {
        self.states.derive_completed(node, outcome, self.branches.ends_in_row(node));
    }

    /// Whether a node has failed in its present generation.
    pub(super) fn has_failed(&self, node: NodeId) -> bool {
        self.states.failure(node).is_some()
    }

    /// Decides an IF on rows once for each generation: later in the same generation the name may be bound anew,
    /// so that a second look after a restart could take the other branch.
    fn decide_has_rows(&mut self, node: NodeId, name: &str, branch: NodeId) -> Result<bool, ProgressError> {
        if let Some(has_rows) = self.decision(node) {
            self.names.recall(&self.states, node, branch);
            return Ok(has_rows);
        }
        let has_rows = self.has_rows(node, name, branch)?;
        let kept = self.names.keep_own(node, branch);
        self.states.decide(node, has_rows, kept);
        Ok(has_rows)
    }

    /// Which branch has decided a RACE in its present generation.
    fn winner(&self, node: NodeId) -> Option<usize> {
        match self.state(node).own {
            Own::Winner(winner) => Some(winner).filter(|_| self.states.is_current(node)),
            Own::Nothing | Own::Count(_) | Own::Attempts(_) | Own::Handler | Own::Decision(_) => None,
        }
    }

    /// How an IF on rows was decided in its present generation.
    fn decision(&self, node: NodeId) -> Option<bool> {
        match self.state(node).own {
            Own::Decision(has_rows) => Some(has_rows).filter(|_| self.states.is_current(node)),
            Own::Nothing | Own::Count(_) | Own::Attempts(_) | Own::Handler | Own::Winner(_) => None,
        }
    }

    fn has_rows(&self, node: NodeId, name: &str, branch: NodeId) -> Result<bool, ProgressError> {
        let bound = self.bindings(branch).and_then(|bindings| bindings.get(name));
        let outcome =
            bound.ok_or_else(|| ProgressError::ConditionNotBound { node, name: name.to_owned() })?;
        let rows = outcome.value.get("row_count").and_then(|_| outcome.value.get("rows")?.as_array());
        rows.map(|rows| !rows.is_empty())
            .ok_or_else(|| ProgressError::ConditionNotRows { node, name: name.to_owned() })
    }

    fn bind(&mut self, node: NodeId, branch: NodeId) {
        self.names.bind(&self.states, node, branch);
    }
}
