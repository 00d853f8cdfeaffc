//! A measured row: its samples, what it must reach, and whether it does.

/// One repetition, with the limit that was measured beside it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub figure: f64,
    /// What the bare database did at the same time, in the figure's unit.
    pub limit: Option<f64>,
}

impl Sample {
    /// A figure that has no counterpart in the bare database.
    pub fn alone(figure: f64) -> Self {
        Self { figure, limit: None }
    }

    pub fn beside(figure: f64, limit: f64) -> Self {
        Self { figure, limit: Some(limit) }
    }

    /// A latency in seconds beside the bare commit, which is what one client needs for a transaction.
    pub fn latency(secs: f64, limit_tps: f64) -> Self {
        Self::beside(secs * 1e3, 1e3 / limit_tps)
    }

    pub fn ratio(&self) -> Option<f64> {
        self.limit.map(|limit| self.figure / limit)
    }
}

/// What a row must reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    FigureAtLeast(f64),
    FigureAtMost(f64),
    RatioAtLeast(f64),
    RatioAtMost(f64),
    /// Nothing: the row explains others.
    None,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub goal: Goal,
    pub samples: Vec<Sample>,
}

impl Row {
    pub fn new(what: impl Into<String>, unit: &'static str, goal: Goal, samples: Vec<Sample>) -> Self {
        Self { what: what.into(), unit, goal, samples }
    }

    pub fn figure(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.figure))
    }

    pub fn limit(&self) -> Option<f64> {
        let limits: Vec<f64> = self.samples.iter().filter_map(|sample| sample.limit).collect();
        (!limits.is_empty()).then(|| median(limits))
    }

    /// The median of the repetitions' own ratios: each compares what ran side by side.
    pub fn ratio(&self) -> Option<f64> {
        let ratios: Vec<f64> = self.samples.iter().filter_map(Sample::ratio).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    /// Whether the goal is reached; `None` where there is none.
    pub fn is_reached(&self) -> Option<bool> {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        match self.goal {
            Goal::FigureAtLeast(goal) => Some(self.figure() >= goal),
            Goal::FigureAtMost(goal) => Some(self.figure() <= goal),
            Goal::RatioAtLeast(goal) => Some(ratio >= goal),
            Goal::RatioAtMost(goal) => Some(ratio <= goal),
            Goal::None => None,
        }
    }
}

/// The middle of some numbers; not a number where there are none.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    percentile(numbers, 0.5)
}

/// The number below which a share of all lies, interpolated.
pub fn percentile(numbers: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Three digits that count, or the whole number.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let rest = if value.fract() == 0.0 { "" } else { rest };
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        let numbers = [4.0, 1.0, 3.0, 2.0];
        for (share, expected) in [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0)] {
            assert_eq!(percentile(numbers, share), expected, "{share}");
        }
        assert!(median([]).is_nan());
    }

    #[test]
    fn the_ratio_pairs_what_ran_side_by_side() {
        // The machine was three times as fast in the second repetition, for both.
        let samples =
            vec![Sample::beside(80.0, 100.0), Sample::beside(240.0, 300.0), Sample::beside(45.0, 50.0)];
        let row = Row::new("", "", Goal::RatioAtLeast(0.8), samples);
        assert_eq!(row.ratio(), Some(0.8));
        assert_eq!(row.is_reached(), Some(true));
    }

    #[test]
    fn numbers_keep_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.2345, "1.23"),
            (13.0, "13"),
            (13.37, "13.4"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
