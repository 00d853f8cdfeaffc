//! Makes workflows of every kind.

use super::random::Random;
use crate::recovery::flow::Flow;

/// Makes workflows, with labels that are unique within each.
pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub labels: u32,
}

impl Maker<'_> {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("s{}", self.labels)
    }

    fn step(&mut self) -> Flow {
        let millis = if self.random.below(4) == 0 { self.random.below(150) } else { 0 };
        Flow::Step { label: self.label(), millis }
    }

    pub fn flow(&mut self, depth: u32, in_loop: bool) -> Flow {
        if depth == 0 {
            return self.step();
        }
        match self.random.below(13) {
            0 | 1 => {
                let length = 2 + self.random.below(4);
                Flow::Seq((0..length).map(|_| self.flow(depth - 1, in_loop)).collect())
            }
            2 | 3 => {
                let width = 2 + self.random.below(3);
                Flow::Join((0..width).map(|_| self.flow(depth - 1, in_loop)).collect())
            }
            4 => {
                let winner = Box::new(self.flow(depth - 1, in_loop));
                let losers = (0..1 + self.random.below(2)).map(|_| self.loser()).collect();
                Flow::Race { winner, losers }
            }
            5 | 6 if !in_loop => {
                let first = self.label();
                let rest = self.flow(depth - 1, true);
                let body = Flow::Seq(vec![Flow::step(&first), rest]);
                let (body, label, times) = (Box::new(body), first, 2 + self.random.below(4) as u32);
                match self.random.below(3) {
                    0 => Flow::Loop { body, label, times },
                    1 => Flow::Break { body, label, times },
                    _ => Flow::Retry { body, label, times },
                }
            }
            7 if !in_loop => {
                let (before, name, after) = (self.step(), self.label(), self.step());
                Flow::Seq(vec![before, Flow::Signal { name }, after])
            }
            12 => {
                let fails = Box::new(self.flow(depth - 1, in_loop));
                let others = (0..1 + self.random.below(2)).map(|_| self.flow(depth - 1, in_loop)).collect();
                Flow::Settle { fails, others }
            }
            9 | 10 => {
                let (fails, handler) = (self.flow(depth - 1, in_loop), self.flow(depth - 1, in_loop));
                let beside = (0..self.random.below(3)).map(|_| self.loser()).collect();
                Flow::Catch { fails: Box::new(fails), beside, handler: Box::new(handler) }
            }
            11 if !in_loop => {
                let label = self.label();
                let times = 2 + self.random.below(3) as u32;
                Flow::Retry { body: Box::new(Flow::step(&label)), label, times }
            }
            8 => {
                let (before, after) = (self.step(), self.step());
                Flow::Seq(vec![before, Flow::Sleep { millis: 20 + self.random.below(600) }, after])
            }
            _ => Flow::If {
                condition: self.random.below(2) == 0,
                then: Box::new(self.flow(depth - 1, in_loop)),
                otherwise: Box::new(self.flow(depth - 1, in_loop)),
            },
        }
    }

    fn loser(&mut self) -> Flow {
        let end = match self.random.below(3) {
            0 => Flow::Never,
            1 => Flow::Day,
            _ => Flow::slow(&self.label(), 600_000),
        };
        if self.random.below(2) == 0 { end } else { Flow::Seq(vec![self.step(), end]) }
    }
}
