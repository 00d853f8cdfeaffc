//! What a workflow is made of: a piece of the graph that may have faults.
//!
//! Pieces are flat (an arena of nodes), so neither making nor dropping a deep workflow recurses. A node that
//! is wrong becomes a placeholder with a fault, which moves along until the whole graph can name its path.

use crate::{
    fault::{Fault, Misplaced},
    name::{Named, ResultName, SharedName},
};
use pg_durable_graph::{
    Graph, GraphError, NodeId, Problem,
    kind::{Leaf, Sql},
};
use std::collections::BTreeMap;

/// A piece of a workflow: a step, a wait, or a whole workflow.
///
/// Everything that a workflow can be made of turns into it, so that branches of different types may stand
/// side by side.
#[derive(Debug, Clone)]
#[must_use]
pub struct Part {
    graph: Graph,
    faults: Vec<Misplaced>,
    /// Nodes that have no name unless a capture gives them one.
    capturable: Vec<Captured>,
    /// Nodes that look for rows of a step that has no name unless a capture gives it one.
    looking: Vec<Captured>,
}

/// A node, and the name that a capture may give.
#[derive(Debug, Clone)]
struct Captured {
    node: NodeId,
    name: SharedName,
}

impl Captured {
    fn moved_by(mut self, nodes: u32) -> Self {
        self.node.0 += nodes;
        self
    }
}

impl Part {
    /// One node without children.
    pub(crate) fn leaf(leaf: Result<impl Into<Leaf>, Problem>) -> Self {
        match leaf {
            Ok(leaf) => Self::whole(Graph::leaf(leaf)),
            Err(problem) => Self::faulty(Misplaced::at_root(&problem.into())),
        }
    }

    /// A placeholder for what could not be made.
    pub(crate) fn faulty(fault: Misplaced) -> Self {
        Self::whole(placeholder()).with_fault(fault)
    }

    fn whole(graph: Graph) -> Self {
        Self { graph, faults: Vec::new(), capturable: Vec::new(), looking: Vec::new() }
    }

    /// Lets the root take the name that a capture gives.
    pub(crate) fn capturable(mut self, name: SharedName) -> Self {
        self.capturable.push(Captured { node: NodeId::ROOT, name });
        self
    }

    /// Names the result of the root, if there is a name.
    pub(crate) fn named(mut self, name: Option<String>) -> Self {
        let Some(name) = name else { return self };
        match check_name(&name) {
            Err(error) => self.with_fault(Misplaced::at_root(&error)),
            Ok(()) => {
                let graph = std::mem::replace(&mut self.graph, placeholder());
                self.graph = graph.named(name).expect("a name is good for every graph or for none");
                self
            }
        }
    }

    pub(crate) fn with_fault(mut self, fault: Misplaced) -> Self {
        self.faults.push(fault);
        self
    }

    /// One step after the other; `None` of no steps.
    pub(crate) fn sequence(steps: Vec<Part>) -> Option<Self> {
        let thens = steps.len().checked_sub(1)? as u32;
        let (graphs, rest) = take_apart(steps, thens);
        Some(Self { graph: Graph::sequence(graphs)?, ..rest })
    }

    /// A node over these children.
    pub(crate) fn over(
        children: Vec<Part>,
        combine: impl FnOnce(Vec<Graph>) -> Result<Graph, GraphError>,
    ) -> Self {
        let (graphs, rest) = take_apart(children, 1);
        match combine(graphs) {
            Ok(graph) => Self { graph, ..rest },
            Err(error) => Self::faulty(Misplaced::at_root(&error)),
        }
    }

    /// One of two, by whether the result has rows.
    pub(crate) fn on_rows(result: ResultName, then: Part, otherwise: Part) -> Self {
        let (name, captured) = match result.0 {
            Named::As(name) => (name, None),
            Named::ByCapture(name) => (String::new(), Some(name)),
        };
        let mut part = Self::over(vec![then, otherwise], |graphs| match <[Graph; 2]>::try_from(graphs) {
            Ok([then, otherwise]) => Ok(Graph::if_rows(name, then, otherwise)),
            Err(_) => unreachable!("there are two"),
        });
        part.looking.extend(captured.map(|name| Captured { node: NodeId::ROOT, name }));
        part
    }

    /// The graph, with the names that captures gave, and what is wrong with it so far.
    pub(crate) fn into_graph(self) -> (Graph, Vec<Fault>) {
        let Self { mut graph, mut faults, capturable, looking } = self;
        let mut taken: BTreeMap<String, Option<SharedName>> =
            graph.iter().filter_map(|(_, node)| Some((node.result_name.clone()?, None))).collect();
        for Captured { node, name } in capturable {
            let Some(text) = name.get().map(str::to_owned) else { continue };
            // A workflow of one step may have given it a name of its own.
            if graph.node(node).result_name.is_some() {
                continue;
            }
            let is_free = match taken.get(&text) {
                Some(Some(other)) => other.is_same_step(&name),
                Some(None) => false,
                None => true,
            };
            if !is_free {
                faults.push(namesake(node, &text));
            } else if let Err(error) = check_name(&text) {
                faults.push(Misplaced { node, ..Misplaced::at_root(&error) });
            } else {
                taken.insert(text.clone(), Some(name));
                graph = graph.named_at(node, text).expect("the name was checked");
            }
        }
        for Captured { node, name } in looking {
            match name.get() {
                Some(text) => graph = graph.looking_at(node, text),
                None => faults.push(nameless(node)),
            }
        }
        faults.sort_by_key(|fault| fault.node);
        let faults = faults.into_iter().map(|fault| fault.placed_in(&graph)).collect();
        (graph, faults)
    }
}

fn namesake(node: NodeId, name: &str) -> Misplaced {
    Misplaced {
        node,
        message: format!("this step is named {name} after its variable, and another step has that name too"),
        hint: Some("Give one of the two another name with named(), or another variable.".to_owned()),
    }
}

fn nameless(node: NodeId) -> Misplaced {
    Misplaced {
        node,
        message: "the step whose rows are looked for has no name".to_owned(),
        hint: Some("Name it with named(), or capture it with sql!.".to_owned()),
    }
}

/// Tried on a placeholder, because a refused name takes the graph with it.
fn check_name(name: &str) -> Result<(), GraphError> {
    placeholder().named(name).map(|_| ())
}

fn placeholder() -> Graph {
    Graph::leaf(Sql::new("SELECT 1"))
}

/// Separates graphs from what is known of their nodes, which come to lie after `above` others and the parts
/// before. The second is without a graph.
fn take_apart(parts: Vec<Part>, above: u32) -> (Vec<Graph>, Part) {
    let mut offset = above;
    let mut graphs = Vec::with_capacity(parts.len());
    let mut all = Part::whole(placeholder());
    for part in parts {
        all.faults.extend(part.faults.into_iter().map(|fault| fault.moved_by(offset)));
        all.capturable.extend(part.capturable.into_iter().map(|step| step.moved_by(offset)));
        all.looking.extend(part.looking.into_iter().map(|branch| branch.moved_by(offset)));
        offset += part.graph.len() as u32;
        graphs.push(part.graph);
    }
    (graphs, all)
}

/// Several parts at once: an array, a `Vec` or any iterator of parts of one type, or a tuple of parts of
/// different types.
///
/// `Kind` only tells the two apart, so that the compiler can; it is always inferred.
///
/// ```
/// use pg_durable_sdk::{Part, Workflow, signal, sql};
///
/// let regions = ["north", "south"];
/// let by_iterator = regions.map(|region| sql(format!("CALL close_books('{region}')")));
/// let workflow = Workflow::new()
///     .fan_out(by_iterator)
///     .race((sql("CALL wait_for_courier()"), signal("picked up")))
///     .race([Part::from(sql("SELECT 1")), Part::from(signal("go"))]);
/// # assert!(workflow.graph().is_ok());
/// ```
pub trait IntoParts<Kind> {
    /// The parts, in order.
    fn into_parts(self) -> Vec<Part>;
}

/// The [`IntoParts`] of iterators.
#[derive(Debug)]
pub struct OfOneType;

/// The [`IntoParts`] of tuples.
#[derive(Debug)]
pub struct OfManyTypes;

impl<I> IntoParts<OfOneType> for I
where
    I: IntoIterator,
    I::Item: Into<Part>,
{
    fn into_parts(self) -> Vec<Part> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples_into_parts {
    ($(($($part:ident)+))+) => {$(
        impl<$($part: Into<Part>),+> IntoParts<OfManyTypes> for ($($part,)+) {
            fn into_parts(self) -> Vec<Part> {
                #[allow(non_snake_case, reason = "the parts are named as their types")]
                let ($($part,)+) = self;
                vec![$($part.into()),+]
            }
        }
    )+};
}

tuples_into_parts! {
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
