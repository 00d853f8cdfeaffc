//! Line charts as SVG, written by hand.

use crate::row::number;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{fmt::Write as _, fs, path::Path};

/// A chart of one or more lines.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The file's name, without its ending.
    pub name: &'static str,
    pub title: String,
    pub x_label: &'static str,
    pub y_label: &'static str,
    pub x_scale: Scale,
    pub lines: Vec<Line>,
}

/// How the horizontal axis runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Zero stands left of all others.
    Logarithmic,
}

#[derive(Debug, Clone)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// A limit of the bare database: drawn dashed.
    pub is_limit: bool,
}

impl Line {
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, is_limit: false }
    }

    pub fn limit(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, is_limit: true }
    }
}

impl Chart {
    pub fn json(&self) -> Value {
        let lines: Vec<Value> =
            self.lines.iter().map(|line| json!({ "name": line.name, "points": line.points })).collect();
        json!({ "name": self.name, "title": self.title, "x": self.x_label, "y": self.y_label, "lines": lines })
    }
}

/// Writes every chart into the folder.
pub fn write_all(folder: &Path, charts: &[Chart]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for chart in charts {
        let path = folder.join(format!("{}.svg", chart.name));
        fs::write(&path, svg(chart)).with_context(|| format!("could not write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 52.0;
const COLOURS: [&str; 4] = ["#1f6feb", "#d1570d", "#2f8132", "#8250df"];
const LIMIT_COLOUR: &str = "#6e7781";

fn svg(chart: &Chart) -> String {
    let mut xs: Vec<f64> =
        chart.lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let y_top = nice_ceiling(
        chart.lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)).fold(0.0, f64::max),
    );
    let x_of = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * share(chart.x_scale, &xs, x);
    let y_of = |y: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / y_top;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#24292f\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        escaped(&chart.title)
    );
    for tick in 0..=5 {
        let value = y_top * f64::from(tick) / 5.0;
        let y = y_of(value);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#d8dee4\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            number(value)
        );
    }
    let mut last_end = f64::NEG_INFINITY;
    for &x in &xs {
        let (place, text) = (x_of(x), number(x));
        let half = text.len() as f64 * 3.6;
        // Numbers that would overlap their neighbour are left out.
        if place - half > last_end {
            let y = HEIGHT - BOTTOM + 17.0;
            let _ = writeln!(out, "<text x=\"{place:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>");
            last_end = place + half + 4.0;
        }
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let _ = writeln!(
        out,
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 12.0,
        escaped(chart.x_label)
    );
    let _ =
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", 12.0, TOP - 14.0, escaped(chart.y_label));
    draw_lines(&mut out, &chart.lines, x_of, y_of);
    out.push_str("</svg>\n");
    out
}

fn draw_lines(out: &mut String, lines: &[Line], x_of: impl Fn(f64) -> f64, y_of: impl Fn(f64) -> f64) {
    let mut legend_at = WIDTH - RIGHT;
    let mut colours = COLOURS.iter().cycle();
    let mut legend = Vec::new();
    for line in lines {
        let colour = if line.is_limit { LIMIT_COLOUR } else { colours.next().expect("the colours go round") };
        let dash = if line.is_limit { " stroke-dasharray=\"5 4\"" } else { "" };
        let points: Vec<String> =
            line.points.iter().map(|&(x, y)| format!("{:.1},{:.1}", x_of(x), y_of(y))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            points.join(" ")
        );
        if !line.is_limit {
            for &(x, y) in &line.points {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                    x_of(x),
                    y_of(y)
                );
            }
        }
        legend.push((line, colour, dash));
    }
    // Laid out from the right, so that it never leaves the picture.
    for (line, colour, dash) in legend.into_iter().rev() {
        let y = TOP - 18.0;
        let _ = writeln!(
            out,
            "<text x=\"{legend_at:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            y + 4.0,
            escaped(&line.name)
        );
        legend_at -= line.name.chars().count() as f64 * 7.2 + 6.0;
        let _ = writeln!(
            out,
            "<path d=\"M{:.1} {y:.1}h18\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            legend_at - 18.0
        );
        legend_at -= 34.0;
    }
}

/// Where a value stands between the least and the greatest, from 0 to 1.
fn share(scale: Scale, xs: &[f64], x: f64) -> f64 {
    let place = |x: f64| match scale {
        Scale::Linear => x,
        Scale::Logarithmic if x > 0.0 => x.ln(),
        Scale::Logarithmic => xs.iter().find(|x| **x > 0.0).map_or(0.0, |least| (least / 10.0).ln()),
    };
    let (least, most) = (place(*xs.first().unwrap_or(&0.0)), place(*xs.last().unwrap_or(&1.0)));
    if most > least { (place(x) - least) / (most - least) } else { 0.5 }
}

/// The next round number that is not below.
fn nice_ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0];
    steps.into_iter().map(|step| step * power).find(|top| *top >= value * 0.999).unwrap_or(10.0 * power)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in [(0.0, 1.0), (0.9, 1.0), (1.2, 1.5), (26.0, 30.0), (7600.0, 10_000.0)] {
            assert!((nice_ceiling(value) - top).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn a_logarithmic_axis_has_room_for_zero() {
        let xs = [0.0, 10.0, 1000.0];
        assert_eq!(share(Scale::Logarithmic, &xs, 0.0), 0.0);
        assert!((share(Scale::Logarithmic, &xs, 10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(share(Scale::Logarithmic, &xs, 1000.0), 1.0);
    }
}
