//! `df.walls()`: what of the engine is of a fixed size, and how full it is.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use crate::pg::{clock, shmem};

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn walls() -> TableIterator<
    'static,
    (
        name!(wall, Option<String>),
        name!(size, Option<i64>),
        name!(used, Option<i64>),
        name!(crossings, Option<i64>),
        name!(met_at, Option<TimestampWithTimeZone>),
        name!(note, Option<String>),
    ),
> {
    let now = clock::now();
    let infos = shmem::try_board().map(|board| board.wall_infos(now)).unwrap_or_default();
    TableIterator::new(infos.into_iter().map(move |info| {
        let met_at = (info.met_at != 0).then(|| clock::to_sql(info.met_at)).flatten();
        (
            Some(info.wall.as_str().to_owned()),
            Some(info.size.into()),
            Some(info.used.into()),
            Some(info.crossings.into()),
            met_at,
            info.is_met(now).then(|| info.wall.consequence().to_owned()),
        )
    }))
}
