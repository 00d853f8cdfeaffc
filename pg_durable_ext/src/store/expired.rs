//! Instances that have ended and have been kept long enough.

use super::tally::{self, Tally};
use crate::pg::spi::{self, Arg, Rows, Session, statement};

macro_rules! ended_before {
    () => {
        "i.completed_at OPERATOR(pg_catalog.<)
             (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $1))
         AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['completed', 'failed', 'cancelled'])"
    };
}

macro_rules! delete {
    ($name:ident, $which:expr, [$($type:ident),*]) => {
        statement!(
            $name,
            spi::text(concat!(
                "WITH expired AS MATERIALIZED (
                     SELECT i.id, i.status, i.completed_at, i.root_node FROM df.instances AS i
                     WHERE ",
                $which,
                "    FOR UPDATE SKIP LOCKED
                 ), nodes AS (
                     DELETE FROM df.nodes AS n USING expired AS e WHERE n.instance_id OPERATOR(pg_catalog.=) e.id
                     RETURNING n.instance_id, n.status,
                         CASE WHEN n.id OPERATOR(pg_catalog.=) e.root_node AND n.node_type OPERATOR(pg_catalog.=) 'LOOP'
                             THEN n.iteration END AS executions
                 ), signals AS (
                     DELETE FROM df.signals AS s USING expired AS e WHERE s.instance_id OPERATOR(pg_catalog.=) e.id
                 ), attempts AS (
                     DELETE FROM df._attempts AS a USING expired AS e WHERE a.instance_id OPERATOR(pg_catalog.=) e.id
                 ), waits AS (
                     DELETE FROM df._waits AS w USING expired AS e WHERE w.instance_id OPERATOR(pg_catalog.=) e.id
                 ), gone AS (
                     DELETE FROM df.instances AS i USING expired AS e WHERE i.id OPERATOR(pg_catalog.=) e.id
                     RETURNING i.id, i.status, i.completed_at
                 ), counted AS (
                     SELECT n.instance_id, pg_catalog.max(n.executions) AS executions,
                            pg_catalog.count(*) FILTER (
                                WHERE n.status OPERATOR(pg_catalog.=) ANY (ARRAY['completed', 'failed'])) AS events
                     FROM nodes AS n GROUP BY n.instance_id
                 )
                 SELECT g.status, g.completed_at, GREATEST(c.executions, 1)::pg_catalog.int8, COALESCE(c.events, 0)
                 FROM gone AS g LEFT JOIN counted AS c ON c.instance_id OPERATOR(pg_catalog.=) g.id\0"
            )),
            [$($type),*]
        );
    };
}

statement!(
    ANY_EXPIRED,
    spi::text(concat!("SELECT 1 FROM df.instances AS i WHERE ", ended_before!(), " LIMIT 1\0")),
    [INT4OID]
);

delete!(DELETE_EXPIRED, concat!(ended_before!(), " LIMIT 1000 "), [INT4OID]);

/// Deletes up to 1,000 terminal instances that ended more than `days` ago; how many there were.
pub fn delete_all(spi: &Session, days: i32) -> usize {
    if spi.run(&ANY_EXPIRED, &[Arg::Int4(days)]).count == 0 {
        return 0;
    }
    counted_off(spi, || spi.run(&DELETE_EXPIRED, &[Arg::Int4(days)]))
}

delete!(
    DELETE_ONE,
    "i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
     AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['completed', 'failed', 'cancelled']) ",
    [TEXTOID]
);

/// Deletes a terminal instance; false where somebody holds its row.
pub fn delete(spi: &Session, id: &str) -> bool {
    counted_off(spi, || spi.run(&DELETE_ONE, &[Arg::Text(id)])) == 1
}

/// Deletes instances, and takes them off the tally; how many.
fn counted_off<'s>(spi: &'s Session, delete: impl FnOnce() -> Rows<'s>) -> usize {
    tally::lock(spi);
    let tally = tally::read(spi);
    let rows = delete();
    if let Some(tally) = tally {
        // The table's trigger has forgotten it, as for any other who deletes.
        let gone = (0..rows.count).map(|row| ended(&rows, row));
        tally::write(spi, &gone.filter(|of| of.up_to < tally.up_to).fold(tally, |left, of| left.less(&of)));
    }
    rows.count
}

/// One instance, and when it ended.
fn ended(rows: &Rows<'_>, row: usize) -> Tally {
    let status = rows.string(row, 1);
    let is = |of: &str| i64::from(status == of);
    Tally {
        up_to: rows.int(row, 2).unwrap_or(i64::MAX),
        completed: is("completed"),
        failed: is("failed"),
        cancelled: is("cancelled"),
        executions: rows.int(row, 3).unwrap_or_default(),
        events: rows.int(row, 4).unwrap_or_default(),
    }
}

statement!(
    EXPIRED,
    spi::text(concat!(
        "SELECT i.id FROM df.instances AS i
         WHERE ",
        ended_before!(),
        " AND i.id OPERATOR(pg_catalog.<>) ALL ($2::pg_catalog.varchar[])
         LIMIT 100\0"
    )),
    [INT4OID, TEXTARRAYOID]
);

/// Up to 100 terminal instances that ended more than `days` ago, others than these.
pub fn list(spi: &Session, days: i32, except: &[Option<&str>]) -> Vec<String> {
    let rows = spi.run(&EXPIRED, &[Arg::Int4(days), Arg::TextArray(except)]);
    (0..rows.count).map(|row| rows.string(row, 1)).collect()
}
