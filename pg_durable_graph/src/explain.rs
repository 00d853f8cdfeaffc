//! The graph as a tree of text, for `df.explain`.

use std::borrow::Cow;

use crate::graph::Graph;
use crate::kind::NodeKind;
use crate::node_id::NodeId;
use crate::shorten::shorten;
use crate::shown::Mark;

/// What stands above the tree of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceHeader<'a> {
    /// The instance's id.
    pub id: &'a str,
    /// Its label.
    pub label: Option<&'a str>,
    /// Its status in any spelling, as it is to be shown.
    pub status: &'a str,
    /// Its output, if there is one.
    pub output: Option<&'a str>,
}

/// Draws a graph; `mark` says what to show behind each node, `None` for nothing. No line depends on how long another is.
pub fn draw(graph: &Graph, mark: impl Fn(NodeId) -> Option<Mark>) -> String {
    tree(graph, mark).join("\n")
}

/// [`draw`] as `df.explain` does, every line padded with spaces to the longest one and four more, counted in characters.
pub fn explain(graph: &Graph, mark: impl Fn(NodeId) -> Option<Mark>) -> String {
    pad(&tree(graph, mark))
}

/// Draws an instance: the header, an empty line, and the tree.
pub fn explain_instance(
    header: &InstanceHeader<'_>,
    graph: &Graph,
    mark: impl Fn(NodeId) -> Option<Mark>,
) -> String {
    let mut lines = Vec::new();
    lines.push(match header.label {
        Some(label) => format!("Instance: {} ({label})", header.id),
        None => format!("Instance: {}", header.id),
    });
    lines.push(format!("Status:   {} {}", status_symbol(header.status), header.status));
    if let Some(output) = header.output {
        lines.push(format!("Output:   {}", shorten(output, 60)));
    }
    lines.push(String::new());
    lines.extend(tree(graph, mark));
    pad(&lines)
}

/// The same drawing in ASCII, for a database whose encoding lacks the signs. As wide as before.
pub fn in_ascii(drawing: &str) -> String {
    let sign = |sign| match sign {
        '\u{2713}' => '+',
        '\u{2717}' => 'x',
        '\u{23f3}' => '*',
        '\u{25cb}' => 'o',
        '\u{2192}' => '>',
        '\u{2514}' => '`',
        '\u{2500}' => '-',
        '\u{2551}' => '|',
        '\u{21bb}' => '@',
        other => other,
    };
    drawing.chars().map(sign).collect()
}

fn status_symbol(status: &str) -> &'static str {
    match status.to_ascii_lowercase().as_str() {
        "completed" | "continuedasnew" => "✓",
        "failed" | "cancelled" => "✗",
        "running" => "⏳",
        _ => "○",
    }
}

fn pad(lines: &[String]) -> String {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) + 4;
    let padded: Vec<String> = lines.iter().map(|line| format!("{line:<width$}")).collect();
    padded.join("\n")
}

/// What is still to be drawn.
enum Part {
    Node { id: NodeId, prefix: String, place: Place },
    Line(String),
}

/// How a node hangs on what is above it.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Directly under the prefix.
    Child,
    /// A later step of a sequence.
    Step,
}

/// The lines. A stack instead of recursion, so that no graph is too deep to be shown.
fn tree(graph: &Graph, mark: impl Fn(NodeId) -> Option<Mark>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut parts = vec![Part::Node { id: NodeId::ROOT, prefix: String::new(), place: Place::Child }];
    while let Some(part) = parts.pop() {
        let (id, prefix, place) = match part {
            Part::Line(line) => {
                lines.push(line);
                continue;
            }
            Part::Node { id, prefix, place } => (id, prefix, place),
        };
        let below = format!("{prefix}    ");
        if let NodeKind::Then(_) = graph.kind(id) {
            let steps = graph.sequence_of(id);
            for (nth, step) in steps.into_iter().enumerate().rev() {
                parts.push(if nth == 0 {
                    Part::Node { id: step, prefix: prefix.clone(), place }
                } else {
                    Part::Node { id: step, prefix: below.clone(), place: Place::Step }
                });
            }
            continue;
        }
        let connector = match place {
            Place::Step => "→ ",
            Place::Child if prefix.is_empty() => "",
            Place::Child => "└─",
        };
        lines.push(format!("{prefix}{connector}{}", line_of(graph, id, &mark)));
        for (title, child) in sections(graph.kind(id)).into_iter().rev() {
            parts.push(Part::Node { id: child, prefix: format!("{below}  "), place: Place::Child });
            parts.push(Part::Line(format!("{below}{title}")));
        }
    }
    lines
}

fn line_of(graph: &Graph, id: NodeId, mark: impl Fn(NodeId) -> Option<Mark>) -> String {
    let node = graph.node(id);
    let mut line = node.kind.label().into_owned();
    if let (Some(name), false) = (&node.result_name, matches!(node.kind, NodeKind::Race(_))) {
        line.push_str(&format!(" |=> '{name}'"));
    }
    if let Some(mark) = mark(id) {
        line.push(' ');
        line.push_str(mark.symbol());
    }
    line
}

/// The children with their titles, in the order in which they are carried out. Those of a THEN have none: its steps are
/// drawn in its place.
fn sections(kind: &NodeKind) -> Vec<(Cow<'static, str>, NodeId)> {
    let mut sections = Vec::new();
    kind.each_slot(|slot, ids| {
        let titled = ids.iter().enumerate().filter_map(|(nth, id)| Some((slot.title(nth)?, *id)));
        sections.extend(titled);
    });
    sections
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fragment::Fragment;
    use crate::kind::{Break, Sleep};

    fn graph(fragment: &Fragment) -> Graph {
        Graph::from_json(fragment.as_str()).unwrap()
    }

    fn check(fragment: &Fragment, expected: &[&str]) {
        let text = explain(&graph(fragment), |_| None);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_drawing_has_its_signs_in_ascii_too() {
        let drawn = "  \u{2713} then: \u{2717} \u{23f3} \u{25cb}\n  \u{2192} \u{2514}\u{2500}SQL: \u{2551} \u{21bb} \u{fc}";
        let ascii = in_ascii(drawn);
        assert_eq!(ascii, "  + then: x * o\n  > `-SQL: | @ \u{fc}");
        assert_eq!(ascii.chars().count(), drawn.chars().count());
    }

    #[test]
    fn explain_draws_a_tree() {
        let sql = Fragment::sql;
        check(&sql("SELECT 1"), &["SQL: SELECT 1"]);
        let branch = Fragment::if_else(&sql("SELECT true"), &sql("SELECT 1"), &sql("SELECT 0"));
        check(
            &Fragment::then(&branch.named("b").unwrap(), &sql("SELECT 2")),
            &[
                "IF |=> 'b'",
                "    ? condition:",
                "      └─SQL: SELECT true",
                "    ✓ then:",
                "      └─SQL: SELECT 1",
                "    ✗ else:",
                "      └─SQL: SELECT 0",
                "    → SQL: SELECT 2",
            ],
        );
        let sequence = Fragment::then(&sql("a"), &Fragment::then(&sql("b"), &sql("c")));
        let race = Fragment::race(&[sequence, Fragment::leaf(Sleep::new(Duration::from_secs(30)))]).unwrap();
        check(
            &Fragment::repeat(&race.named("r").unwrap(), Some(&sql("w"))),
            &[
                "LOOP (while)",
                "    ↻ body:",
                "      └─RACE",
                "          ║ branch 1:",
                "            └─SQL: a",
                "                → SQL: b",
                "                → SQL: c",
                "          ║ branch 2:",
                "            └─SLEEP 30s",
                "    ? while:",
                "      └─SQL: w",
            ],
        );
        check(
            &Fragment::then(
                &Fragment::repeat(&Fragment::leaf(Break { value: None }), None),
                &sql("VACUUM").named("v").unwrap(),
            ),
            &["LOOP (infinite)", "    ↻ body:", "      └─BREAK", "    → SQL: VACUUM [at least once] |=> 'v'"],
        );
    }

    #[test]
    fn explain_pads_by_characters() {
        let text = explain(&graph(&Fragment::then(&Fragment::sql("ä"), &Fragment::sql("a\nb"))), |_| None);
        assert_eq!(text, "SQL: ä            \n    → SQL: a b    ");
    }

    #[test]
    fn explain_marks_the_nodes_of_an_instance() {
        let graph = graph(&Fragment::then(&Fragment::sql("a").named("x").unwrap(), &Fragment::sql("b")));
        let long = "ü".repeat(61);
        let header =
            InstanceHeader { id: "a1b2c3d4", label: Some("nightly"), status: "Running", output: Some(&long) };
        let marks = [None, Some(Mark::Completed), Some(Mark::Skipped)];
        let text = explain_instance(&header, &graph, |id| marks[id.index()]);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "Instance: a1b2c3d4 (nightly)",
                "Status:   ⏳ Running",
                &format!("Output:   {}...", "ü".repeat(57)),
                "",
                "SQL: a |=> 'x' ✓",
                "    → SQL: b ⊘",
            ]
        );
    }

    #[test]
    fn explain_shows_any_depth() {
        let deep = (0..300).fold(Graph::from_json("x").unwrap(), |body, _| Graph::repeat(body, None));
        assert_eq!(explain(&deep, |_| None).lines().count(), 601);
    }
}
