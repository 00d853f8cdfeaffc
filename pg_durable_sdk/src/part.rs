//! What a workflow is made of: a piece of the graph that may have faults.
//!
//! Pieces are flat (an arena of nodes), so neither making nor dropping a deep workflow recurses. A node that
//! is wrong becomes a placeholder with a fault, which moves along until the whole graph can name its path.

use crate::fault::Misplaced;
use pg_durable_graph::{
    Graph, GraphError, Problem,
    kind::{NodeKind, Sql},
};

/// A piece of a workflow: a step, a wait, or a whole workflow.
///
/// Everything that a workflow can be made of turns into it, so that branches of different types may stand
/// side by side.
#[derive(Debug, Clone)]
#[must_use]
pub struct Part {
    graph: Graph,
    faults: Vec<Misplaced>,
}

impl Part {
    /// One node without children.
    pub(crate) fn leaf(kind: Result<NodeKind, Problem>) -> Self {
        match kind {
            Ok(kind) => Self { graph: Graph::leaf(kind), faults: Vec::new() },
            Err(problem) => Self::faulty(Misplaced::at_root(&problem.into())),
        }
    }

    /// A placeholder for what could not be made.
    pub(crate) fn faulty(fault: Misplaced) -> Self {
        Self { graph: placeholder(), faults: vec![fault] }
    }

    /// Names the result of the root, if there is a name.
    pub(crate) fn named(mut self, name: Option<String>) -> Self {
        let Some(name) = name else { return self };
        // Tried on a placeholder, because a refused name takes the graph with it.
        match placeholder().named(name.as_str()) {
            Err(error) => self.with_fault(Misplaced::at_root(&error)),
            Ok(_) => {
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
        let (graphs, faults) = take_apart(steps, thens);
        Some(Self { graph: Graph::sequence(graphs)?, faults })
    }

    /// A node over these children.
    pub(crate) fn over(
        children: Vec<Part>,
        combine: impl FnOnce(Vec<Graph>) -> Result<Graph, GraphError>,
    ) -> Self {
        let (graphs, faults) = take_apart(children, 1);
        match combine(graphs) {
            Ok(graph) => Self { graph, faults },
            Err(error) => Self::faulty(Misplaced::at_root(&error)),
        }
    }

    pub(crate) fn into_pieces(self) -> (Graph, Vec<Misplaced>) {
        (self.graph, self.faults)
    }
}

fn placeholder() -> Graph {
    Graph::leaf(NodeKind::Sql(Sql { query: "SELECT 1".to_owned() }))
}

/// Separates graphs from faults, whose nodes come to lie after `above` others and the parts before.
fn take_apart(parts: Vec<Part>, above: u32) -> (Vec<Graph>, Vec<Misplaced>) {
    let mut offset = above;
    let mut graphs = Vec::with_capacity(parts.len());
    let mut faults = Vec::new();
    for part in parts {
        faults.extend(part.faults.into_iter().map(|fault| fault.moved_by(offset)));
        offset += part.graph.len() as u32;
        graphs.push(part.graph);
    }
    (graphs, faults)
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
