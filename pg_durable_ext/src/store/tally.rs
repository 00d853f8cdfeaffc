//! `df._tally`: counts over what ended before a moment, so that nobody counts it again.
//!
//! The row is written by the scheduler alone, under a lock that also those take who bring or delete ended instances: the
//! triggers of `df.instances`.

use crate::pg::spi::{Arg, Session, statement};

/// The row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Microseconds since 2000-01-01 UTC; the least of all numbers is the beginning of time.
    pub up_to: i64,
    pub completed: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub executions: i64,
    pub events: i64,
}

impl Tally {
    const EMPTY: Tally =
        Tally { up_to: i64::MIN, completed: 0, failed: 0, cancelled: 0, executions: 0, events: 0 };

    /// Without what is not there any more.
    pub fn less(self, gone: &Tally) -> Tally {
        Tally {
            up_to: self.up_to,
            completed: self.completed - gone.completed,
            failed: self.failed - gone.failed,
            cancelled: self.cancelled - gone.cancelled,
            executions: self.executions - gone.executions,
            events: self.events - gone.events,
        }
    }

    /// With what has ended before `up_to`.
    fn and(self, more: &Tally, up_to: i64) -> Tally {
        Tally {
            up_to,
            completed: self.completed + more.completed,
            failed: self.failed + more.failed,
            cancelled: self.cancelled + more.cancelled,
            executions: self.executions + more.executions,
            events: self.events + more.events,
        }
    }
}

statement!(LOCK, c"LOCK TABLE df._tally IN SHARE ROW EXCLUSIVE MODE", []);

/// Keeps others from bringing or deleting ended instances until the transaction ends. Waits for those who do, no longer
/// than the session's `lock_timeout`.
pub fn lock(spi: &Session) {
    spi.run(&LOCK, &[]);
}

statement!(
    READ,
    c"SELECT t.up_to, t.completed, t.failed, t.cancelled, t.executions, t.events FROM df._tally AS t",
    []
);

/// The row, if there is one.
pub fn read(spi: &Session) -> Option<Tally> {
    let rows = spi.run(&READ, &[]);
    let of = |column| rows.int(0, column).unwrap_or_default();
    (rows.count > 0).then(|| Tally {
        up_to: of(1),
        completed: of(2),
        failed: of(3),
        cancelled: of(4),
        executions: of(5),
        events: of(6),
    })
}

statement!(DELETE, c"DELETE FROM df._tally", []);
statement!(
    INSERT,
    c"INSERT INTO df._tally (up_to, completed, failed, cancelled, executions, events)
      VALUES ($1, $2, $3, $4, $5, $6)",
    [TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID]
);

/// Puts a row in the place of what is there.
pub fn write(spi: &Session, tally: &Tally) {
    spi.run(&DELETE, &[]);
    let numbers = [tally.completed, tally.failed, tally.cancelled, tally.executions, tally.events];
    let mut args = vec![Arg::Timestamp(tally.up_to)];
    args.extend(numbers.map(Arg::Int8));
    spi.run(&INSERT, &args);
}

statement!(
    HORIZON,
    c"SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8,
             pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8",
    []
);

/// The id below which every transaction is over, and the one that the next transaction gets at the earliest.
pub fn horizon(spi: &Session) -> (i64, i64) {
    let rows = spi.run(&HORIZON, &[]);
    (rows.int(0, 1).unwrap_or_default(), rows.int(0, 2).unwrap_or_default())
}

statement!(
    NTH,
    c"SELECT i.completed_at FROM df.instances AS i
      WHERE i.completed_at OPERATOR(pg_catalog.>=) $1 AND i.completed_at OPERATOR(pg_catalog.<) $2
      ORDER BY i.completed_at OFFSET $3 LIMIT 1",
    [TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID]
);

fn nth(spi: &Session, from: i64, until: i64, number: i64) -> Option<i64> {
    let rows = spi.run(&NTH, &[Arg::Timestamp(from), Arg::Timestamp(until), Arg::Int8(number)]);
    (rows.count > 0).then(|| rows.int(0, 1)).flatten()
}

/// Whether something that ended before `until` has not been counted.
pub fn is_behind(spi: &Session, until: i64) -> bool {
    let from = read(spi).map_or(i64::MIN, |tally| tally.up_to);
    nth(spi, from, until, 0).is_some()
}

statement!(
    COUNT,
    c"SELECT pg_catalog.count(*) FILTER (WHERE i.status OPERATOR(pg_catalog.=) 'completed'),
             pg_catalog.count(*) FILTER (WHERE i.status OPERATOR(pg_catalog.=) 'failed'),
             pg_catalog.count(*) FILTER (WHERE i.status OPERATOR(pg_catalog.=) 'cancelled'),
             COALESCE(pg_catalog.sum(GREATEST(n.executions, 1)), 0)::pg_catalog.int8,
             COALESCE(pg_catalog.sum(n.events), 0)::pg_catalog.int8
      FROM df.instances AS i, LATERAL (
          SELECT pg_catalog.max(CASE
                     WHEN n.id OPERATOR(pg_catalog.=) i.root_node AND n.node_type OPERATOR(pg_catalog.=) 'LOOP'
                     THEN n.iteration END) AS executions,
                 pg_catalog.count(*) FILTER (
                     WHERE n.status OPERATOR(pg_catalog.=) ANY (ARRAY['completed', 'failed'])) AS events
          FROM df.nodes AS n WHERE n.instance_id OPERATOR(pg_catalog.=) i.id) AS n
      WHERE i.completed_at OPERATOR(pg_catalog.>=) $1 AND i.completed_at OPERATOR(pg_catalog.<) $2",
    [TIMESTAMPTZOID, TIMESTAMPTZOID]
);

/// How many instances are counted in one go, more or less: timers wait meanwhile.
const BATCH: i64 = 5000;

/// Counts what ended before `until`, of which there must come no more, as far as one goes at once; whether there is more.
pub fn count_until(spi: &Session, until: i64) -> bool {
    lock(spi);
    let tally = read(spi).unwrap_or(Tally::EMPTY);
    let further = nth(spi, tally.up_to, until, BATCH);
    // Where so many ended at one moment they are counted together.
    let up_to = further.map_or(until, |at| if at > tally.up_to { at } else { at + 1 });
    if up_to <= tally.up_to {
        return false;
    }
    let rows = spi.run(&COUNT, &[Arg::Timestamp(tally.up_to), Arg::Timestamp(up_to)]);
    let of = |column| rows.int(0, column).unwrap_or_default();
    let more =
        Tally { up_to, completed: of(1), failed: of(2), cancelled: of(3), executions: of(4), events: of(5) };
    if more.completed + more.failed + more.cancelled > 0 {
        write(spi, &tally.and(&more, up_to));
    }
    further.is_some()
}
