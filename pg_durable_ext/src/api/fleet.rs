//! Lists of instances, counts of them, what waits and what fails.

use pg_durable_graph::listing::{Cursor, Filter, FilterError, Match, Sort, Wanted};
use pg_durable_graph::rights::Sight;
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::graph;
use super::scope::{self, NotReadable};
use crate::pg::catalog;
use crate::pg::gucs;
use crate::pg::json::Jsonb;
use crate::pg::query::{Answer, Query};
use crate::pg::text::Text;
use crate::store::fleet::{self, Question, Scope, Waits};

/// Why nothing was listed.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(transparent)]
    NotReadable(#[from] NotReadable),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("there is no order \"{0}\"")]
    Sort(String),
    #[error("{0}: invalid after_cursor")]
    InstancesCursor(&'static str),
    #[error("{0}: invalid after")]
    Cursor(&'static str),
    #[error("{0} must be at least 1")]
    LimitTooSmall(&'static str),
    #[error(
        "{function}: limit_count ({limit}) exceeds pg_durable.list_instances_max_limit ({most}); request fewer rows, or use the paginated df.list_instances overload (after_cursor/next_cursor) for large result sets"
    )]
    InstancesLimit { function: &'static str, limit: i32, most: i32 },
    #[error("{function}: limit_count ({limit}) exceeds pg_durable.list_instances_max_limit ({most})")]
    LimitTooLarge { function: &'static str, limit: i32, most: i32 },
    #[error("role \"{0}\" does not exist")]
    UnknownRole(String),
}

const INSTANCES: &str = "df.list_instances";

/// Rows that a query gives to the owner.
fn answer(query: Query) -> Result<Answer, NotReadable> {
    catalog::extension_owner().map(|owner| Answer { query, owner }).ok_or(NotReadable)
}

fn limit(function: &'static str, limit: Option<i32>) -> Result<i64, FleetError> {
    let most = gucs::list_instances_max_limit();
    match limit {
        Some(limit) if limit > most && function == INSTANCES => {
            Err(FleetError::InstancesLimit { function, limit, most })
        }
        Some(limit) if limit > most => Err(FleetError::LimitTooLarge { function, limit, most }),
        Some(limit) if limit >= 1 => Ok(limit.into()),
        Some(_) | None => Err(FleetError::LimitTooSmall("limit_count")),
    }
}

#[pg_extern]
fn fleet_list(
    filter: Option<Jsonb>,
    sort: Option<Text>,
    limit_count: Option<i32>,
    after: Option<Text>,
) -> Result<Answer, ErrorReport> {
    Ok(list(filter, sort.as_deref(), limit_count, after.as_deref())?)
}

fn list(
    filter: Option<Jsonb>,
    sort: Option<&str>,
    limit_count: Option<i32>,
    after: Option<&str>,
) -> Result<Answer, FleetError> {
    const NAME: &str = "df.list";
    let limit = limit(NAME, limit_count)?;
    let sort = match sort {
        None => Sort::NEWEST,
        Some(text) => Sort::parse(text).ok_or_else(|| FleetError::Sort(text.to_owned()))?,
    };
    let filter = read(filter, sort)?;
    let cursor = |text| Cursor::parse(text, &sort.to_string(), 1).ok_or(FleetError::Cursor(NAME));
    let after = after.map(cursor).transpose()?;
    let asked = Asked::of(filter)?;
    Ok(answer(asked.question(sort, after.as_ref()).page(limit))?)
}

fn read(filter: Option<Jsonb>, sort: Sort) -> Result<Filter, FilterError> {
    let filter = filter.map_or_else(|| Ok(Filter::default()), |filter| Filter::parse(&filter.0))?;
    filter.check(sort).map(|()| filter)
}

/// A filter, and what it means to the current user.
struct Asked {
    filter: Filter,
    wanted_role: Option<Oid>,
    unwanted_role: Option<Oid>,
    scope: Scope,
    texts: Scope,
}

impl Asked {
    fn of(filter: Filter) -> Result<Asked, FleetError> {
        Ok(Asked {
            scope: scope::of_fleet(needs(&filter))?,
            texts: scope::of_texts(),
            wanted_role: role(filter.wanted.role.as_deref())?,
            unwanted_role: role(filter.unwanted.role.as_deref())?,
            filter,
        })
    }

    fn question<'a>(&'a self, sort: Sort, after: Option<&'a Cursor>) -> Question<'a> {
        Question {
            filter: &self.filter,
            wanted_role: self.wanted_role,
            unwanted_role: self.unwanted_role,
            sort,
            after,
            scope: &self.scope,
            texts: &self.texts,
        }
    }
}

/// What a filter must be allowed to look at.
fn needs(filter: &Filter) -> Sight {
    let has_texts = |part: &Wanted| part.error.is_some() || part.attr.is_some();
    if has_texts(&filter.wanted) || has_texts(&filter.unwanted) { Sight::Whole } else { Sight::Shape }
}

fn role(name: Option<&str>) -> Result<Option<Oid>, FleetError> {
    name.map(|name| catalog::role_oid(name).ok_or_else(|| FleetError::UnknownRole(name.to_owned())))
        .transpose()
}

#[pg_extern]
fn fleet_count(filter: Option<Jsonb>, at_most: Option<i64>) -> Result<Answer, ErrorReport> {
    Ok(count(filter, at_most)?)
}

fn count(filter: Option<Jsonb>, at_most: Option<i64>) -> Result<Answer, FleetError> {
    let at_most = at_most.filter(|most| *most >= 1).ok_or(FleetError::LimitTooSmall("at_most"))?;
    let asked = Asked::of(read(filter, Sort::NEWEST)?)?;
    Ok(answer(asked.question(Sort::NEWEST, None).count(at_most))?)
}

#[pg_extern]
fn list_newest(status_filter: Option<Text>, limit_count: Option<i32>) -> Result<Answer, ErrorReport> {
    let question = Instances { status: status_filter, label: None, after: None };
    Ok(question.page(limit_count, false)?)
}

#[pg_extern]
fn list_pages(
    status_filter: Option<Text>,
    limit_count: Option<i32>,
    label_filter: Option<Text>,
    after_cursor: Option<Text>,
) -> Result<Answer, ErrorReport> {
    let question = Instances { status: status_filter, label: label_filter, after: after_cursor };
    Ok(question.page(limit_count, true)?)
}

/// What `df.list_instances` is asked.
struct Instances {
    status: Option<Text>,
    label: Option<Text>,
    after: Option<Text>,
}

impl Instances {
    fn page(self, limit_count: Option<i32>, is_paged: bool) -> Result<Answer, FleetError> {
        let limit = limit(INSTANCES, limit_count)?;
        let sort = Sort::NEWEST;
        let cursor = |text: Text| {
            Cursor::parse(&text, &sort.to_string(), 1).ok_or(FleetError::InstancesCursor(INSTANCES))
        };
        let after = self.after.map(cursor).transpose()?;
        let mut filter = Filter::default();
        // Of a status that there is not there are none.
        filter.wanted.status = self.status.map(|text| text.to_lowercase().parse().ok().into_iter().collect());
        filter.wanted.label = self.label.map(|text| Match::Exactly(text.0));
        let scope = scope::own()?;
        let question = Question {
            filter: &filter,
            wanted_role: None,
            unwanted_role: None,
            sort,
            after: after.as_ref(),
            scope: &scope,
            texts: &scope,
        };
        Ok(answer(question.page_with_outputs(limit, is_paged))?)
    }
}

/// An interval as the server reads it.
fn span(interval: &Interval) -> String {
    format!("{} microseconds", graph::micros(interval))
}

#[pg_extern]
fn fleet_waiting(
    kind: Option<Text>,
    name: Option<Text>,
    longer_than: Option<Interval>,
    limit_count: Option<i32>,
    after: Option<Text>,
) -> Result<Answer, ErrorReport> {
    let longer_than = longer_than.as_ref().map(span);
    let asked = |limit_count, after: Option<&Cursor>| -> Result<Answer, FleetError> {
        let limit = limit("df.waiting", limit_count)?;
        let scope = scope::of_fleet(Sight::Shape)?;
        let waits = Waits {
            kind: kind.as_deref(),
            name: name.as_deref(),
            longer_than: longer_than.as_deref(),
            after,
            scope: &scope,
        };
        Ok(answer(waits.page(limit))?)
    };
    let cursor = |text: &str| Cursor::parse(text, fleet::WAITS, 2).ok_or(FleetError::Cursor("df.waiting"));
    let after = after.as_deref().map(cursor).transpose()?;
    Ok(asked(limit_count, after.as_ref())?)
}

#[pg_extern]
fn fleet_waiting_summary() -> Result<Answer, ErrorReport> {
    let scope = scope::of_fleet(Sight::Shape).map_err(FleetError::from)?;
    let waits = Waits { kind: None, name: None, longer_than: None, after: None, scope: &scope };
    Ok(answer(waits.summary()).map_err(FleetError::from)?)
}

#[pg_extern]
fn fleet_errors(since: Option<Interval>, limit_count: Option<i32>) -> Result<Answer, ErrorReport> {
    let since = since.as_ref().map_or_else(|| "1 day".to_owned(), span);
    let limit = limit("df.errors", limit_count)?;
    let scope = scope::of_fleet(Sight::Whole).map_err(FleetError::from)?;
    Ok(answer(fleet::errors(&since, limit, &scope)).map_err(FleetError::from)?)
}
