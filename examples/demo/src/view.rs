//! What the demo shows while it runs: lines of text, and the graph, redrawn in place on a terminal.

use std::io::{IsTerminal, Write, stdout};
use std::time::Instant;

/// See the module.
pub struct View {
    since: Instant,
    is_terminal: bool,
    drawn: String,
    /// How many lines the graph took that stands directly above the cursor.
    above: usize,
}

impl View {
    /// A view whose clock starts now.
    pub fn new() -> View {
        View { since: Instant::now(), is_terminal: stdout().is_terminal(), drawn: String::new(), above: 0 }
    }

    /// Announces the next part.
    pub fn say(&mut self, what: &str) {
        self.above = 0;
        println!("\n[{:5.1} s] {what}", self.since.elapsed().as_secs_f32());
    }

    /// Adds a remark.
    pub fn note(&mut self, what: &str) {
        self.above = 0;
        println!("          {what}");
    }

    /// Draws the graph, if it differs from what was drawn last.
    pub fn draw(&mut self, graph: &str) {
        if graph == self.drawn {
            return;
        }
        let mut out = stdout();
        if self.is_terminal && self.above > 0 {
            // Up to the first line of the graph, and clear from there.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.above);
        }
        // A line that wraps would take two, and the next drawing would miss the first: it is cut instead.
        let (uncut, cut) = if self.is_terminal { ("\x1b[?7h", "\x1b[?7l") } else { ("", "") };
        let _ = write!(out, "{cut}");
        for line in graph.lines() {
            let _ = writeln!(out, "          {}", line.trim_end());
        }
        let _ = writeln!(out, "{uncut}");
        let _ = out.flush();
        self.above = graph.lines().count() + 1;
        graph.clone_into(&mut self.drawn);
    }
}
