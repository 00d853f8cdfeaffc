//! The graph as a Mermaid flowchart.

use crate::graph::Graph;
use crate::kind::{Condition, If, NodeKind, Retry, Timeout};
use crate::node_id::NodeId;
use crate::shorten::shorten;
use crate::shown::Mark;

/// Draws the flow of control: boxes are steps, arrows say what comes next. Ids are those of the nodes, so that
/// the text of a graph is always the same. `mark` colours the boxes of an instance.
pub fn mermaid(graph: &Graph, mark: impl Fn(NodeId) -> Option<Mark>) -> String {
    let mut chart = Chart { graph, shapes: vec![String::new(); graph.len()], edges: Vec::new() };
    let mut flows: Vec<Flow> = (0..graph.len()).map(|_| Flow::default()).collect();
    // Children come after their parents in the arena, so this meets them before.
    for (id, _) in graph.iter().rev() {
        flows[id.index()] = chart.flow(id, &mut flows);
    }

    let mut out = String::from("flowchart TD\n");
    for shape in chart.shapes.iter().filter(|shape| !shape.is_empty()) {
        out.push_str(shape);
    }
    chart.edges.sort_by_key(|edge| edge.order);
    for edge in &chart.edges {
        out.push_str(&edge.text);
    }
    push_marks(&mut out, graph, mark);
    out
}

/// Where a part of the chart begins and where it can be left.
#[derive(Default)]
struct Flow {
    entry: String,
    exits: Vec<Exit>,
}

/// A box with the text on the arrow that leaves it.
struct Exit {
    from: String,
    label: Option<&'static str>,
}

struct Edge {
    order: u32,
    text: String,
}

struct Chart<'a> {
    graph: &'a Graph,
    shapes: Vec<String>,
    edges: Vec<Edge>,
}

impl Chart<'_> {
    fn flow(&mut self, id: NodeId, flows: &mut [Flow]) -> Flow {
        let graph = self.graph;
        let mut take = |child: NodeId| std::mem::take(&mut flows[child.index()]);
        let box_id = format!("n{}", id.0);
        let leave = |label| vec![Exit { from: box_id.clone(), label }];
        match graph.kind(id) {
            NodeKind::Then(then) => {
                let (first, next) = (take(then.first), take(then.next));
                self.connect(id, first.exits, &next.entry);
                Flow { entry: first.entry, exits: next.exits }
            }
            NodeKind::If(choice) => {
                self.decision(id, &box_id);
                let entry = match choice.condition {
                    Condition::Node(condition) => {
                        let condition = take(condition);
                        self.connect(id, condition.exits, &box_id);
                        condition.entry
                    }
                    Condition::HasRows(_) => box_id.clone(),
                };
                let (then, otherwise) = (take(choice.then), take(choice.otherwise));
                self.connect(id, leave(Some("yes")), &then.entry);
                self.connect(id, leave(Some("no")), &otherwise.entry);
                Flow { entry, exits: then.exits.into_iter().chain(otherwise.exits).collect() }
            }
            NodeKind::Join(join) => {
                let branches = join.branches.iter().copied().map(take).collect();
                self.branches(id, box_id, branches, "all")
            }
            NodeKind::Race(race) => {
                let branches = race.branches.iter().copied().map(take).collect();
                self.branches(id, box_id, branches, "first")
            }
            NodeKind::Loop(repeat) => {
                let (body, condition) = (take(repeat.body), repeat.condition.map(take));
                self.repeat(id, box_id, body, condition)
            }
            NodeKind::Retry(Retry { body, .. }) | NodeKind::Timeout(Timeout { body, .. }) => {
                let body = take(*body);
                self.rounded(id, &box_id);
                self.connect(id, leave(None), &body.entry);
                Flow { entry: box_id, exits: body.exits }
            }
            NodeKind::Catch(catch) => {
                let (body, handler) = (take(catch.body), take(catch.handler));
                self.rounded(id, &box_id);
                self.connect(id, leave(None), &body.entry);
                let text = format!("    {box_id} -.->|failure| {}\n", handler.entry);
                self.edges.push(Edge { order: id.0, text });
                Flow { entry: box_id, exits: body.exits.into_iter().chain(handler.exits).collect() }
            }
            NodeKind::Leaf(leaf) if leaf.fails() => {
                self.rounded(id, &box_id);
                Flow { entry: box_id, exits: Vec::new() }
            }
            NodeKind::Leaf(leaf) if leaf.breaks() => {
                self.rounded(id, &box_id);
                if let Some(around) = graph.enclosing_loop(id) {
                    let text = format!("    {box_id} -.->|break| n{}\n", around.0);
                    self.edges.push(Edge { order: id.0, text });
                }
                Flow { entry: box_id, exits: Vec::new() }
            }
            NodeKind::Leaf(leaf) => {
                match leaf.wait() {
                    Some(_) => self.rounded(id, &box_id),
                    None => self.shape(id, &box_id, "[\"", "\"]"),
                }
                Flow { exits: leave(None), entry: box_id }
            }
        }
    }

    /// A body, and a box that leads back to it.
    fn repeat(&mut self, id: NodeId, box_id: String, body: Flow, condition: Option<Flow>) -> Flow {
        let leave = |label| vec![Exit { from: box_id.clone(), label }];
        self.decision(id, &box_id);
        match condition {
            Some(condition) => {
                self.connect(id, body.exits, &condition.entry);
                self.connect(id, condition.exits, &box_id);
                self.connect(id, leave(Some("again")), &body.entry);
                // BREAKs arrive at the same box from which a false condition leaves.
                Flow { entry: body.entry, exits: leave(Some("done")) }
            }
            None => {
                self.connect(id, body.exits, &box_id);
                self.connect(id, leave(Some("again")), &body.entry);
                let exits = if self.graph.has_break(id) { leave(Some("break")) } else { Vec::new() };
                Flow { entry: body.entry, exits }
            }
        }
    }

    /// A box where the branches begin and a circle that says which of them are waited for.
    fn branches(&mut self, id: NodeId, box_id: String, branches: Vec<Flow>, awaited: &str) -> Flow {
        let end = format!("{box_id}e");
        self.shape(id, &box_id, "[[\"", "\"]]");
        self.shapes[id.index()].push_str(&format!("    {end}((\"{awaited}\"))\n"));
        for branch in branches {
            self.connect(id, vec![Exit { from: box_id.clone(), label: None }], &branch.entry);
            self.connect(id, branch.exits, &end);
        }
        Flow { entry: box_id, exits: vec![Exit { from: end, label: None }] }
    }

    fn connect(&mut self, order: NodeId, exits: Vec<Exit>, to: &str) {
        for Exit { from, label } in exits {
            let text = match label {
                Some(label) => format!("    {from} -->|{label}| {to}\n"),
                None => format!("    {from} --> {to}\n"),
            };
            self.edges.push(Edge { order: order.0, text });
        }
    }

    fn decision(&mut self, id: NodeId, box_id: &str) {
        self.shape(id, box_id, "{\"", "\"}");
    }

    fn rounded(&mut self, id: NodeId, box_id: &str) {
        self.shape(id, box_id, "([\"", "\"])");
    }

    fn shape(&mut self, id: NodeId, box_id: &str, open: &str, close: &str) {
        let node = self.graph.node(id);
        let mut label = node.kind.label().into_owned();
        if let NodeKind::If(If { condition: Condition::HasRows(name), .. }) = &node.kind {
            label.push_str(&format!(" {} has rows", shorten(name, 50)));
        }
        if let Some(name) = &node.result_name {
            label.push_str(&format!(" → {name}"));
        }
        self.shapes[id.index()] = format!("    {box_id}{open}{}{close}\n", escape(&label));
    }
}

/// Writes a label so that none of its characters mean anything to Mermaid or HTML.
fn escape(label: &str) -> String {
    let mut out = String::with_capacity(label.len());
    for character in label.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' => {
                out.push_str(&format!("#{};", u32::from(character)));
            }
            '\n' | '\r' | '\t' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

fn push_marks(out: &mut String, graph: &Graph, mark: impl Fn(NodeId) -> Option<Mark>) {
    let styles = [
        (Mark::Completed, "completed", "fill:#d4edda,stroke:#28a745"),
        (Mark::Failed, "failed", "fill:#f8d7da,stroke:#dc3545"),
        (Mark::Running, "running", "fill:#fff3cd,stroke:#ffc107"),
        (Mark::Pending, "pending", "fill:#ffffff,stroke:#6c757d"),
        (Mark::Skipped, "skipped", "fill:#e9ecef,stroke:#adb5bd,stroke-dasharray:4"),
    ];
    for (wanted, class, style) in styles {
        let marked: Vec<String> = graph
            .iter()
            .filter(|(id, node)| !matches!(node.kind, NodeKind::Then(_)) && mark(*id) == Some(wanted))
            .map(|(id, _)| format!("n{}", id.0))
            .collect();
        if !marked.is_empty() {
            out.push_str(&format!("    classDef {class} {style}\n    class {} {class}\n", marked.join(",")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Fragment;
    use crate::kind::Break;

    fn check(fragment: &Fragment, expected: &[&str]) {
        let text = mermaid(&Graph::from_json(fragment.as_str()).unwrap(), |_| None);
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn mermaid_draws_the_flow_of_control() {
        let sql = Fragment::sql;
        check(
            &Fragment::then(&sql("SELECT \"a\" <b>").named("x").unwrap(), &sql("c")),
            &["flowchart TD", "n1[\"SQL: SELECT #34;a#34; #60;b#62; → x\"]", "n2[\"SQL: c\"]", "n1 --> n2"],
        );
        let branch = Fragment::if_else(&sql("c"), &sql("t"), &Fragment::leaf(Break { value: None }));
        check(
            &Fragment::then(&Fragment::repeat(&branch, None), &sql("z")),
            &[
                "flowchart TD",
                "n1{\"LOOP (infinite)\"}",
                "n2{\"IF\"}",
                "n3[\"SQL: c\"]",
                "n4[\"SQL: t\"]",
                "n5([\"BREAK\"])",
                "n6[\"SQL: z\"]",
                "n1 -->|break| n6",
                "n4 --> n1",
                "n1 -->|again| n3",
                "n3 --> n2",
                "n2 -->|yes| n4",
                "n2 -->|no| n5",
                "n5 -.->|break| n1",
            ],
        );
        check(
            &Fragment::race(&[sql("a"), Fragment::repeat(&sql("b"), Some(&sql("w")))]).unwrap(),
            &[
                "flowchart TD",
                "n0[[\"RACE\"]]",
                "n0e((\"first\"))",
                "n1[\"SQL: a\"]",
                "n2{\"LOOP (while)\"}",
                "n3[\"SQL: b\"]",
                "n4[\"SQL: w\"]",
                "n0 --> n1",
                "n1 --> n0e",
                "n0 --> n3",
                "n2 -->|done| n0e",
                "n3 --> n4",
                "n4 --> n2",
                "n2 -->|again| n3",
            ],
        );
    }

    #[test]
    fn mermaid_colours_an_instance() {
        let graph =
            Graph::from_json(Fragment::then(&Fragment::sql("a"), &Fragment::sql("b")).as_str()).unwrap();
        let text = mermaid(&graph, |_| Some(Mark::Completed));
        assert!(
            text.ends_with("    classDef completed fill:#d4edda,stroke:#28a745\n    class n1,n2 completed\n")
        );
    }
}
