//! How cost grows: with steps, width, instances, finished instances, executors.

use crate::{
    limit::{self, INSERT},
    plot::{Chart, Line, Scale},
    row::median,
    session::{Durability, chain, join},
    target::Bench,
    workloads,
};
use anyhow::Result;

/// Measures every chart that this server allows.
pub fn measure(bench: &Bench) -> Result<Vec<Chart>> {
    type Measure = fn(&Bench) -> Result<Chart>;
    let anywhere: [(&str, Measure); 3] = [("steps", steps), ("width", width), ("in flight", in_flight)];
    let own: [(&str, Measure); 2] = [("executors", executors), ("finished instances", finished)];
    let own = own.into_iter().filter(|_| bench.own_server().is_some());
    let measured = anywhere.into_iter().chain(own).map(|(name, measure)| {
        eprintln!("… cost by {name}");
        bench.settle()?;
        bench.pace.wait_for_quiet()?;
        measure(bench)
    });
    measured.collect()
}

fn steps(bench: &Bench) -> Result<Chart> {
    let counts = [1, 3, 10, 30, 100, 300, 1000, 3000];
    let line = |durability: Durability| -> Result<Line> {
        let points = counts.iter().map(|&count| {
            let runs = (bench.pace.choose(3000, 300) / count).clamp(3, 200);
            Ok((count as f64, latency(bench, &chain(INSERT, count), durability, runs)? * 1e3 / count as f64))
        });
        Ok(Line::new(durability.as_str(), points.collect::<Result<_>>()?))
    };
    let lines = vec![line(Durability::Step)?, line(Durability::Barrier)?, bare_commit(bench, &counts)?];
    Ok(Chart {
        name: "steps",
        title: "One chain: time of a step, start and end included".to_owned(),
        x_label: "INSERT steps in the chain",
        y_label: "ms a step",
        x_scale: Scale::Logarithmic,
        lines,
    })
}

fn width(bench: &Bench) -> Result<Chart> {
    let widths = [2, 4, 8, 16, 32, 64, 128];
    let line = |durability: Durability| -> Result<Line> {
        let points = widths.iter().map(|&width| {
            let runs = (bench.pace.choose(1600, 200) / width).clamp(5, 100);
            Ok((width as f64, latency(bench, &join(INSERT, width), durability, runs)? * 1e3))
        });
        Ok(Line::new(durability.as_str(), points.collect::<Result<_>>()?))
    };
    let commit = 1e3 / limit::insert_tps(bench, 1)?;
    let lines = vec![
        line(Durability::Step)?,
        line(Durability::Barrier)?,
        Line::limit("a bare commit each", widths.iter().map(|&it| (it as f64, commit * it as f64)).collect()),
    ];
    Ok(Chart {
        name: "width",
        title: "JOIN: time from start to completed".to_owned(),
        x_label: "branches of one INSERT step",
        y_label: "ms",
        x_scale: Scale::Linear,
        lines,
    })
}

fn in_flight(bench: &Bench) -> Result<Chart> {
    let counts = [1, 2, 4, 8, 16, 32, 64];
    let points = counts.iter().map(|&count| Ok((count as f64, workloads::in_flight(bench, count)?)));
    let points = points.collect::<Result<_>>()?;
    let limits = counts.iter().map(|&count| Ok((count as f64, limit::insert_tps(bench, count)?)));
    Ok(Chart {
        name: "in-flight",
        title: "One-step instances a second, from start to completed".to_owned(),
        x_label: "instances in flight, one client each",
        y_label: "a second",
        x_scale: Scale::Logarithmic,
        lines: vec![
            Line::new("instances", points),
            Line::limit("bare INSERTs by as many clients", limits.collect::<Result<_>>()?),
        ],
    })
}

fn executors(bench: &Bench) -> Result<Chart> {
    const SETTING: &str = "pg_durable.max_executors";
    let mut points = Vec::new();
    for count in [1, 2, 4, 8, 16, 24] {
        bench.alter_system(SETTING, Some(&count.to_string()))?;
        // Those that run have to leave before fewer can come.
        bench.server()?.restart()?;
        let mut session = bench.session()?;
        let graph = session.build(&chain(INSERT, 20))?;
        let rates = (0..bench.pace.repetitions)
            .map(|_| workloads::run_chains(&mut session, &graph, 32, 20, bench.pace.window / 2))
            .collect::<Result<Vec<_>>>()?;
        points.push((f64::from(count), median(rates)));
    }
    bench.alter_system(SETTING, None)?;
    bench.server()?.restart()?;
    let limit = limit::insert_tps(bench, 8)?;
    let limits = points.iter().map(|point| (point.0, limit)).collect();
    Ok(Chart {
        name: "executors",
        title: "32 chains of 20 INSERT steps at once, durability step".to_owned(),
        x_label: "pg_durable.max_executors (a quarter is kept for other roles)",
        y_label: "steps a second",
        x_scale: Scale::Logarithmic,
        lines: vec![Line::new("steps", points), Line::limit("bare INSERTs by 8 clients", limits)],
    })
}

fn finished(bench: &Bench) -> Result<Chart> {
    let counts: &[i32] =
        if bench.pace.is_quick { &[0, 1000, 100_000] } else { &[0, 1000, 10_000, 100_000, 1_000_000] };
    let (mut step, mut barrier) = (Vec::new(), Vec::new());
    for &count in counts {
        workloads::empty_tables(bench)?;
        workloads::fill(bench, count)?;
        let expression = chain(INSERT, 200);
        for (durability, points) in [(Durability::Step, &mut step), (Durability::Barrier, &mut barrier)] {
            points.push((f64::from(count), latency(bench, &expression, durability, 20)? * 1e3 / 200.0));
        }
    }
    workloads::empty_tables(bench)?;
    Ok(Chart {
        name: "finished",
        title: "A chain of 200 INSERT steps beside finished instances".to_owned(),
        x_label: "finished instances in the tables",
        y_label: "ms a step",
        x_scale: Scale::Logarithmic,
        lines: vec![Line::new("step", step), Line::new("barrier", barrier)],
    })
}

/// The median latency of a workflow, in seconds.
fn latency(bench: &Bench, expression: &str, durability: Durability, runs: usize) -> Result<f64> {
    let mut session = bench.session()?;
    let graph = session.build(expression)?;
    Ok(median(session.latencies(&graph, durability, runs)?))
}

fn bare_commit(bench: &Bench, xs: &[usize]) -> Result<Line> {
    let commit = 1e3 / limit::insert_tps(bench, 1)?;
    Ok(Line::limit("bare commit", xs.iter().map(|&x| (x as f64, commit)).collect()))
}
