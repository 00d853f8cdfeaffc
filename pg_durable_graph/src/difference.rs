//! What distinguishes two graphs, or two texts, for people to read.

use crate::explain::draw;
use crate::graph::Graph;

/// The most lines that are shown.
const SHOWN_MAX: usize = 40;
/// The most pairs of lines that are compared; texts beyond that are not aligned.
const PAIRS_MAX: usize = 1_000_000;

/// The difference of two graphs as lines of `explain` and, where that does not show it, of their wire form: `- ` is only
/// in `old`, `+ ` only in `new`. `None` when they are the same.
///
/// ```
/// use pg_durable_graph::{Graph, difference};
///
/// let graph = |text| Graph::from_json(text).unwrap();
/// let found = difference::of_graphs(&graph("SELECT 1"), &graph("SELECT 2"));
/// assert_eq!(found.as_deref(), Some("- SQL: SELECT 1\n+ SQL: SELECT 2"));
/// assert_eq!(difference::of_graphs(&graph("SELECT 1"), &graph("SELECT 1")), None);
/// ```
pub fn of_graphs(old: &Graph, new: &Graph) -> Option<String> {
    if old == new {
        return None;
    }
    let drawn = |graph: &Graph| draw(graph, |_| None);
    // A long text is cut where it is drawn.
    let full =
        |graph: &Graph| graph.to_json().replace(r#"{"node_type""#, "\n{\"node_type\"").trim().to_owned();
    of_texts(&drawn(old), &drawn(new)).or_else(|| of_texts(&full(old), &full(new)))
}

/// The lines in which two texts differ; `None` when they are the same.
pub fn of_texts(old: &str, new: &str) -> Option<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let end =
        old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    if old.is_empty() && new.is_empty() {
        return None;
    }
    let mut lines = if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        let (removed, added) =
            (old.iter().map(|line| format!("- {line}")), new.iter().map(|line| format!("+ {line}")));
        removed.chain(added).collect()
    } else {
        aligned(old, new)
    };
    if lines.len() > SHOWN_MAX {
        let more = lines.len() - SHOWN_MAX;
        lines.truncate(SHOWN_MAX);
        lines.push(format!("… and {more} more lines"));
    }
    Some(lines.join("\n"))
}

/// The lines of a shortest edit, without those that both have.
fn aligned(old: &[&str], new: &[&str]) -> Vec<String> {
    // How many lines the rest of one has in common with the rest of the other.
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for left in (0..old.len()).rev() {
        for right in (0..new.len()).rev() {
            common[left * width + right] = if old[left] == new[right] {
                common[(left + 1) * width + right + 1] + 1
            } else {
                common[(left + 1) * width + right].max(common[left * width + right + 1])
            };
        }
    }
    let (mut left, mut right, mut lines) = (0, 0, Vec::new());
    while left < old.len() || right < new.len() {
        if left < old.len() && right < new.len() && old[left] == new[right] {
            (left, right) = (left + 1, right + 1);
        } else if right == new.len()
            || left < old.len() && common[(left + 1) * width + right] >= common[left * width + right + 1]
        {
            lines.push(format!("- {}", old[left]));
            left += 1;
        } else {
            lines.push(format!("+ {}", new[right]));
            right += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Fragment;

    fn check(old: &str, new: &str, expected: Option<&str>) {
        assert_eq!(of_texts(old, new).as_deref(), expected, "{old:?} {new:?}");
    }

    #[test]
    fn differences_are_the_lines_of_a_shortest_edit() {
        check("", "", None);
        check("a\nb", "a\nb", None);
        check("a\nb\nc", "a\nc", Some("- b"));
        check("a\nc", "a\nb\nc", Some("+ b"));
        check("a\nb\nc", "a\nx\nc", Some("- b\n+ x"));
        check("a\nb\nc\nd", "x\nb\ny\nd\nz", Some("- a\n+ x\n- c\n+ y\n+ z"));
        check("", "a", Some("+ a"));
    }

    #[test]
    fn long_differences_are_cut() {
        let lines =
            |from: usize, to: usize| (from..to).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        let found = of_texts(&lines(0, 100), "x").unwrap();
        assert_eq!(found.lines().count(), SHOWN_MAX + 1);
        assert!(found.ends_with("… and 61 more lines"), "{found}");
        assert!(of_texts(&lines(0, 2_000), &lines(2_000, 4_000)).is_some());
    }

    #[test]
    fn what_explain_cuts_is_shown_in_full() {
        let long = format!("SELECT {}", "1 + ".repeat(30));
        let graph = |end: &str| {
            let step = Fragment::sql(&format!("{long}{end}"));
            Graph::from_json(Fragment::then(&Fragment::sql("SELECT 0"), &step).as_str()).unwrap()
        };
        let found = of_graphs(&graph("1"), &graph("2")).unwrap();
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines[0].starts_with("- {\"node_type\":\"SQL\"") && lines[0].contains("1 + 1"), "{found}");
        assert!(lines[1].starts_with("+ {\"node_type\":\"SQL\"") && lines[1].contains("1 + 2"), "{found}");
        assert_eq!(lines.len(), 2);
    }
}
