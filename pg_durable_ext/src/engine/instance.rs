//! An instance as an executor holds it: its graph, how far it has come, and what is to be written.

use std::collections::HashMap;

use pg_durable_board::InstanceNumber;
use pg_durable_graph::kind::{Leaf, NodeKind, Wait};
use pg_durable_graph::progress::{Bindings, Failing, Next, Progress, ProgressError};
use pg_durable_graph::status::NodeStatus;
use pg_durable_graph::{Failure, NodeId, Outcome};
use pgrx::pg_sys::Oid;
use serde_json::Value;

use super::committing;
use super::flush::Flush;
use super::standing::Standing;
use super::stop::Stop;
use super::wake;
use crate::pg::gucs::{self, Durability};
use crate::pg::spi::{Session, Tid};
use crate::pg::{catalog, clock, xact};
use crate::store::instances::Changed;
use crate::store::nodes::Written;
use crate::store::{self, EngineError, attempts, instances, nodes, signals, waits};

/// See the module.
pub struct Instance {
    pub id: String,
    pub number: InstanceNumber,
    /// Who has submitted it.
    pub owner: Oid,
    pub label: Option<String>,
    /// Where the steps run, if not in this database.
    pub database: Option<String>,
    pub progress: Progress,
    /// Which load of the instance this is: other work items refer to it.
    pub load: u32,
    vars: HashMap<String, Option<String>>,
    /// `$input`.
    input: Option<Value>,
    durability: Durability,
    /// Where the instance's row was seen last, and those of its nodes.
    place: Option<Tid>,
    places: Vec<Option<Tid>>,
    /// Whether the step that is being written committed by itself.
    at_least_once: Option<(NodeId, bool)>,
    /// What is being written belongs to the effect of a step, which would be lost, or done again, for a row that somebody has
    /// locked.
    has_effect: bool,
    /// When the leaf at hand was begun.
    began: i64,
    /// What users read of the failure that is being written, if not what its node's kind says.
    failure_text: Option<String>,
    /// The instance's row says pending. The first checkpoint that does not end the instance changes that, so that an
    /// instance of one step costs no write more than its step's.
    pub is_pending: bool,
    /// The transaction under way has written to a node.
    has_written: bool,
    /// Something of it may stand in `df._waits`.
    has_listed_waits: bool,
    /// The wait that this process has reached last.
    armed: Option<NodeId>,
    /// The wait that it has not listed, because the last one was over at once.
    unlisted: Option<NodeId>,
    signals_are_there: bool,
}

/// Where a branch stands after a leaf was looked at.
pub enum After {
    /// The leaf is done and its outcome committed.
    Next { branch: NodeId, next: Next },
    /// What was done is committed, and something further on fails.
    Fails { node: NodeId, failure: Failure },
    /// The leaf waits; what it waits for will make it ready.
    Parked { until: Option<i64> },
    /// What was done is committed, but for the end of the instance: somebody else is changing its row and has not come to
    /// an end.
    Held,
}

/// What a look at the tables found.
pub enum Loaded {
    Instance(Box<Instance>),
    /// Unknown, not committed, terminal, somebody else's, or without its nodes, as in the middle of a restore.
    Gone,
    /// Its role may not have any run, whatever let it in.
    Blocked {
        id: String,
        role: String,
    },
    /// There, but not readable.
    Broken(EngineError),
    /// Not for this process, which is not fit for instances of its role any more.
    Unfit,
}

impl Instance {
    /// Loads an instance in a transaction of its own.
    ///
    /// `role` is whom this process runs steps as. Ready work may name an instance of another role, where the
    /// extension was dropped and created again and the numbers began anew.
    pub fn load(
        number: InstanceNumber,
        role: Oid,
        load: u32,
        places: &[Option<Tid>],
        standing: &mut Standing,
    ) -> Loaded {
        let transaction = xact::Transaction::begin_internal();
        if !standing.may_take() {
            return Loaded::Unfit;
        }
        let owner = store::as_owner();
        let loaded = Instance::load_of(number, Some(role), load, places);
        drop(owner);
        if matches!(loaded, Loaded::Instance(_)) {
            transaction.commit();
        }
        loaded
    }

    /// Loads an instance in the current transaction, whoever's it is unless a role is named. `places` are those of its nodes
    /// when this process had it last, or nothing.
    pub fn load_of(number: InstanceNumber, role: Option<Oid>, load: u32, places: &[Option<Tid>]) -> Loaded {
        let id = wake::instance_id(number);
        let Some(row) = instances::get(&id) else { return Loaded::Gone };
        let is_unfinished = row.status == "pending" || row.status == "running";
        if !is_unfinished || role.is_some_and(|role| role != row.submitted_by) {
            return Loaded::Gone;
        }
        if let Some(role) = role
            && !gucs::enable_superuser_instances()
            && catalog::is_superuser(role)
        {
            return Loaded::Blocked { id, role: catalog::role_name(role).unwrap_or_default() };
        }
        let nodes = match nodes::load(&id, places) {
            Ok(Some(nodes)) => nodes,
            Ok(None) => return Loaded::Gone,
            Err(error) => return Loaded::Broken(error),
        };
        let vars = match row.vars.as_deref().map(serde_json::from_str).transpose() {
            Ok(vars) => vars.unwrap_or_default(),
            Err(error) => return Loaded::Broken(error.into()),
        };
        let input = match row.input.as_deref().map(serde_json::from_str).transpose() {
            Ok(input) => input,
            Err(error) => return Loaded::Broken(error.into()),
        };
        let durability = Durability::parse(&row.durability).unwrap_or(Durability::Step);
        let has_listed_waits = nodes.graph.iter().any(|(_, node)| listed(&node.kind).is_some());
        Loaded::Instance(Box::new(Instance {
            id,
            number,
            owner: row.submitted_by,
            label: row.label,
            database: row.database,
            progress: Progress::new(nodes.graph, nodes.states, gucs::loop_min_interval_us(), number),
            load,
            vars,
            input,
            durability,
            place: Some(row.place),
            places: nodes.places,
            at_least_once: None,
            has_effect: false,
            began: 0,
            failure_text: None,
            is_pending: row.status == "pending",
            has_written: false,
            has_listed_waits,
            armed: None,
            unlisted: None,
            signals_are_there: false,
        }))
    }

    /// Reads the rows of the nodes anew; false where there are none that can be read.
    pub fn look_again(&mut self) -> bool {
        let Ok(Some(nodes)) = nodes::load(&self.id, &self.places) else { return false };
        self.progress = Progress::new(nodes.graph, nodes.states, gucs::loop_min_interval_us(), self.number);
        self.places = nodes.places;
        self.has_effect = false;
        true
    }

    /// The value of a `{name}`: a system name, or a variable captured at the start.
    pub fn var(&self, name: &str) -> Option<&str> {
        match name {
            "sys_instance_id" => Some(&self.id),
            "sys_label" => Some(self.label.as_deref().unwrap_or_default()),
            _ => self.vars.get(name).map(|value| value.as_deref().unwrap_or_default()),
        }
    }

    /// Where the instance's row was seen last.
    pub fn place(&self) -> Option<Tid> {
        self.place
    }

    /// Whether its rows may be written over and over.
    pub fn has_loops(&self) -> bool {
        let mut nodes = self.progress.graph().iter();
        nodes.any(|(_, node)| matches!(node.kind, NodeKind::Loop(_) | NodeKind::Retry(_)))
    }

    /// Says that a leaf begins.
    pub fn note_beginning(&mut self) {
        self.began = clock::now();
    }

    /// A failure of a node that this process has carried out, or could not pass.
    pub fn failing(&self, node: NodeId, failure: Failure) -> Failing {
        Failing {
            node,
            generation: self.progress.generation(node),
            attempts: self.progress.failed_attempts(node),
            failure,
            began: self.began,
        }
    }

    /// Where the rows of its nodes were seen last.
    pub fn places(&self) -> &[Option<Tid>] {
        &self.places
    }

    /// The named results that a node sees.
    pub fn bindings(&self, node: NodeId) -> Option<&Bindings> {
        self.progress.bindings(self.progress.graph().branch(node))
    }

    /// What `$input` stands for.
    pub fn input(&self) -> Option<&Value> {
        self.input.as_ref()
    }

    /// Says what users read of the failure that is about to be written.
    pub fn note_failure_text(&mut self, text: String) {
        self.failure_text = Some(text);
    }

    /// Says how the step that is about to be written was delivered.
    pub fn note_delivery(&mut self, leaf: NodeId, at_least_once: bool) {
        self.at_least_once = Some((leaf, at_least_once));
        self.has_effect = true;
    }

    /// Whether nothing has to be written before this leaf is carried out.
    pub fn is_ready(&self, branch: NodeId, leaf: NodeId) -> bool {
        !self.progress.graph().kind(leaf).waits() && !self.progress.has_writes(branch)
    }

    /// Inside a transaction: writes what has changed, goes on through inner nodes as far as that needs no step, and
    /// starts the wait that comes next. Says where the instance stands then.
    pub fn settle(
        &mut self,
        spi: &Session,
        branch: NodeId,
        next: Result<Next, ProgressError>,
        flush: Flush,
    ) -> Result<After, Stop> {
        let (mut branch, mut next) = (branch, next);
        let after = loop {
            self.write_branch(spi, branch)?;
            match next {
                // What led here has happened and is kept; the failure is recorded by itself.
                Err(error) => break After::Fails { node: error.node(), failure: error.into() },
                Ok(Next::BranchCompleted(root)) => {
                    let parent = self.progress.graph().parent(root).unwrap_or(NodeId::ROOT);
                    next = match self.progress.complete_branches(root, clock::now()).transpose() {
                        Some(next) => next,
                        None => break After::Next { branch, next: Next::BranchCompleted(root) },
                    };
                    branch = self.progress.graph().branch(parent);
                }
                Ok(Next::Run(leaf)) => {
                    match self.begin_wait(leaf) {
                        Ok(()) => self.write_branch(spi, branch)?,
                        Err(failure) => break After::Fails { node: leaf, failure },
                    }
                    break After::Next { branch, next: Next::Run(leaf) };
                }
                // A scope has one branch, which goes on in the same transaction.
                Ok(Next::Spawn { node, branches }) if self.progress.graph().is_scope(node) => {
                    drop(self.progress.take_frontier());
                    branch = branches[0];
                    next = self.progress.resume_branch(branch, clock::now());
                }
                Ok(Next::Finished(outcome)) => {
                    let has_ended = self.write_end(spi, &outcome)?;
                    break if has_ended {
                        After::Next { branch, next: Next::Finished(outcome) }
                    } else {
                        After::Held
                    };
                }
                Ok(Next::Failed { node, failure }) => {
                    let has_ended = self.write_failure(spi, node, &failure)?;
                    let failed = Next::Failed { node, failure };
                    break if has_ended { After::Next { branch, next: failed } } else { After::Held };
                }
                Ok(next @ (Next::Pause { .. } | Next::Spawn { .. })) => break After::Next { branch, next },
            }
        };
        self.has_effect = false;
        if self.has_listed_waits {
            self.end_abandoned_waits(spi);
        }
        self.give_back_signals(spi);
        self.write_attempts(spi);
        let is_end = matches!(after, After::Next { next: Next::Finished(_) | Next::Failed { .. }, .. });
        if std::mem::take(&mut self.has_written) && self.is_pending && !is_end {
            let changed = instances::mark_running_at(spi, &self.id, self.place);
            self.is_pending = !self.note_change(changed);
        }
        flush.settle(self.durability, is_end);
        Ok(after)
    }

    /// Arms the timer of a wait that is reached now, so that it counts from the commit that leads to it.
    fn begin_wait(&mut self, leaf: NodeId) -> Result<(), Failure> {
        if self.progress.status(leaf) == NodeStatus::Running {
            return Ok(());
        }
        let graph = self.progress.graph().clone();
        let Some(wait) = graph.kind(leaf).leaf().and_then(Leaf::wait) else { return Ok(()) };
        if wait.given().is_some() {
            return Ok(());
        }
        let wake_at = wait.until(clock::now())?;
        self.progress.arm(leaf, wake_at);
        self.armed = Some(leaf);
        Ok(())
    }

    /// Arms the timer of a wait that is reached now, and whose end a text has said.
    pub fn begin_given_wait(&mut self, spi: &Session, leaf: NodeId, wake_at: i64) -> Result<(), Stop> {
        self.progress.arm(leaf, Some(wake_at));
        self.armed = Some(leaf);
        self.write_branch(spi, self.progress.graph().branch(leaf))
    }

    /// Writes what has changed in a branch.
    pub fn write_branch(&mut self, spi: &Session, branch: NodeId) -> Result<(), Stop> {
        for node in self.progress.take_writes(branch) {
            self.write_node(spi, node)?;
        }
        Ok(())
    }

    fn write_node(&mut self, spi: &Session, node: NodeId) -> Result<(), Stop> {
        self.has_written = true;
        let state = self.progress.state(node);
        let kind = self.progress.graph().kind(node);
        let wait = kind.leaf().and_then(Leaf::wait).filter(|_| state.status == NodeStatus::Running);
        let waiting_for = wait.map(Wait::shown);
        let at_least_once = self.at_least_once.take_if(|(leaf, _)| *leaf == node).map(|(_, so)| so);
        let written = nodes::write(
            spi,
            &nodes::NodeWrite {
                instance: &self.id,
                node: &node.to_string(),
                place: self.places[node.index()],
                row: &state.to_row(),
                error: state.error.as_ref().map(|failure| self.text_of(node, failure)).as_deref(),
                waiting_for: waiting_for.as_deref(),
                at_least_once,
                waits: self.has_effect,
            },
        );
        match written {
            Written::At(place) => self.places[node.index()] = Some(place),
            Written::Late => return Err(Stop::Lost),
            Written::Held => return Err(Stop::Held),
        }
        self.write_wait(spi, node);
        Ok(())
    }

    /// Says in `df._waits` what the row that was just written says of a wait.
    fn write_wait(&mut self, spi: &Session, node: NodeId) {
        let state = self.progress.state(node);
        let (status, generation) = (state.status, state.generation);
        let Some(wait) = listed(self.progress.graph().kind(node)) else { return };
        match status {
            NodeStatus::Running if self.signals_are_there && wait.is_for_signal() => {
                self.unlisted = Some(node)
            }
            NodeStatus::Running => self.list_wait(spi, node),
            NodeStatus::Completed | NodeStatus::Failed => {
                if self.unlisted.take_if(|unlisted| *unlisted == node).is_none() {
                    waits::end(spi, &self.id, node, Some(generation));
                }
            }
            NodeStatus::Pending => {}
        }
    }

    fn list_wait(&self, spi: &Session, node: NodeId) {
        let Some(wait) = listed(self.progress.graph().kind(node)) else { return };
        let (kind, name) = wait.words();
        let state = self.progress.state(node);
        let (generation, wake_at) = (state.generation, state.wake_at);
        let guards = self.progress.guards(node);
        waits::begin(spi, &waits::Wait { instance: &self.id, node, generation, kind, name, wake_at, guards });
    }

    /// A wait for a signal has ended at once. Where one was there before it was waited for, the next may be, too, and such a
    /// wait needs no row in `df._waits`: it is over before anybody reads it.
    pub fn note_signal(&mut self, leaf: NodeId) {
        self.signals_are_there = self.armed == Some(leaf);
    }

    /// Says of a leaf that goes on waiting that it does, where that is not said.
    pub fn keep_waiting(&mut self, spi: &Session, leaf: NodeId) {
        (self.signals_are_there, self.armed) = (false, None);
        self.unlisted.take_if(|unlisted| *unlisted == leaf);
        let generation = self.progress.state(leaf).generation;
        if !waits::is_there(&self.id, leaf, generation) {
            self.list_wait(spi, leaf);
        }
    }

    fn end_abandoned_waits(&self, spi: &Session) {
        let graph = self.progress.graph();
        for &root in self.progress.abandoned() {
            for (node, _) in graph.iter().filter(|(_, node)| listed(&node.kind).is_some()) {
                if graph.is_within(node, root) {
                    // How far a loop has come that others carry out, this process does not know.
                    let outer = graph.enclosing_count(node);
                    let is_tried_again =
                        graph.parent(root).is_some_and(|at| matches!(graph.kind(at), NodeKind::Retry(_)));
                    let is_known = outer.is_none_or(|outer| !graph.is_within(outer, root));
                    let is_known = is_known && !is_tried_again;
                    let generation = is_known.then(|| self.progress.generation(node));
                    waits::end(spi, &self.id, node, generation);
                }
            }
        }
    }

    /// Gives back what branches have consumed that are given up now: it may be what another branch waits for.
    fn give_back_signals(&mut self, spi: &Session) {
        let graph = self.progress.graph().clone();
        let mut is_locked = false;
        for branch in self.progress.take_given_up() {
            let consumers: Vec<NodeId> = graph.signals_within(branch.root).collect();
            if consumers.is_empty() {
                continue;
            }
            if !std::mem::replace(&mut is_locked, true) {
                xact::lock_branches(self.number, true);
            }
            if signals::give_back(spi, &self.id, &consumers, &branch) {
                wake::after_signal(self.owner, self.number);
            }
        }
    }

    /// Keeps the attempts that have failed.
    fn write_attempts(&mut self, spi: &Session) {
        for attempt in self.progress.take_attempts() {
            attempts::insert(spi, &self.id, &attempt, gucs::attempts_kept());
        }
    }

    /// What users read of a failure.
    fn text_of(&self, node: NodeId, failure: &Failure) -> String {
        match (&self.failure_text, self.progress.graph().kind(node).leaf()) {
            (Some(text), _) => text.clone(),
            (None, Some(leaf)) => leaf.failure_text(&failure.message),
            (None, None) => failure.message.clone(),
        }
    }

    /// Notes what came of a change of the instance's row; false where somebody else is changing it.
    fn note_change(&mut self, changed: Changed) -> bool {
        match changed {
            Changed::Yes(place) => {
                self.place = place;
                committing::note_written(place);
                true
            }
            Changed::No => true,
            Changed::Held => false,
        }
    }

    /// False where somebody else is changing the instance's row.
    fn write_failure(&mut self, spi: &Session, node: NodeId, failure: &Failure) -> Result<bool, Stop> {
        let text = self.text_of(node, failure);
        let changed = instances::fail(spi, &self.id, Some(&node.to_string()), &text, failure);
        if changed == Changed::No { Err(Stop::Lost) } else { Ok(self.note_change(changed)) }
    }

    /// False where somebody else is changing the instance's row.
    fn write_end(&mut self, spi: &Session, outcome: &Outcome) -> Result<bool, Stop> {
        let changed = instances::complete(spi, &self.id, self.place);
        if changed == Changed::No {
            return Err(Stop::Lost);
        }
        if !self.note_change(changed) {
            return Ok(false);
        }
        if self.has_listed_waits {
            waits::end_of(spi, &self.id);
        }
        let root = self.progress.graph().kind(NodeId::ROOT);
        if root.is_derived() {
            let (result, columns) = outcome.to_json();
            nodes::write_root(spi, &self.id, &result, columns.as_deref());
        }
        let derived: Vec<String> = self
            .progress
            .derived()
            .into_iter()
            .filter(|id| *id != NodeId::ROOT)
            .map(|id| id.to_string())
            .collect();
        if !derived.is_empty() {
            let derived: Vec<_> = derived.iter().map(|id| Some(id.as_str())).collect();
            nodes::write_derived(spi, &self.id, &derived);
        }
        Ok(true)
    }
}

/// The wait that a node is, if others find it by what it waits for.
fn listed(kind: &NodeKind) -> Option<&dyn Wait> {
    kind.leaf().and_then(Leaf::wait).filter(|wait| wait.is_listed())
}
