//! What the results of a graph's nodes will look like, as far as that can be told without running it.

use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::kind::{CAUGHT, Condition, NodeKind, Retry, Timeout};
use pg_durable_graph::progress::Caught;
use pg_durable_graph::{Column, Graph, NodeId, Outcome, columns};
use serde_json::{Map, Value, json};

use super::sample;

/// The look of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Rows of SQL.
    Rows {
        columns: Vec<Column>,
        /// The types depend on values that nothing is known of.
        is_vague: bool,
    },
    /// A JSON document; NULL stands for what is not known of it.
    Document(Value),
    /// Anything.
    Open,
}

impl Shape {
    /// Whether it is that of a handler that hands the failure on.
    fn tells_of_failure(&self) -> bool {
        match self {
            Shape::Rows { columns, .. } => matches!(columns.as_slice(), [only] if only.name == CAUGHT),
            Shape::Document(_) | Shape::Open => false,
        }
    }

    /// A result of this look. NULL in it is to be filled in by [`sample::reach`].
    pub fn sample(&self) -> Outcome {
        match self {
            Shape::Rows { columns, .. } => {
                let types = columns.iter().map(|column| sample::of_type(&column.type_name));
                let row: Map<String, Value> = columns::members(columns).into_iter().zip(types).collect();
                let value = json!({"rows": [row], "row_count": 1});
                Outcome { value, columns: Some(Arc::new(columns.clone())), branches: None }
            }
            Shape::Document(value) => Outcome::plain(value.clone()),
            Shape::Open => Outcome::plain(Value::Null),
        }
    }
}

/// The shapes of the SQL steps that have been looked at; those of the other nodes follow.
pub struct Shapes<'a> {
    graph: &'a Graph,
    /// The nodes that bear each name, in the graph's order.
    named: HashMap<&'a str, Vec<NodeId>>,
    /// The handlers that see a failure under each name.
    handlers: HashMap<&'a str, Vec<NodeId>>,
    steps: HashMap<NodeId, Shape>,
}

impl<'a> Shapes<'a> {
    pub fn new(graph: &'a Graph) -> Shapes<'a> {
        let mut named: HashMap<&str, Vec<NodeId>> = HashMap::new();
        let mut handlers: HashMap<&str, Vec<NodeId>> = HashMap::new();
        for (id, node) in graph.iter() {
            if let Some(name) = &node.result_name {
                named.entry(name).or_default().push(id);
            }
            if let NodeKind::Catch(catch) = &node.kind {
                handlers.entry(&catch.name).or_default().push(catch.handler);
            }
        }
        Shapes { graph, named, handlers, steps: HashMap::new() }
    }

    pub fn has_name(&self, name: &str) -> bool {
        self.named.contains_key(name) || self.handlers.contains_key(name)
    }

    pub fn insert(&mut self, step: NodeId, shape: Shape) {
        self.steps.insert(step, shape);
    }

    /// What a name, of which a reference at a node asks for this member, stands for: what the nodes before it that may have
    /// bound it last agree on. Those that only tell of a failure are asked for that, and count for nothing else.
    pub fn of_name(&self, name: &str, member: Option<&str>, at: NodeId) -> Shape {
        let asks_for_failure = member == Some(CAUGHT);
        let named = self.named.get(name).map(Vec::as_slice).unwrap_or_default();
        // What is bound in the handler may stand in place of the failure; what was before it does not.
        let handler = self.handler(name, at);
        let mut found = handler.map(|_| Shape::Document(Caught::sample().value()));
        let is_seen = |node: &NodeId| *node < at && handler.is_none_or(|handler| *node >= handler);
        for node in named.iter().rev().copied().filter(is_seen) {
            let Some(always) = self.is_passed(node, at) else { continue };
            let shape = self.of_node(node);
            match (shape.tells_of_failure(), asks_for_failure) {
                (true, true) => return Shape::Document(json!({ CAUGHT: Caught::sample().value() })),
                (true, false) => continue,
                (false, true | false) => {}
            }
            if always && handler.is_some() {
                return shape;
            }
            match &found {
                Some(other) if *other != shape => return Shape::Open,
                Some(_) | None => found = Some(shape),
            }
            if always {
                break;
            }
        }
        found.unwrap_or(Shape::Open)
    }

    /// The innermost handler around a node that sees a failure under this name.
    fn handler(&self, name: &str, at: NodeId) -> Option<NodeId> {
        let handlers = self.handlers.get(name)?;
        // An inner node comes behind those around it.
        handlers.iter().rev().copied().find(|handler| self.graph.is_within(at, *handler))
    }

    /// Whether whoever gets to `at` has passed `node`: always, perhaps, or (`None`) not in this generation.
    fn is_passed(&self, node: NodeId, at: NodeId) -> Option<bool> {
        let graph = self.graph;
        if graph.is_within(at, node) {
            return None;
        }
        let (mut always, mut inner) = (true, node);
        while let Some(outer) = graph.parent(inner) {
            let is_meeting = graph.is_within(at, outer);
            match graph.kind(outer) {
                // Branches beside each other.
                NodeKind::Join(_) | NodeKind::Race(_) if is_meeting => return None,
                // Also to the handler of a CATCH, which sees what the body may have bound.
                NodeKind::Race(_) | NodeKind::Catch(_) => always = false,
                NodeKind::Retry(_) | NodeKind::Timeout(_) => {}
                NodeKind::If(choice) => {
                    let is_condition =
                        matches!(choice.condition, Condition::Node(condition) if condition == inner);
                    if is_meeting && !is_condition {
                        return None;
                    }
                    always &= is_condition;
                }
                NodeKind::Then(_) | NodeKind::Join(_) | NodeKind::Loop(_) => {}
                NodeKind::Leaf(_) => {}
            }
            if is_meeting {
                return Some(always);
            }
            inner = outer;
        }
        Some(always)
    }

    fn of_node(&self, node: NodeId) -> Shape {
        let mut node = node;
        // A chain of THENs may be long; what else is nested is within the limit on depth.
        while let NodeKind::Then(then) = self.graph.kind(node) {
            node = then.next;
        }
        match self.graph.kind(node) {
            NodeKind::Leaf(leaf) => {
                let known = self.steps.get(&node).cloned();
                known.or_else(|| leaf.sample().map(Shape::Document)).unwrap_or(Shape::Open)
            }
            NodeKind::If(choice) => self.common(&[choice.then, choice.otherwise]),
            NodeKind::Race(race) if race.tagged => {
                let result = match self.common(&race.branches) {
                    Shape::Document(result) => result,
                    Shape::Rows { .. } | Shape::Open => Value::Null,
                };
                Shape::Document(json!({"branch": 1, "result": result}))
            }
            NodeKind::Race(race) => self.common(&race.branches),
            NodeKind::Retry(Retry { body, .. }) | NodeKind::Timeout(Timeout { body, .. }) => {
                self.of_node(*body)
            }
            NodeKind::Catch(catch) => self.common(&[catch.body, catch.handler]),
            NodeKind::Join(_) => Shape::Document(json!([])),
            NodeKind::Loop(_) if self.graph.has_break(node) => Shape::Open,
            NodeKind::Loop(repeat) => self.of_node(repeat.body),
            // The loop above has passed it.
            NodeKind::Then(_) => Shape::Open,
        }
    }

    fn common(&self, branches: &[NodeId]) -> Shape {
        let mut shapes = branches.iter().map(|branch| self.of_node(*branch));
        let first = shapes.next().unwrap_or(Shape::Open);
        if shapes.all(|shape| shape == first) { first } else { Shape::Open }
    }
}
