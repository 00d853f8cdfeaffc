//! What can be seen to be wrong before anything is sent: references that nothing binds, a BREAK outside a loop,
//! bad cron expressions.
//!
//! A name is bound where every path to the node has passed a node of that name. IF branches bind what both
//! bind, a RACE what every branch binds, a LOOP what every way out of it has bound, a CATCH what its body and its handler
//! bind. Branches of a JOIN do not see each other. Behind a FAIL nothing comes, as behind a BREAK.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Problem;
use crate::graph::Graph;
use crate::kind::{Catch, Condition, Join, Leaf, NodeKind, Text};
use crate::node_id::NodeId;
use crate::template::{Context, INPUT, Reference, Template};

/// Something wrong with one node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct LintError {
    /// The node, as [`Graph::path`] names it.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Graph {
    /// Looks for mistakes, in the order in which the nodes are carried out. A graph beyond the limits has that
    /// as its only mistake.
    pub fn lint(&self) -> Vec<LintError> {
        if let Err(error) = self.check_limits() {
            let path = error.path().unwrap_or("root").to_owned();
            return vec![LintError {
                path,
                message: error.to_string(),
                hint: error.hint().map(str::to_owned),
            }];
        }
        let names = self.iter().filter_map(|(_, node)| node.result_name.as_deref()).collect();
        let mut linter = Linter { graph: self, names, ways_out: Vec::new(), errors: Vec::new() };
        // The depth is within the limit, so recursion is, too.
        linter.walk(NodeId::ROOT, Scope::default());
        linter.errors
    }

    /// Whether a step refers to the instance's input, `$input`: it cannot do without one. A result of that name hides
    /// the input; such a graph is taken not to need any.
    pub fn needs_input(&self) -> bool {
        let is_input = |(reference, context): (&Reference, Context)| {
            reference.name == INPUT && context == Context::Code && !reference.nullable
        };
        let refers_to_input = |text: Text<'_>| match text {
            Text::Sql { text, .. } => Template::parse(text, |name| name == INPUT).references().any(is_input),
            Text::Plain(_) => false,
        };
        let mut leaves = self.iter().filter_map(|(_, node)| node.kind.leaf());
        let refers = leaves.any(|leaf| leaf.texts().into_iter().any(refers_to_input));
        refers && !self.iter().any(|(_, node)| node.result_name.as_deref() == Some(INPUT))
    }
}

/// What a node can refer to.
#[derive(Debug, Clone, Default)]
struct Scope<'a> {
    bound: BTreeSet<&'a str>,
    /// Names that are bound on one way through this IF, RACE or LOOP and not on another.
    lost: BTreeMap<&'a str, NodeId>,
}

impl<'a> Scope<'a> {
    fn bind(&mut self, name: &'a str) {
        self.lost.remove(name);
        self.bound.insert(name);
    }

    /// What holds after one of several ways that meet behind `node`; `None` when no way leads there.
    fn meet(ways: Vec<Scope<'a>>, node: NodeId) -> Option<Scope<'a>> {
        let mut ways = ways.into_iter();
        let mut met = ways.next()?;
        for way in ways {
            for name in met.bound.symmetric_difference(&way.bound) {
                met.lost.insert(name, node);
            }
            for (name, lost) in way.lost {
                met.lost.entry(name).or_insert(lost);
            }
            met.bound.retain(|name| way.bound.contains(name));
        }
        Some(met)
    }
}

struct Linter<'a> {
    graph: &'a Graph,
    /// Every name in the graph.
    names: BTreeSet<&'a str>,
    /// For each loop around the current node the scopes with which its BREAKs leave.
    ways_out: Vec<Vec<Scope<'a>>>,
    errors: Vec<LintError>,
}

impl<'a> Linter<'a> {
    /// Checks a node and what is below. Returns the scope after it, or `None` when nothing comes after it.
    fn walk(&mut self, id: NodeId, scope: Scope<'a>) -> Option<Scope<'a>> {
        let graph = self.graph;
        let mut after = match graph.kind(id) {
            NodeKind::Then(_) => self.sequence(id, scope),
            NodeKind::If(choice) => {
                let scope = match &choice.condition {
                    Condition::Node(condition) => self.walk(*condition, scope)?,
                    Condition::HasRows(name) => {
                        self.check_name(id, &scope, name, name);
                        scope
                    }
                };
                let then = self.walk(choice.then, scope.clone());
                let otherwise = self.walk(choice.otherwise, scope);
                Scope::meet(then.into_iter().chain(otherwise).collect(), id)
            }
            NodeKind::Join(join) => self.join(id, join, scope),
            NodeKind::Race(race) => {
                let ways = race.branches.iter().filter_map(|branch| self.walk(*branch, scope.clone()));
                Scope::meet(ways.collect(), id)
            }
            NodeKind::Loop(repeat) => {
                self.ways_out.push(Vec::new());
                let mut end = self.walk(repeat.body, scope);
                if let (Some(condition), Some(body)) = (repeat.condition, end.take()) {
                    end = self.walk(condition, body);
                }
                let mut ways_out = self.ways_out.pop().expect("pushed above");
                ways_out.extend(end);
                Scope::meet(ways_out, id)
            }
            NodeKind::Retry(retry) => self.walk(retry.body, scope),
            NodeKind::Timeout(timeout) => self.walk(timeout.body, scope),
            NodeKind::Catch(catch) => self.catch(id, catch, scope),
            NodeKind::Leaf(leaf) => self.leaf(id, leaf, scope),
        };
        if let (Some(scope), Some(name)) = (&mut after, &graph.node(id).result_name) {
            scope.bind(name);
        }
        after
    }

    fn leaf(&mut self, id: NodeId, leaf: &Leaf, scope: Scope<'a>) -> Option<Scope<'a>> {
        self.check(id, leaf.check());
        for text in leaf.texts() {
            self.check_references(id, &scope, &text.template());
        }
        if leaf.fails() {
            return None;
        }
        if !leaf.breaks() {
            return Some(scope);
        }
        match self.ways_out.last_mut() {
            Some(ways_out) => ways_out.push(scope),
            None => self.report(
                id,
                "df.break() was called outside of a loop. df.break() may only be used inside df.loop().",
                None,
            ),
        }
        None
    }

    /// Walks a chain of THENs without descending into it, however long. Names of the inner THENs are bound when
    /// the last of their steps is through.
    fn sequence(&mut self, id: NodeId, scope: Scope<'a>) -> Option<Scope<'a>> {
        enum Work {
            Walk(NodeId),
            Bind(NodeId),
        }
        let graph = self.graph;
        let mut scope = Some(scope);
        let mut open = vec![Work::Walk(id)];
        while let Some(work) = open.pop() {
            match work {
                Work::Bind(then) => {
                    if let (Some(scope), Some(name)) = (&mut scope, &graph.node(then).result_name) {
                        scope.bind(name);
                    }
                }
                Work::Walk(at) => {
                    if let NodeKind::Then(then) = graph.kind(at) {
                        open.extend([Work::Bind(at), Work::Walk(then.next), Work::Walk(then.first)]);
                    } else {
                        scope = self.walk(at, scope?);
                    }
                }
            }
        }
        scope
    }

    /// The handler sees what the body may have bound before it failed; behind the CATCH nobody does.
    fn catch(&mut self, id: NodeId, catch: &'a Catch, scope: Scope<'a>) -> Option<Scope<'a>> {
        let graph = self.graph;
        let after_body = self.walk(catch.body, scope.clone());
        let in_line = |at: &NodeId| graph.branch(*at) == catch.body && graph.is_within(*at, catch.body);
        let bound = (catch.body.0..catch.handler.0).map(NodeId).filter(in_line);
        let bound = bound.filter_map(|at| graph.node(at).result_name.as_deref());
        let shown: Vec<&str> = bound.chain([catch.name.as_str()]).collect();
        let mut in_handler = scope.clone();
        shown.iter().for_each(|name| in_handler.bind(name));
        self.names.insert(&catch.name);
        let mut after_handler = self.walk(catch.handler, in_handler);
        let own = self.names_within(catch.handler);
        if let Some(after) = &mut after_handler {
            after
                .bound
                .retain(|name| scope.bound.contains(name) || own.contains(name) || !shown.contains(name));
        }
        Scope::meet(after_body.into_iter().chain(after_handler).collect(), id)
    }

    fn join(&mut self, id: NodeId, join: &Join, scope: Scope<'a>) -> Option<Scope<'a>> {
        let branches = &join.branches;
        let after: Vec<_> = branches.iter().map(|branch| self.walk(*branch, scope.clone())).collect();
        let mut all = scope;
        if join.settles {
            // Any of them may have failed, and has bound nothing then.
            for name in branches.iter().flat_map(|branch| self.names_within(*branch)) {
                if !all.bound.contains(name) {
                    all.lost.insert(name, id);
                }
            }
            return Some(all);
        }
        for (branch, after) in branches.iter().zip(after) {
            // A JOIN completes when all branches do: one that leaves the loop leaves nothing to go on with.
            let after = after?;
            let bound = self.names_within(*branch).into_iter().filter(|name| after.bound.contains(name));
            bound.for_each(|name| all.bind(name));
            for (name, lost) in after.lost {
                if !all.bound.contains(name) {
                    all.lost.insert(name, lost);
                }
            }
        }
        Some(all)
    }

    /// The names below a node, which lie together as the arena is in pre-order.
    fn names_within(&self, id: NodeId) -> Vec<&'a str> {
        let graph = self.graph;
        let below = (id.0..graph.len() as u32).map(NodeId).take_while(|at| graph.is_within(*at, id));
        below.filter_map(|at| graph.node(at).result_name.as_deref()).collect()
    }

    fn check_references(&mut self, id: NodeId, scope: &Scope<'a>, template: &Template) {
        let mut seen = BTreeSet::new();
        for (reference, context) in template.references() {
            // In code an unknown `$name` is a syntax error for the server. In literals and bodies it may well be
            // meant as text, unless something in the graph has that name.
            let is_meant = context == Context::Code || self.names.contains(reference.name.as_str());
            // The instance's input is there without a node.
            if reference.name != INPUT && is_meant && seen.insert(&reference.name) {
                self.check_name(id, scope, &reference.name, &format!("${}", reference.name));
            }
        }
    }

    fn check_name(&mut self, id: NodeId, scope: &Scope<'a>, name: &str, shown: &str) {
        if scope.bound.contains(name) {
            return;
        }
        let node_type = |id: NodeId| self.graph.kind(id).name();
        let (message, hint) = match (scope.lost.get(name), self.beside(id, name)) {
            (Some(at), _) => (
                format!(
                    "{shown} is not bound on every way through the {} at {}",
                    node_type(*at),
                    self.graph.path(*at)
                ),
                format!("Name the {} itself, or bind {name} on each way through it.", node_type(*at)),
            ),
            (None, Some(at)) => (
                format!(
                    "{shown} is not bound here: its node is in a {} at {} and runs at the same time",
                    node_type(at),
                    self.graph.path(at)
                ),
                format!("Refer to it after the {}, or make it a step before.", node_type(at)),
            ),
            (None, None) if self.names.contains(name) => (
                format!("{shown} is not bound here: its node has not been carried out yet"),
                "Move the node that binds it before this one.".to_owned(),
            ),
            (None, None) => (
                format!("{shown} is not the name of any result"),
                match scope.bound.is_empty() {
                    true => format!("Give the step that it means the name {name}."),
                    false => {
                        let bound: Vec<&str> = scope.bound.iter().copied().take(20).collect();
                        format!("Bound here: {}.", bound.join(", "))
                    }
                },
            ),
        };
        self.report(id, &message, Some(hint));
    }

    /// The JOIN or RACE that has `id` and a node of this name in different branches.
    fn beside(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let graph = self.graph;
        let named = graph.iter().filter(|(_, node)| node.result_name.as_deref() == Some(name));
        let mut meeting = named.filter_map(|(other, _)| {
            let mut at = graph.parent(id)?;
            while !graph.is_within(other, at) {
                at = graph.parent(at)?;
            }
            // An ancestor is met in itself, and is not beside.
            (at != other).then_some(at)
        });
        meeting.find(|at| matches!(graph.kind(*at), NodeKind::Join(_) | NodeKind::Race(_)))
    }

    fn check<T>(&mut self, id: NodeId, result: Result<T, Problem>) {
        if let Err(problem) = result {
            let error = crate::error::GraphError::from(problem);
            self.report(id, &error.to_string(), error.hint().map(str::to_owned));
        }
    }

    fn report(&mut self, id: NodeId, message: &str, hint: Option<String>) {
        let error = LintError { path: self.graph.path(id), message: message.to_owned(), hint };
        self.errors.push(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Fragment;
    use crate::kind::{Break, Signal, Sql, WaitSchedule};

    fn sql(query: &str) -> Graph {
        Graph::leaf(Sql::new(query))
    }

    fn named(query: &str, name: &str) -> Graph {
        sql(query).named(name).unwrap()
    }

    fn end(value: Option<&str>) -> Graph {
        Graph::leaf(Break { value: value.map(str::to_owned) })
    }

    fn steps<const N: usize>(steps: [Graph; N]) -> Graph {
        Graph::sequence(steps.into()).unwrap()
    }

    fn check(graph: Graph, expected: &[&str]) {
        let found: Vec<String> = graph.lint().iter().map(LintError::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_are_bound_by_earlier_steps() {
        check(steps([named("SELECT 1", "a"), sql("SELECT $a, $a.x, '$USD', $1, $input")]), &[]);
        check(
            steps([sql("SELECT $a + $a"), named("SELECT $b", "a")]),
            &[
                "root.left: $a is not bound here: its node has not been carried out yet",
                "root.right: $b is not the name of any result",
            ],
        );
        check(
            steps([sql("SELECT '$a'"), named("DO $$ $a $$", "a")]),
            &[
                "root.left: $a is not bound here: its node has not been carried out yet",
                "root.right: $a is not bound here: its node has not been carried out yet",
            ],
        );
        check(steps([Graph::then(sql("1"), sql("2")).named("both").unwrap(), sql("SELECT $both")]), &[]);
        check(
            Graph::then(Graph::leaf(Sql { query: "$1 $2".to_owned(), params: vec![1.into()] }), sql("1")),
            &["root.left: there is no value for $2: params has 1"],
        );
        let hint = steps([named("1", "a"), sql("SELECT $b")]).lint().remove(0).hint;
        assert_eq!(hint.as_deref(), Some("Bound here: a."));
    }

    #[test]
    fn input_is_needed_where_a_step_refers_to_it() {
        for (graph, expected) in [
            (sql("SELECT $input.id"), true),
            (steps([sql("SELECT 1"), sql("SELECT $input")]), true),
            (sql("SELECT '$input', $input.id?"), false),
            (steps([named("SELECT 1", "input"), sql("SELECT $input")]), false),
        ] {
            assert_eq!(graph.needs_input(), expected, "{}", graph.to_json());
            assert_eq!(graph.lint(), []);
        }
        let on_rows = Fragment::if_rows("input", &Fragment::sql("1"), &Fragment::sql("2"));
        check(Graph::from_json(on_rows.as_str()).unwrap(), &["root: input is not the name of any result"]);
    }

    #[test]
    fn names_of_one_branch_are_not_bound_after_an_if() {
        let branch = |then, otherwise| Graph::if_else(named("c", "c"), then, otherwise);
        check(steps([branch(named("1", "a"), named("2", "a")), sql("SELECT $a, $c")]), &[]);
        check(
            steps([branch(named("1", "a"), sql("2")), sql("SELECT $a")]),
            &["root.right: $a is not bound on every way through the IF at root.left"],
        );
        check(
            branch(named("1", "a"), sql("SELECT $a")),
            &["root.right: $a is not bound here: its node has not been carried out yet"],
        );
        // A branch that leaves the loop does not come out behind the IF.
        check(Graph::repeat(steps([branch(named("1", "a"), end(None)), sql("SELECT $a")]), None), &[]);
    }

    #[test]
    fn branches_do_not_see_each_other() {
        let branches = || vec![named("1", "a"), steps([named("2", "b"), sql("SELECT $a, $b")])];
        let beside = |what| {
            format!(
                "root.left.right.right: $a is not bound here: its node is in a {what} at root.left and runs at the same time"
            )
        };
        check(steps([Graph::join(branches()).unwrap(), sql("SELECT $a, $b")]), &[&beside("JOIN")]);
        check(
            steps([Graph::race(branches()).unwrap(), sql("SELECT $a")]),
            &[&beside("RACE"), "root.right: $a is not bound on every way through the RACE at root.left"],
        );
        check(steps([named("0", "a"), Graph::join(branches()).unwrap(), sql("SELECT $b")]), &[]);
    }

    #[test]
    fn loops_bind_what_every_way_out_has_bound() {
        let body = |then| steps([named("1", "a"), Graph::if_else(sql("c"), then, sql("2")), named("3", "b")]);
        check(steps([Graph::repeat(body(sql("x")), Some(sql("SELECT $b"))), sql("SELECT $a, $b")]), &[]);
        check(
            steps([Graph::repeat(body(end(Some("$a"))), Some(sql("w"))), sql("SELECT $a, $b")]),
            &["root.right: $b is not bound on every way through the LOOP at root.left"],
        );
        check(steps([Graph::repeat(body(end(None)), None), sql("SELECT $a")]), &[]);
        check(
            Graph::repeat(steps([end(Some("$b $x")), named("1", "b")]), None),
            &["root.left.left: $b is not bound here: its node has not been carried out yet"],
        );
    }

    #[test]
    fn breaks_need_a_loop_and_waits_a_schedule() {
        check(
            Graph::join(vec![end(None), sql("1")]).unwrap(),
            &[
                "root.left: df.break() was called outside of a loop. df.break() may only be used inside df.loop().",
            ],
        );
        check(Graph::repeat(Graph::join(vec![end(None), sql("1")]).unwrap(), None), &[]);
        let wait = WaitSchedule { cron_expr: "soon".to_owned(), timezone: None };
        check(
            Graph::leaf(wait),
            &["root: Invalid cron expression 'soon': expected 5 fields, or 6 with a year, found 1"],
        );
        let signal = Signal { name: String::new(), timeout: None };
        check(Graph::leaf(signal), &["root: Signal name cannot be empty"]);
    }

    #[test]
    fn if_rows_needs_a_name() {
        check(
            steps([
                named("1", "a"),
                Graph::if_rows("a", sql("t"), sql("e")),
                Graph::if_rows("b", sql("t"), sql("e")),
            ]),
            &["root.right: b is not the name of any result"],
        );
    }

    #[test]
    fn long_chains_and_limits() {
        let long = |n: usize| Graph::sequence((0..n).map(|_| named("SELECT 1", "a")).collect()).unwrap();
        check(long(5_000), &[]);
        check(
            long(5_001),
            &[
                "root: Workflow exceeds maximum node count of 10000. Simplify the workflow or break it into multiple instances.",
            ],
        );
    }
}
