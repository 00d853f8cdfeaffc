//! `df.attempts()`.

use pg_durable_graph::rights::Sight;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use super::visible;
use crate::pg::clock;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::store::attempts;

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn attempts_of(
    instance_id: &str,
) -> TableIterator<
    'static,
    (
        name!(node_id, Option<Text>),
        name!(generation, Option<i64>),
        name!(attempt, Option<i32>),
        name!(started_at, Option<TimestampWithTimeZone>),
        name!(ended_at, Option<TimestampWithTimeZone>),
        name!(sqlstate, Option<Text>),
        name!(message, Option<Text>),
        name!(detail, Option<Text>),
    ),
> {
    let read = || {
        let attempts = attempts::show(&Session::open(), instance_id);
        (!attempts.is_empty()).then_some(attempts)
    };
    let found = visible::find(instance_id).and_then(|_| visible::read(read));
    let (attempts, sight) = found.unwrap_or((Vec::new(), Sight::Whole));
    let is_whole = sight != Sight::Shape;
    TableIterator::new(attempts.into_iter().map(move |attempt| {
        (
            Some(Text(attempt.node.to_string())),
            Some(attempt.generation),
            Some(attempt.attempt),
            attempt.started_at.and_then(clock::to_sql),
            attempt.ended_at.and_then(clock::to_sql),
            Some(Text(attempt.sqlstate)),
            attempt.message.filter(|_| is_whole).map(Text),
            attempt.detail.filter(|_| is_whole).map(Text),
        )
    }))
}
