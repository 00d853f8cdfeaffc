//! `df._attempts`: the attempts that have failed and that a RETRY counts.

use pg_durable_graph::NodeId;
use pg_durable_graph::progress::Attempt;

use crate::pg::spi::{Arg, Session, statement};

statement!(
    INSERT,
    c"WITH kept AS (
          INSERT INTO df._attempts
              (instance_id, node_id, generation, attempt, started_at, ended_at, sqlstate, message, detail)
          VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp(), $6, $7, $8)
          ON CONFLICT DO NOTHING
      )
      DELETE FROM df._attempts AS a
      WHERE a.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND a.node_id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
        AND (a.generation, a.attempt) OPERATOR(pg_catalog.<=) (
            SELECT o.generation, o.attempt FROM df._attempts AS o
            WHERE o.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
              AND o.node_id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
            ORDER BY o.generation DESC, o.attempt DESC OFFSET $9 LIMIT 1)",
    [TEXTOID, TEXTOID, INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, INT8OID]
);

/// Keeps an attempt, and of its node no more than the newest `kept`.
pub fn insert(spi: &Session, instance: &str, attempt: &Attempt, kept: u32) {
    // The statement does not see what it inserts.
    let Some(others) = kept.checked_sub(1) else { return };
    spi.run(
        &INSERT,
        &[
            Arg::Text(instance),
            Arg::Text(&attempt.node.to_string()),
            Arg::Int8(attempt.generation),
            Arg::Int4(i32::try_from(attempt.number).unwrap_or(i32::MAX)),
            Arg::Timestamp(attempt.began),
            Arg::Text(&attempt.failure.sqlstate),
            Arg::Text(&attempt.failure.message),
            Arg::text(attempt.failure.detail.as_deref()),
            Arg::Int8(others.into()),
        ],
    );
}

statement!(
    SHOW,
    c"SELECT a.node_id, a.generation, a.attempt, a.started_at, a.ended_at, a.sqlstate, a.message, a.detail
      FROM df._attempts AS a WHERE a.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
      ORDER BY a.ended_at, a.node_id, a.generation, a.attempt",
    [TEXTOID]
);

/// An attempt as it is shown to users.
#[derive(Debug, Clone)]
pub struct ShownAttempt {
    pub node: NodeId,
    pub generation: i64,
    pub attempt: i32,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub sqlstate: String,
    pub message: Option<String>,
    pub detail: Option<String>,
}

/// The attempts of an instance that the current user may see, oldest first.
pub fn show(spi: &Session, instance: &str) -> Vec<ShownAttempt> {
    let rows = spi.run(&SHOW, &[Arg::Text(instance)]);
    (0..rows.count)
        .filter_map(|row| {
            Some(ShownAttempt {
                node: NodeId::parse(&rows.string(row, 1))?,
                generation: rows.int(row, 2).unwrap_or_default(),
                attempt: rows.int(row, 3).unwrap_or_default() as i32,
                started_at: rows.int(row, 4),
                ended_at: rows.int(row, 5),
                sqlstate: rows.string(row, 6),
                message: rows.text(row, 7),
                detail: rows.text(row, 8),
            })
        })
        .collect()
}
