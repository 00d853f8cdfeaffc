//! The table on the terminal, and the same as JSON.

use crate::{
    machine::Facts,
    plot::Chart,
    row::{Goal, Row, number},
};
use serde_json::{Value, json};

/// A row under the name of its workload.
pub type Named = (&'static str, Row);

pub fn print_facts(facts: &Facts) {
    for (name, value) in facts {
        println!("{name:>30}  {value}");
    }
    println!();
}

/// A table that is Markdown too.
pub fn print_rows(rows: &[Named]) {
    if rows.is_empty() {
        return;
    }
    let head = ["workload", "what", "figure", "limit", "ratio", "least … most", "must reach", "verdict"];
    let mut table = vec![head.map(str::to_owned)];
    table.extend(rows.iter().map(|(name, row)| cells(name, row)));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (place, row) in table.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if place == 0 {
            let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("| {} |", dashes.join(" | "));
        }
    }
    println!();
}

fn cells(name: &str, row: &Row) -> [String; 8] {
    let spread = row.samples.iter().map(|sample| match row.goal {
        Goal::RatioAtLeast(_) | Goal::RatioAtMost(_) => sample.ratio().unwrap_or(f64::NAN),
        Goal::FigureAtLeast(_) | Goal::FigureAtMost(_) | Goal::None => sample.figure,
    });
    let least = spread.clone().fold(f64::INFINITY, f64::min);
    let most = spread.fold(f64::NEG_INFINITY, f64::max);
    [
        name.to_owned(),
        row.what.clone(),
        format!("{} {}", number(row.figure()), row.unit),
        row.limit().map(number).unwrap_or_default(),
        row.ratio().map(number).unwrap_or_default(),
        format!("{} … {}", number(least), number(most)),
        goal(row),
        verdict(row).to_owned(),
    ]
}

fn goal(row: &Row) -> String {
    match row.goal {
        Goal::FigureAtLeast(goal) => format!("≥ {} {}", number(goal), row.unit),
        Goal::FigureAtMost(goal) => format!("≤ {} {}", number(goal), row.unit),
        Goal::RatioAtLeast(goal) => format!("≥ {} ×", number(goal)),
        Goal::RatioAtMost(goal) => format!("≤ {} ×", number(goal)),
        Goal::None => String::new(),
    }
}

fn verdict(row: &Row) -> &'static str {
    match row.is_reached() {
        Some(true) => "reached",
        Some(false) => "NOT REACHED",
        None => "",
    }
}

/// Facts, rows with all their samples, and what the plots show.
pub fn json(facts: &Facts, rows: &[Named], charts: &[Chart]) -> String {
    let facts: serde_json::Map<String, Value> =
        facts.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let rows: Vec<Value> = rows
        .iter()
        .map(|(name, row)| {
            let samples: Vec<Value> =
                row.samples.iter().map(|it| json!({ "figure": it.figure, "limit": it.limit })).collect();
            json!({
                "workload": name,
                "what": row.what,
                "unit": row.unit,
                "figure": row.figure(),
                "limit": row.limit(),
                "ratio": row.ratio(),
                "must_reach": goal(row),
                "reached": row.is_reached(),
                "samples": samples,
            })
        })
        .collect();
    let charts: Vec<Value> = charts.iter().map(Chart::json).collect();
    format!("{:#}\n", json!({ "facts": facts, "rows": rows, "scaling": charts }))
}
