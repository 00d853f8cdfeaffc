//! Building graphs: `df.seq`, `df.join`, … and the operators.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use pg_durable_graph::document;
use pg_durable_graph::kind::{
    Break, Fail, Jitter, Leaf, RetryPolicy, Signal, Sleep, Span, Sql, WaitSchedule,
};
use pg_durable_graph::limits::SPAN_MAX;
use pg_durable_graph::matching::Matching;
use pg_durable_graph::{Fragment, GraphError, Problem, fragment, limits};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::argument::{ArgumentError, given};
use super::not_a_step::{self, NotAStep};
use crate::pg::json::Jsonb;
use crate::pg::text::Text;

/// Why a graph was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error(transparent)]
    NotAStep(#[from] NotAStep),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("Sleep duration must be non-negative")]
    SleepNegative,
    #[error("Sleep duration must be at most 100 years")]
    SleepTooLong,
    #[error("Timeout must be positive")]
    TimeoutNotPositive,
    #[error("{0} must not be negative")]
    Negative(&'static str),
    #[error("jitter must be 'full' or 'none', not '{0}'")]
    Jitter(String),
    #[error("on_exhausted must be 'fail', not '{0}'")]
    OnExhausted(String),
}

thread_local! {
    /// The last pieces that these functions gave out. A chain of operators hands each to the next, which need
    /// not parse again what has grown to many kilobytes.
    static RECENT: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}
const RECENT_MAX: usize = 4;

fn piece(text: &str) -> Result<Fragment, BuildError> {
    check_length(text.len())?;
    if RECENT.with_borrow(|recent| recent.iter().any(|known| known == text)) {
        return Ok(Fragment::trusted(text.to_owned()));
    }
    not_a_step::refuse_result(text)?;
    Ok(Fragment::coerce(text)?)
}

/// Looked at before anything is copied: what a user's text is made into must not exhaust the memory.
fn check_length(length: usize) -> Result<(), BuildError> {
    if length > limits::TEXT_MAX { Err(BuildError::Graph(Problem::TooLong.into())) } else { Ok(()) }
}

fn give(fragment: Fragment) -> Text {
    let text = fragment.into_string();
    RECENT.with_borrow_mut(|recent| {
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(text.clone());
    });
    Text(text)
}

fn leaf(leaf: Result<impl Into<Leaf>, Problem>) -> Result<Text, ErrorReport> {
    let leaf = leaf.map_err(|problem| BuildError::Graph(problem.into()))?;
    Ok(give(Fragment::leaf(leaf)))
}

fn pieces(texts: &[&str]) -> Result<Vec<Fragment>, BuildError> {
    check_length(texts.iter().map(|text| text.len()).sum())?;
    texts.iter().map(|text| piece(text)).collect()
}

#[pg_extern]
fn graph_sql(query: Text) -> Result<Text, ErrorReport> {
    check_length(query.len())?;
    Ok(give(Fragment::sql(&query)))
}

#[pg_extern]
fn graph_sql_bound(query: Text, params: Jsonb) -> Result<Text, ErrorReport> {
    check_length(query.len() + params.0.len())?;
    let brackets = pg_durable_graph::brackets(&params.0);
    let params = match document::read(&params.0) {
        Ok(Value::Array(params)) => params,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(BuildError::Graph(Problem::ParamsNotArray.into()).into());
        }
        Err(_) if brackets > limits::PARAMS_BRACKETS_MAX => {
            return Err(BuildError::Graph(Problem::ParamsTooDeep.into()).into());
        }
        Err(unreadable) => {
            return Err(BuildError::Graph(Problem::ParamsUnreadable(unreadable).into()).into());
        }
    };
    leaf(Sql::bound(query.0, params))
}

#[pg_extern]
fn graph_seq(a: Text, b: Text) -> Result<Text, ErrorReport> {
    Ok(give(Fragment::then(&piece(&a)?, &piece(&b)?)))
}

#[pg_extern]
fn graph_as(fut: Text, name: Text) -> Result<Text, ErrorReport> {
    Ok(give(piece(&fut)?.named(&name).map_err(BuildError::from)?))
}

#[pg_extern]
fn graph_sleep(seconds: i64) -> Result<Text, ErrorReport> {
    let seconds = u64::try_from(seconds).map_err(|_| BuildError::SleepNegative)?;
    sleep(Duration::from_secs(seconds))
}

#[pg_extern]
fn graph_sleep_fraction(seconds: f64) -> Result<Text, ErrorReport> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(BuildError::SleepNegative.into());
    }
    let micros = (seconds * 1e6).round();
    sleep(Duration::from_micros(micros.min(u64::MAX as f64) as u64))
}

#[pg_extern]
fn graph_sleep_interval(duration: Interval) -> Result<Text, ErrorReport> {
    let micros = u128::try_from(micros(&duration)).map_err(|_| BuildError::SleepNegative)?;
    sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
}

#[pg_extern]
fn graph_sleep_for(value: Text) -> Result<Text, ErrorReport> {
    sleep_by_text(value, Span::For)
}

#[pg_extern]
fn graph_sleep_until(value: Text) -> Result<Text, ErrorReport> {
    sleep_by_text(value, Span::Until)
}

fn sleep_by_text(value: Text, span: fn(String) -> Span) -> Result<Text, ErrorReport> {
    check_length(value.len())?;
    leaf(Sleep::by_text(span(value.0)))
}

/// An interval in microseconds; a month counts as 30 days and a day as 24 hours.
pub fn micros(duration: &Interval) -> i128 {
    i128::from(duration.months()) * 30 * 86_400_000_000
        + i128::from(duration.days()) * 86_400_000_000
        + i128::from(duration.micros())
}

fn sleep(duration: Duration) -> Result<Text, ErrorReport> {
    if duration > SPAN_MAX {
        return Err(BuildError::SleepTooLong.into());
    }
    leaf(Ok(Sleep::new(duration)))
}

#[pg_extern]
fn graph_wait_for_schedule(cron_expr: Text) -> Result<Text, ErrorReport> {
    leaf(WaitSchedule::new(cron_expr.0, None))
}

#[pg_extern]
fn graph_wait_for_schedule_in(cron_expr: Text, timezone: Text) -> Result<Text, ErrorReport> {
    leaf(WaitSchedule::new(cron_expr.0, Some(timezone.0)))
}

#[pg_extern]
fn graph_loop(
    body: Option<Text>,
    condition: Option<Text>,
    continue_on_failure: Option<bool>,
) -> Result<Text, ErrorReport> {
    let body = piece(&given(body, "body")?)?;
    let condition = condition.as_deref().map(piece).transpose()?;
    let repeat = match given(continue_on_failure, "continue_on_failure")? {
        false => Fragment::repeat,
        true => Fragment::repeat_after_failures,
    };
    Ok(give(repeat(&body, condition.as_ref())))
}

#[pg_extern]
fn graph_loop_prefix_op(body: Text) -> Result<Text, ErrorReport> {
    Ok(give(Fragment::repeat(&piece(&body)?, None)))
}

#[pg_extern]
fn graph_break(value: Option<Text>) -> Result<Text, ErrorReport> {
    check_length(value.as_deref().map_or(0, str::len))?;
    Ok(give(Fragment::leaf(Break { value: value.map(|value| value.0) })))
}

#[pg_extern]
fn graph_if(condition: Text, then_branch: Text, else_branch: Text) -> Result<Text, ErrorReport> {
    Ok(give(Fragment::if_else(&piece(&condition)?, &piece(&then_branch)?, &piece(&else_branch)?)))
}

#[pg_extern]
fn graph_if_rows(result_name: Text, then_branch: Text, else_branch: Text) -> Result<Text, ErrorReport> {
    Ok(give(Fragment::if_rows(&result_name, &piece(&then_branch)?, &piece(&else_branch)?)))
}

#[pg_extern]
fn graph_if_then_op(condition: Text, then_branch: Text) -> Result<Text, ErrorReport> {
    check_length(condition.len() + then_branch.len())?;
    Ok(Text(fragment::partial_if(&condition, &then_branch)))
}

#[pg_extern]
fn graph_if_else_op(partial_if: Text, else_branch: Text) -> Result<Text, ErrorReport> {
    check_length(partial_if.len() + else_branch.len())?;
    Ok(give(fragment::complete_if(&partial_if, &else_branch).map_err(BuildError::from)?))
}

#[pg_extern]
fn graph_join(a: Text, b: Text) -> Result<Text, ErrorReport> {
    over(&[&a, &b], Fragment::join)
}

#[pg_extern]
fn graph_join3(a: Text, b: Text, c: Text) -> Result<Text, ErrorReport> {
    over(&[&a, &b, &c], Fragment::join)
}

#[pg_extern]
fn graph_join_many(branches: Array<&str>) -> Result<Text, ErrorReport> {
    over_all(&branches, Fragment::join)
}

#[pg_extern]
fn graph_race(a: Text, b: Text) -> Result<Text, ErrorReport> {
    over(&[&a, &b], Fragment::race)
}

#[pg_extern]
fn graph_race_many(branches: Array<&str>) -> Result<Text, ErrorReport> {
    over_all(&branches, Fragment::race)
}

#[pg_extern]
fn graph_race_tagged(branches: Array<&str>) -> Result<Text, ErrorReport> {
    over_all(&branches, Fragment::race_tagged)
}

#[expect(clippy::too_many_arguments, reason = "the arguments of df.retry")]
#[pg_extern]
fn graph_retry(
    fut: Option<Text>,
    max_attempts: Option<i32>,
    initial_interval: Option<Interval>,
    backoff: Option<f64>,
    max_interval: Option<Interval>,
    jitter: Option<Text>,
    retry_on: Option<Array<&str>>,
    except_on: Option<Array<&str>>,
    max_duration: Option<Interval>,
    on_exhausted: Option<Text>,
) -> Result<Text, ErrorReport> {
    let body = piece(&given(fut, "fut")?)?;
    let default = RetryPolicy::default();
    let on_exhausted = on_exhausted.map_or_else(|| "fail".to_owned(), |word| word.0);
    if on_exhausted != "fail" {
        return Err(BuildError::OnExhausted(on_exhausted).into());
    }
    let policy = RetryPolicy {
        max_attempts: match max_attempts {
            None => default.max_attempts,
            Some(0) => None,
            Some(attempts) => {
                Some(u32::try_from(attempts).map_err(|_| BuildError::Negative("max_attempts"))?)
            }
        },
        initial_interval: span(initial_interval, "initial_interval")?.unwrap_or(default.initial_interval),
        backoff: backoff.unwrap_or(default.backoff),
        max_interval: span(max_interval, "max_interval")?.unwrap_or(default.max_interval),
        jitter: match jitter {
            None => default.jitter,
            Some(word) => Jitter::parse(&word).ok_or(BuildError::Jitter(word.0))?,
        },
        retry_on: words(retry_on, "retry_on")?.unwrap_or(default.retry_on),
        except_on: words(except_on, "except_on")?.unwrap_or_default(),
        max_duration: span(max_duration, "max_duration")?,
    };
    Ok(give(Fragment::retry(&body, policy).map_err(BuildError::from)?))
}

#[pg_extern]
fn graph_timeout(fut: Text, duration: Interval) -> Result<Text, ErrorReport> {
    let micros = u64::try_from(micros(&duration)).map_err(|_| BuildError::TimeoutNotPositive)?;
    let body = piece(&fut)?;
    Ok(give(Fragment::timeout(&body, Duration::from_micros(micros)).map_err(BuildError::from)?))
}

#[pg_extern]
fn graph_catch(
    body: Option<Text>,
    handler: Option<Text>,
    errors: Option<Array<&str>>,
    name: Option<Text>,
) -> Result<Text, ErrorReport> {
    let (body, handler) = (given(body, "body")?, given(handler, "handler")?);
    let errors = words(errors, "errors")?.unwrap_or_else(|| vec![Matching::All]);
    let name = given(name, "name")?;
    let pieces = pieces(&[&body, &handler])?;
    Ok(give(Fragment::catch(&pieces[0], &pieces[1], errors, &name).map_err(BuildError::from)?))
}

#[pg_extern]
fn graph_fail(
    message: Option<Text>,
    sqlstate: Option<Text>,
    detail: Option<Text>,
    hint: Option<Text>,
) -> Result<Text, ErrorReport> {
    let message = given(message, "message")?.0;
    let lengths = [&detail, &hint].map(|text| text.as_deref().map_or(0, str::len));
    check_length(message.len() + lengths.iter().sum::<usize>())?;
    leaf(Fail::with(
        message,
        &given(sqlstate, "sqlstate")?,
        detail.map(|text| text.0),
        hint.map(|text| text.0),
    ))
}

/// Words for failures.
fn words(words: Option<Array<&str>>, argument: &'static str) -> Result<Option<Vec<Matching>>, ErrorReport> {
    let Some(words) = words else { return Ok(None) };
    let words: Option<Vec<&str>> = words.iter().collect();
    let words = given(words, argument)?;
    Ok(Some(Matching::parse_all(argument, &words).map_err(|problem| BuildError::Graph(problem.into()))?))
}

fn span(span: Option<Interval>, argument: &'static str) -> Result<Option<Duration>, BuildError> {
    let Some(span) = span else { return Ok(None) };
    let micros = u128::try_from(micros(&span)).map_err(|_| BuildError::Negative(argument))?;
    Ok(Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))))
}

#[pg_extern]
fn graph_join_settled(branches: Array<&str>) -> Result<Text, ErrorReport> {
    over_all(&branches, Fragment::join_settled)
}

#[pg_extern]
fn graph_race_any(branches: Array<&str>) -> Result<Text, ErrorReport> {
    over_all(&branches, Fragment::race_any)
}

/// What makes one piece of several branches.
type Over = fn(&[Fragment]) -> Result<Fragment, GraphError>;

fn over(branches: &[&str], combine: Over) -> Result<Text, ErrorReport> {
    Ok(give(combine(&pieces(branches)?).map_err(BuildError::from)?))
}

fn over_all(branches: &Array<'_, &str>, combine: Over) -> Result<Text, ErrorReport> {
    over(&not_null(branches)?.iter().map(String::as_str).collect::<Vec<_>>(), combine)
}

fn not_null(branches: &Array<'_, &str>) -> Result<Vec<String>, BuildError> {
    branches.iter().map(|branch| Ok(given(branch, "a branch")?.to_owned())).collect()
}

#[pg_extern]
fn graph_wait_for_signal(name: Option<Text>, timeout_seconds: Option<i32>) -> Result<Text, ErrorReport> {
    let name = given(name, "name")?;
    check_length(name.len())?;
    let timeout = match timeout_seconds {
        Some(secs) if secs <= 0 => return Err(BuildError::TimeoutNotPositive.into()),
        Some(secs) => Some(Duration::from_secs(secs as u64)),
        None => None,
    };
    leaf(Signal::new(name.0, timeout.map(Span::Fixed)))
}
