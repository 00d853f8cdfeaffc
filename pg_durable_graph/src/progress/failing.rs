//! What follows a failure: it travels up the graph until a scope takes it.
//!
//! The leaf that is all of a RETRY is tried again in its own row. Any other failure is stored in the row of its node; a RETRY
//! around it begins another generation of its body, a CATCH its handler, a LOOP that goes on after failures its next
//! generation, and a JOIN that waits for all, or a RACE to which any will do, takes it as the end of one branch. Where none
//! does, the instance fails. What
//! lies between the node and the scope is given up: what its branches have consumed is to be had again by another attempt,
//! while a handler, which sees what the body had bound, has what the body had consumed, too.
//!
//! Where branches of a body may fail and complete at the same moment, the row of the scope decides: both write it, and its
//! fence refuses who comes second. For one branch of a JOIN or RACE it is the row of the branch's root.

use std::sync::Arc;

use super::scoped::{Caught, Scoped};
use super::states::Own;
use super::{Next, Progress, ProgressError};
use crate::failure::Failure;
use crate::instant::Instant;
use crate::kind::{Catch, Failed, NodeKind, Retry};
use crate::node_id::NodeId;
use crate::status::NodeStatus;

/// A node that has failed, or that the walk could not pass.
#[derive(Debug, Clone)]
pub struct Failing {
    /// The node.
    pub node: NodeId,
    /// The generation that it was carried out in.
    pub generation: i64,
    /// How many attempts at it had failed before.
    pub attempts: i64,
    /// Why.
    pub failure: Failure,
    /// When this attempt at it began.
    pub began: Instant,
}

/// What a failure led to.
#[derive(Debug)]
pub struct Fallout {
    /// The node that has failed: another one than was said where the walk cannot even pass to that.
    pub node: NodeId,
    /// The branch that goes on.
    pub branch: NodeId,
    /// What that does.
    pub next: Result<Next, ProgressError>,
}

/// An attempt that has failed and that a RETRY counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The RETRY, or the leaf that is all of it.
    pub node: NodeId,
    /// The generation of that node.
    pub generation: i64,
    /// Which it was, from 1.
    pub number: i64,
    /// When it began, as far as that is known.
    pub began: Instant,
    /// Why it failed.
    pub failure: Arc<Failure>,
}

impl Progress {
    /// Records that a node has failed that was carried out in this generation, or that the walk could not pass, and
    /// says what follows. `None` where that counts for nothing: the node's branch has been given up, or somebody else
    /// has brought the node or the instance to an end.
    ///
    /// Walks from the root first: the states are to be read anew, while whoever may give the branch up is held still. What is
    /// to be written is that of [`branches_to`](Self::branches_to) the node, then that of the branch that goes on: a scope
    /// that is entered must not be entered by the same number again, once a row below it is written.
    pub fn fail(&mut self, failing: Failing, now: Instant) -> Option<Fallout> {
        let failing = match self.resume(now) {
            // Where a walk from the root cannot pass is in no branch that was given up.
            Err(error) => Failing {
                node: error.node(),
                generation: self.generation(error.node()),
                attempts: 0,
                failure: error.into(),
                began: now,
            },
            Ok(Next::Failed { .. }) => return None,
            Ok(
                Next::Run(_)
                | Next::Pause { .. }
                | Next::Spawn { .. }
                | Next::BranchCompleted(_)
                | Next::Finished(_),
            ) => {
                let Failing { node, generation, attempts, .. } = failing;
                let is_it = self.generation(node) == generation
                    && self.failed_attempts(node) == attempts
                    && !self.status(node).is_terminal();
                if !is_it || !self.is_live(self.graph.branch(node)) {
                    return None;
                }
                failing
            }
        };
        let node = failing.node;
        let (branch, next) = self.follow(failing, now);
        Some(Fallout { node, branch, next })
    }

    /// The branches around a node, from the root to its own.
    pub fn branches_to(&self, node: NodeId) -> Vec<NodeId> {
        let outer = |&at: &NodeId| self.graph.parent(at).map(|parent| self.graph.branch(parent));
        let mut branches: Vec<_> = std::iter::successors(Some(self.graph.branch(node)), outer).collect();
        branches.reverse();
        branches
    }

    /// Whether a branch, or one around it, has failed without its siblings.
    pub fn has_failed_around(&self, branch: NodeId) -> bool {
        self.branches_to(branch).into_iter().any(|root| self.has_failed(root))
    }

    /// The attempts that have failed since the last call.
    pub fn take_attempts(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.attempts)
    }

    /// Whether the nearest scope that takes failures of a leaf with this SQLSTATE would try again.
    pub fn is_tried_again(&self, leaf: NodeId, sqlstate: &str) -> bool {
        let mut at = leaf;
        while let Some(parent) = self.graph.parent(at) {
            match self.graph.kind(parent) {
                NodeKind::Retry(retry) if retry.policy.takes(sqlstate) => return true,
                NodeKind::Catch(catch) if at == catch.body && catch.takes(sqlstate) => return false,
                NodeKind::Join(join) if join.settles => return false,
                NodeKind::Leaf(_)
                | NodeKind::Then(_)
                | NodeKind::If(_)
                | NodeKind::Join(_)
                | NodeKind::Race(_)
                | NodeKind::Loop(_)
                | NodeKind::Retry(_)
                | NodeKind::Catch(_)
                | NodeKind::Timeout(_) => {}
            }
            at = parent;
        }
        false
    }

    fn follow(&mut self, failing: Failing, now: Instant) -> (NodeId, Result<Next, ProgressError>) {
        let graph = self.graph.clone();
        let Failing { node, failure, began, .. } = failing;
        let failure = Arc::new(failure);
        let mut attempt = 1;
        if let Some(retry) = graph.retry_of(node) {
            attempt = self.failed_attempts(node) + 1;
            self.note_attempt(node, attempt, began, &failure);
            if let Some(until) = self.try_again(node, retry, attempt, began, &failure, now) {
                return (graph.branch(node), Ok(Next::Pause { node, until }));
            }
        }
        if let NodeKind::Timeout(timeout) = graph.kind(node) {
            self.give_up(timeout.body, [timeout.body]);
            self.abandon(node, timeout.body);
        }
        self.states.fail(node, failure.clone());
        let (mut suppressed, mut passed) = (Vec::new(), Vec::new());
        let mut at = node;
        while let Some(parent) = graph.parent(at) {
            let outer = graph.branch(parent);
            match graph.kind(parent) {
                NodeKind::Retry(retry) if graph.is_scope(parent) => {
                    if let Some(until) = self.begin_attempt(parent, retry, began, &failure, now) {
                        return (outer, Ok(Next::Pause { node: parent, until }));
                    }
                }
                NodeKind::Catch(catch) if at == catch.handler => {
                    let scoped = self.state(parent).held.scoped();
                    if let Some(caught) = scoped.and_then(|scoped| scoped.caught.as_ref()) {
                        suppressed.push(caught.failure.clone());
                        suppressed.extend(caught.suppressed.iter().cloned());
                    }
                }
                NodeKind::Catch(catch) if catch.takes(&failure.sqlstate) => {
                    let failure = Failure::clone(&failure);
                    let caught = Caught::new(&graph, node, attempt, failure, suppressed);
                    self.begin_handler(parent, catch, caught);
                    self.frontier.clear();
                    return (outer, self.walk_branch(outer, now));
                }
                NodeKind::Join(join) if join.settles => {
                    self.fail_branch(at, &passed, &failure);
                    return (outer, self.walk_branch(outer, now));
                }
                NodeKind::Race(race) if race.any => {
                    self.fail_branch(at, &passed, &failure);
                    let others = race.branches.iter().filter(|&&root| root != at);
                    let told =
                        others.map(|&root| self.states.failure(root).cloned()).collect::<Option<Vec<_>>>();
                    let Some(told) = told else { return (outer, self.walk_branch(outer, now)) };
                    suppressed.extend(told.iter().map(|failure| Failure::clone(failure)));
                    passed.push(parent);
                }
                NodeKind::Race(_) => passed.push(parent),
                NodeKind::Loop(repeat)
                    if repeat.continue_on_failure && graph.is_within(node, repeat.body) =>
                {
                    self.fail_passed(&passed, &failure);
                    let until = self.begin_again(parent, now);
                    return (outer, Ok(Next::Pause { node: parent, until }));
                }
                NodeKind::Leaf(_)
                | NodeKind::Then(_)
                | NodeKind::If(_)
                | NodeKind::Join(_)
                | NodeKind::Loop(_)
                | NodeKind::Retry(_)
                | NodeKind::Catch(_)
                | NodeKind::Timeout(_) => {}
            }
            at = parent;
        }
        (graph.branch(node), Ok(Next::Failed { node, failure }))
    }

    /// A branch has failed without its siblings: its root says so.
    fn fail_branch(&mut self, root: NodeId, passed: &[NodeId], failure: &Arc<Failure>) {
        self.fail_passed(passed, failure);
        if !self.has_failed(root) {
            self.states.fail(root, failure.clone());
        }
        self.frontier.clear();
        self.abandon(root, root);
    }

    /// The RACEs that a failure has passed on its way are over: who completes a branch of theirs at the same moment is refused.
    fn fail_passed(&mut self, passed: &[NodeId], failure: &Arc<Failure>) {
        for &race in passed {
            self.states.fail(race, failure.clone());
        }
    }

    /// Begins the next generation of a LOOP whose body has failed; says when. It is held back as an endless one is.
    fn begin_again(&mut self, node: NodeId, now: Instant) -> Instant {
        let NodeKind::Loop(repeat) = self.graph.kind(node) else { unreachable!("it is a LOOP") };
        let body = repeat.body;
        let began_at = self.state(node).wake_at.unwrap_or(now);
        let until = began_at.saturating_add(self.loop_min_interval).max(now);
        let branch = self.graph.branch(node);
        self.give_up(body, [body]);
        self.names.end_within(node);
        self.begin_generation(node, Some(until), branch);
        self.abandoned.push(body);
        until
    }

    /// How many attempts at a leaf that is all of a RETRY have failed in its present generation.
    pub fn failed_attempts(&self, leaf: NodeId) -> i64 {
        if self.is_current(leaf) { self.state(leaf).own.failed_attempts() } else { 0 }
    }

    fn note_attempt(&mut self, node: NodeId, number: i64, began: Instant, failure: &Arc<Failure>) {
        let generation = self.generation(node);
        self.attempts.push(Attempt { node, generation, number, began, failure: failure.clone() });
    }

    /// Lets a leaf wait for its next attempt, if there is one; says until when.
    fn try_again(
        &mut self,
        leaf: NodeId,
        retry: &Retry,
        attempt: i64,
        began: Instant,
        failure: &Arc<Failure>,
        now: Instant,
    ) -> Option<Instant> {
        let since = self.since(leaf).unwrap_or(began);
        let draw = draw(self.seed, leaf, self.generation(leaf), attempt);
        let failed = Failed { attempt: clamp(attempt), sqlstate: &failure.sqlstate, since, now };
        let until = retry.policy.next(&failed, draw)?;
        let kept = self.kept_by(leaf);
        let scoped = Scoped { since: retry.policy.max_duration.map(|_| since), kept, ..Scoped::default() };
        self.states.try_again(leaf, attempt, scoped, until, failure.clone());
        Some(until)
    }

    /// Begins another attempt at the body of a RETRY, if there is one; says when.
    fn begin_attempt(
        &mut self,
        node: NodeId,
        retry: &Retry,
        began: Instant,
        failure: &Arc<Failure>,
        now: Instant,
    ) -> Option<Instant> {
        let is_known = self.status(node) == NodeStatus::Running;
        let attempt = if is_known { self.state(node).attempt.max(1) } else { 1 };
        let begun_at = self.state(node).wake_at.filter(|_| is_known);
        let since = self.since(node).unwrap_or(began);
        self.note_attempt(node, attempt.into(), begun_at.unwrap_or(since), failure);
        let draw = draw(self.seed, node, self.generation(node), attempt.into());
        let failed = Failed { attempt, sqlstate: &failure.sqlstate, since, now };
        let until = retry.policy.next(&failed, draw)?;
        let kept = self.kept_by(node);
        self.give_up(retry.body, [retry.body]);
        let scoped = Scoped { since: retry.policy.max_duration.map(|_| since), kept, ..Scoped::default() };
        self.states.begin_attempt(node, attempt + 1, scoped, Some(until), Some(failure.clone()));
        self.abandon(node, retry.body);
        Some(until)
    }

    /// When the first attempt began, where the row says so.
    fn since(&self, node: NodeId) -> Option<Instant> {
        let state = self.state(node);
        let is_under_way = self.status(node) == NodeStatus::Running;
        state.held.scoped().filter(|_| is_under_way).and_then(|scoped| scoped.since)
    }

    /// The names that a scope, or a leaf that is tried again, had bound before it was reached: in its row, once it has written
    /// that.
    fn kept_by(&self, node: NodeId) -> Option<Arc<super::Kept>> {
        if self.status(node) == NodeStatus::Running {
            self.state(node).held.scoped().and_then(|scoped| scoped.kept.clone())
        } else {
            self.names.keep_own(node, self.graph.branch(node))
        }
    }

    fn begin_handler(&mut self, node: NodeId, catch: &Catch, caught: Caught) {
        let kept = self.kept_by(node);
        let bound = self.names.bound_in(catch.body, self.graph.branch(node));
        let failure = Arc::new(caught.failure.clone());
        self.give_up_beside(NodeId(caught.node), node);
        let scoped = Scoped { since: None, caught: Some(caught), kept, bound };
        self.states.begin_handler(node, scoped, failure);
        self.abandon(node, catch.body);
    }

    fn abandon(&mut self, node: NodeId, body: NodeId) {
        self.abandoned.push(body);
        self.names.end_within(node);
    }

    /// Steps into a scope; says which branch of it is under way, or until when there is none.
    pub(super) fn enter_scope(
        &mut self,
        node: NodeId,
        branch: NodeId,
        now: Instant,
    ) -> Result<NodeId, Instant> {
        let graph = self.graph.clone();
        let is_running = self.status(node) == NodeStatus::Running;
        if is_running {
            self.names.recall(&self.states, node, branch);
        }
        match graph.kind(node) {
            NodeKind::Catch(catch) => Ok(self.active(node, catch)),
            NodeKind::Retry(retry) => {
                if self.status(node) == NodeStatus::Pending {
                    self.begin_first_attempt(node, retry, branch, now);
                }
                let until = self.state(node).wake_at.filter(|&until| is_running && until > now);
                until.map_or(Ok(retry.body), Err)
            }
            NodeKind::Timeout(timeout) => {
                if self.status(node) == NodeStatus::Pending {
                    let kept = self.names.keep_own(node, branch);
                    let until = now.saturating_add(timeout.duration.as_micros() as i64);
                    self.states.begin_time(node, Scoped { kept, ..Scoped::default() }, until);
                }
                Ok(timeout.body)
            }
            NodeKind::Leaf(_)
            | NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_) => unreachable!("they take no failures"),
        }
    }

    /// When the time of what is around a node is up, and whose: of the TIMEOUT that ends first.
    pub fn deadline(&self, node: NodeId) -> Option<(NodeId, Instant)> {
        let nearest = self.graph.enclosing_timeout(node);
        let around = std::iter::successors(nearest, |&at| self.graph.enclosing_timeout(at));
        let running = around.filter(|&at| self.status(at) == NodeStatus::Running);
        running.filter_map(|at| Some((at, self.state(at).wake_at?))).min_by_key(|(_, until)| *until)
    }

    /// Why a leaf may not be carried out any more: the time of what is around it is up.
    pub fn check_deadline(&self, leaf: NodeId, now: Instant) -> Result<(), ProgressError> {
        self.deadline(leaf).map_or(Ok(()), |(node, _)| self.check_time(node, now))
    }

    /// Where a node is a TIMEOUT, whether its time is not up.
    pub(super) fn check_time(&self, node: NodeId, now: Instant) -> Result<(), ProgressError> {
        let is_up = self.state(node).wake_at.is_some_and(|until| until <= now);
        if let NodeKind::Timeout(timeout) = self.graph.kind(node)
            && is_up
        {
            return Err(ProgressError::TimedOut { node, duration: timeout.duration });
        }
        Ok(())
    }

    /// Says so where the rows of the body may be those of an earlier generation of what is around it, and where it is to be
    /// known when it began.
    fn begin_first_attempt(&mut self, node: NodeId, retry: &Retry, branch: NodeId, now: Instant) {
        let since = retry.policy.max_duration.map(|_| now);
        if self.graph.enclosing_count(node).is_some() || since.is_some() {
            let kept = self.names.keep_own(node, branch);
            let scoped = Scoped { since, kept, ..Scoped::default() };
            self.states.begin_attempt(node, 1, scoped, None, None);
        }
    }

    /// Whether the handler of a CATCH has taken a failure of its body.
    pub fn is_handled(&self, node: NodeId) -> bool {
        matches!(self.graph.kind(node), NodeKind::Catch(catch) if self.active(node, catch) == catch.handler)
    }

    /// The branch of a CATCH that is under way, or was.
    fn active(&self, node: NodeId, catch: &Catch) -> NodeId {
        let handles = self.status(node) != NodeStatus::Pending && self.state(node).own == Own::Handler;
        if handles { catch.handler } else { catch.body }
    }

    /// Begins the one branch of a scope that is under way.
    pub(super) fn open(&mut self, branch: NodeId) {
        let graph = self.graph.clone();
        if let Some(node) = graph.parent(branch)
            && let NodeKind::Catch(catch) = graph.kind(node)
            && catch.handler == branch
        {
            let generation = self.generation(node);
            let scoped = self.state(node).held.scoped().cloned().unwrap_or_default();
            self.names.open_handler(node, catch, &scoped, generation);
        } else {
            self.names.open(branch);
        }
    }

    /// Steps out of a scope whose branch has completed.
    pub(super) fn complete_scope(&mut self, node: NodeId, root: NodeId, outer: NodeId) {
        let (own, may_fail) = match self.graph.kind(node) {
            NodeKind::Catch(catch) if root == catch.handler => (Own::Handler, false),
            NodeKind::Catch(_) => (Own::Nothing, true),
            NodeKind::Leaf(_)
            | NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_)
            | NodeKind::Retry(_)
            | NodeKind::Timeout(_) => (self.state(node).own, true),
        };
        let outcome = self.states.outcome(root);
        self.names.leave_scope(node, root, outer);
        // The time of a TIMEOUT may be up at any moment.
        let has_time = matches!(self.graph.kind(node), NodeKind::Timeout(_));
        let is_contended =
            has_time || may_fail && self.graph.has_branches_within(root) || self.branches.ends_in_row(node);
        self.states.complete_scope(node, outcome, own, is_contended);
    }

    /// Whether `root` is the branch of a scope that is under way.
    pub(super) fn is_active(&self, node: NodeId, root: NodeId) -> bool {
        // Others have one branch only.
        !matches!(self.graph.kind(node), NodeKind::Catch(catch) if self.active(node, catch) != root)
    }
}

fn clamp(attempt: i64) -> u32 {
    u32::try_from(attempt).unwrap_or(u32::MAX)
}

/// A number that follows from what it is drawn for, so that whoever computes it again has the same.
fn draw(seed: u64, node: NodeId, generation: i64, attempt: i64) -> u64 {
    [u64::from(node.0), generation as u64, attempt as u64]
        .into_iter()
        .fold(splitmix64(seed), |drawn, part| splitmix64(drawn ^ part))
}

/// One step of the generator of that name (Steele, Lea and Flood, 2014).
fn splitmix64(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
