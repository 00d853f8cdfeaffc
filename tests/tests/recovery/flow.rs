//! Workflows as data: the expression that starts one, and what it must have done in the end.

use std::collections::HashMap;

use pg_durable_tests::server::literal;
use pg_durable_tests::session::Rows;

/// A workflow. Labels are of one workflow each used once.
#[derive(Debug, Clone)]
pub enum Flow {
    /// Inserts its effect, then computes for some milliseconds.
    Step {
        label: String,
        millis: u64,
    },
    Seq(Vec<Flow>),
    Join(Vec<Flow>),
    /// The first branch wins; the others never come to an end.
    Race {
        winner: Box<Flow>,
        losers: Vec<Flow>,
    },
    /// The body so many times, by a condition.
    Loop {
        body: Box<Flow>,
        label: String,
        times: u32,
    },
    /// The body so many times, by `df.break`.
    Break {
        body: Box<Flow>,
        label: String,
        times: u32,
    },
    /// So many attempts at the body, of which all but the last fail at its end.
    Retry {
        body: Box<Flow>,
        label: String,
        times: u32,
    },
    /// Branches of which the first fails at its end; all come to one.
    Settle {
        fails: Box<Flow>,
        others: Vec<Flow>,
    },
    /// The first branch of the body fails at its end, beside others that never come to one; then the handler.
    Catch {
        fails: Box<Flow>,
        beside: Vec<Flow>,
        handler: Box<Flow>,
    },
    If {
        condition: bool,
        then: Box<Flow>,
        otherwise: Box<Flow>,
    },
    Sleep {
        millis: u64,
    },
    /// Waits for a signal that the test sends.
    Signal {
        name: String,
    },
    /// Never ends: a signal that nobody sends.
    Never,
    /// Never ends: a timer of a day.
    Day,
}

/// An effect of an instance, in the order of `id`.
#[derive(Debug, Clone)]
pub struct Effect {
    pub id: i64,
    pub node: String,
    pub generation: u32,
    pub at_us: i64,
}

impl Flow {
    pub fn step(label: &str) -> Flow {
        Flow::Step { label: label.to_owned(), millis: 0 }
    }

    pub fn slow(label: &str, millis: u64) -> Flow {
        Flow::Step { label: label.to_owned(), millis }
    }

    /// The SQL expression of the graph.
    pub fn sql(&self) -> String {
        let list = |name: &str, flows: &mut dyn Iterator<Item = &Flow>| {
            let parts: Vec<String> = flows.map(Flow::sql).collect();
            format!("{name}(VARIADIC ARRAY[{}])", parts.join(", "))
        };
        match self {
            Flow::Step { label, millis } => {
                let mut text = format!(
                    "INSERT INTO public.effects (instance, node, generation)
                     SELECT '{{sys_instance_id}}', '{label}', count(*) + 1 FROM public.effects
                     WHERE instance = '{{sys_instance_id}}' AND node = '{label}'"
                );
                if *millis > 0 {
                    text += &format!("; SELECT pg_sleep({})", *millis as f64 / 1000.0);
                }
                format!("df.sql({})", literal(&text))
            }
            Flow::Seq(flows) => {
                let mut flows = flows.iter().rev().map(Flow::sql);
                let last = flows.next().expect("a sequence is not empty");
                flows.fold(last, |next, first| format!("df.seq({first}, {next})"))
            }
            Flow::Join(branches) => list("df.join", &mut branches.iter()),
            Flow::Race { winner, losers } => {
                list("df.race", &mut std::iter::once(&**winner).chain(losers.iter()))
            }
            Flow::Loop { body, label, times } => {
                format!("df.loop({}, {})", body.sql(), literal(&passes(label, &format!("< {times}"))))
            }
            Flow::Break { body, label, times } => format!(
                "df.loop(df.seq({}, df.if({}, df.break('\"out\"'), 'SELECT 1')))",
                body.sql(),
                literal(&passes(label, &format!(">= {times}")))
            ),
            Flow::Retry { body, label, times } => format!(
                "df.retry(df.seq({}, df.if({}, df.fail('not yet', 'AGAIN'), 'SELECT 1')), 0, '2 ms', max_interval => '9 ms',
                    retry_on => '{{AGAIN}}')",
                body.sql(),
                literal(&passes(label, &format!("% {times} <> 0")))
            ),
            Flow::Settle { fails, others } => {
                let fails = format!("df.seq({}, df.fail('as it should'))", fails.sql());
                let parts: Vec<String> = std::iter::once(fails).chain(others.iter().map(Flow::sql)).collect();
                format!("df.join_settled(VARIADIC ARRAY[{}])", parts.join(", "))
            }
            Flow::Catch { fails, beside, handler } => {
                let fails = format!("df.seq({}, df.fail('as it should', 'CAUGH'))", fails.sql());
                let parts: Vec<String> = std::iter::once(fails).chain(beside.iter().map(Flow::sql)).collect();
                let body = match parts.as_slice() {
                    [only] => only.clone(),
                    all => format!("df.join(VARIADIC ARRAY[{}])", all.join(", ")),
                };
                format!("df.catch({body}, {}, '{{CAUGH}}')", handler.sql())
            }
            Flow::If { condition, then, otherwise } => {
                format!("df.if('SELECT {condition}', {}, {})", then.sql(), otherwise.sql())
            }
            Flow::Sleep { millis } => format!("df.sleep(interval '{millis} milliseconds')"),
            Flow::Signal { name } => format!("df.wait_for_signal({})", literal(name)),
            Flow::Never => "df.wait_for_signal('never')".to_owned(),
            Flow::Day => "df.sleep(interval '1 day')".to_owned(),
        }
    }

    /// The signals it waits for.
    pub fn signals(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.visit(&mut |flow| {
            if let Flow::Signal { name } = flow {
                names.push(name.clone());
            }
        });
        names
    }

    fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Flow)) {
        see(self);
        match self {
            Flow::Seq(flows) | Flow::Join(flows) => flows.iter().for_each(|flow| flow.visit(see)),
            Flow::Race { winner, losers } => {
                winner.visit(see);
                losers.iter().for_each(|flow| flow.visit(see));
            }
            Flow::Loop { body, .. } | Flow::Break { body, .. } | Flow::Retry { body, .. } => body.visit(see),
            Flow::Settle { fails, others } => {
                fails.visit(see);
                others.iter().for_each(|flow| flow.visit(see));
            }
            Flow::Catch { fails, beside, handler } => {
                fails.visit(see);
                beside.iter().for_each(|flow| flow.visit(see));
                handler.visit(see);
            }
            Flow::If { then, otherwise, .. } => {
                then.visit(see);
                otherwise.visit(see);
            }
            Flow::Step { .. } | Flow::Sleep { .. } | Flow::Signal { .. } | Flow::Never | Flow::Day => {}
        }
    }

    /// Says what is wrong with the effects of an instance that has completed; `Ok` with how many there were.
    pub fn check(&self, rows: &Rows) -> Result<usize, String> {
        let effects: Vec<Effect> = rows.iter().map(|row| Effect::of(row)).collect();
        let mut expected = HashMap::new();
        self.expect(1, true, &mut expected);
        let mut found: HashMap<&str, u32> = HashMap::new();
        for effect in &effects {
            let count = found.entry(&effect.node).or_default();
            *count += 1;
            if effect.generation != *count {
                return Err(format!("{effect:?} is effect number {count} of its node"));
            }
        }
        for (label, (least, most)) in &expected {
            let count = found.remove(label.as_str()).unwrap_or_default();
            if count < *least || count > *most {
                return Err(format!("{label}: {count} effects, not {least} to {most}"));
            }
        }
        if !found.is_empty() {
            return Err(format!("effects of nodes that should have none: {found:?}"));
        }
        self.order(&effects, 1)?;
        Ok(effects.len())
    }

    /// How many effects each label must and may have.
    fn expect(&self, times: u32, is_certain: bool, counts: &mut HashMap<String, (u32, u32)>) {
        match self {
            Flow::Step { label, .. } => {
                counts.insert(label.clone(), (if is_certain { times } else { 0 }, times));
            }
            Flow::Seq(flows) | Flow::Join(flows) => {
                flows.iter().for_each(|flow| flow.expect(times, is_certain, counts));
            }
            Flow::Race { winner, losers } => {
                winner.expect(times, is_certain, counts);
                losers.iter().for_each(|flow| flow.expect(times, false, counts));
            }
            Flow::Settle { fails, others } => {
                fails.expect(times, is_certain, counts);
                others.iter().for_each(|flow| flow.expect(times, is_certain, counts));
            }
            Flow::Catch { fails, beside, handler } => {
                fails.expect(times, is_certain, counts);
                beside.iter().for_each(|flow| flow.expect(times, false, counts));
                handler.expect(times, is_certain, counts);
            }
            Flow::Loop { body, times: passes, .. }
            | Flow::Break { body, times: passes, .. }
            | Flow::Retry { body, times: passes, .. } => {
                body.expect(times * passes, is_certain, counts);
            }
            Flow::If { condition, then, otherwise } => {
                let taken = if *condition { then } else { otherwise };
                taken.expect(times, is_certain, counts);
            }
            Flow::Sleep { .. } | Flow::Signal { .. } | Flow::Never | Flow::Day => {}
        }
    }

    /// Checks that what follows came later, and not before its timer, in each of so many passes.
    fn order(&self, effects: &[Effect], passes: u32) -> Result<(), String> {
        match self {
            Flow::Seq(flows) => {
                for pass in 1..=passes {
                    let mut before: Option<Effect> = None;
                    let mut waited_us = 0;
                    for flow in flows {
                        if let Flow::Sleep { millis } = flow {
                            waited_us += *millis as i64 * 1000;
                            continue;
                        }
                        let (first, last) = flow.span(effects, pass, passes);
                        if let (Some(before), Some(first)) = (&before, &first) {
                            if first.id < before.id {
                                return Err(format!("{first:?} came before {before:?}"));
                            }
                            if first.at_us < before.at_us + waited_us {
                                return Err(format!(
                                    "{first:?} came less than {waited_us} us after {before:?}"
                                ));
                            }
                        }
                        if last.is_some() {
                            (before, waited_us) = (last, 0);
                        }
                    }
                }
                flows.iter().try_for_each(|flow| flow.order(effects, passes))
            }
            Flow::Join(branches) => branches.iter().try_for_each(|flow| flow.order(effects, passes)),
            Flow::Race { winner, .. } => winner.order(effects, passes),
            Flow::Settle { fails, others } => {
                fails.order(effects, passes)?;
                others.iter().try_for_each(|flow| flow.order(effects, passes))
            }
            Flow::Catch { fails, handler, .. } => {
                for pass in 1..=passes {
                    let ((_, last), (first, _)) =
                        (fails.span(effects, pass, passes), handler.span(effects, pass, passes));
                    if let (Some(last), Some(first)) = (last, first)
                        && first.id < last.id
                    {
                        return Err(format!("the handler's {first:?} came before {last:?}"));
                    }
                }
                fails.order(effects, passes)?;
                handler.order(effects, passes)
            }
            Flow::Loop { body, times, .. }
            | Flow::Break { body, times, .. }
            | Flow::Retry { body, times, .. } => {
                let all = passes * times;
                for pass in 2..=all {
                    let (_, last) = body.span(effects, pass - 1, all);
                    let (first, _) = body.span(effects, pass, all);
                    if let (Some(last), Some(first)) = (last, first)
                        && first.id < last.id
                    {
                        return Err(format!("pass {pass}: {first:?} came before {last:?}"));
                    }
                }
                body.order(effects, all)
            }
            Flow::If { condition, then, otherwise } => {
                if *condition { then } else { otherwise }.order(effects, passes)
            }
            Flow::Step { .. } | Flow::Sleep { .. } | Flow::Signal { .. } | Flow::Never | Flow::Day => Ok(()),
        }
    }

    /// The first and the last effect of one pass.
    fn span(&self, effects: &[Effect], pass: u32, passes: u32) -> (Option<Effect>, Option<Effect>) {
        let mut counts = HashMap::new();
        self.expect(1, true, &mut counts);
        let mine = |effect: &&Effect| {
            counts.get(&effect.node).is_some_and(|(least, per_pass)| {
                *least > 0 && (effect.generation - 1) / per_pass == (pass - 1) && pass <= passes
            })
        };
        (
            effects.iter().filter(mine).min_by_key(|effect| effect.id).cloned(),
            effects.iter().filter(mine).max_by_key(|effect| effect.id).cloned(),
        )
    }
}

impl Effect {
    fn of(row: &[Option<String>]) -> Effect {
        let field = |place: usize| row[place].clone().unwrap_or_default();
        let number = |place: usize| field(place).parse::<i64>().expect("a number");
        Effect { id: number(0), node: field(1), generation: number(2) as u32, at_us: number(3) }
    }
}

/// The effects of an instance, for [`Flow::check`].
pub fn effects_of(id: &str) -> String {
    format!(
        "SELECT id, node, generation, (extract(epoch FROM at) * 1000000)::bigint FROM public.effects
         WHERE instance = {} ORDER BY id",
        literal(id)
    )
}

fn passes(label: &str, comparison: &str) -> String {
    format!(
        "SELECT count(*) {comparison} FROM public.effects
         WHERE instance = '{{sys_instance_id}}' AND node = '{label}'"
    )
}
