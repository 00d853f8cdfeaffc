//! `df.signals`.

use pgrx::pg_sys::Oid;

use crate::pg::spi::{Arg, Session, statement};

statement!(
    INSERT,
    c"INSERT INTO df.signals (instance_id, name, payload, sent_by) VALUES ($1, $2, $3, $4::pg_catalog.regrole)",
    [TEXTOID, TEXTOID, JSONBOID, OIDOID]
);

/// Stores a signal until it is consumed. `payload` is JSON.
pub fn insert(spi: &Session, instance: &str, name: &str, payload: &str, sender: Oid) {
    spi.run(&INSERT, &[Arg::Text(instance), Arg::Text(name), Arg::Jsonb(payload), Arg::Oid(sender)]);
}

statement!(
    WAITING,
    c"SELECT s.instance_id, pg_catalog.sum(s.id)::pg_catalog.int8 FROM df.signals AS s GROUP BY s.instance_id",
    []
);

/// The instances that have signals which nobody has consumed, each with a sum that tells whether others have come.
pub fn waiting(spi: &Session) -> Vec<(String, i64)> {
    let rows = spi.run(&WAITING, &[]);
    (0..rows.count).map(|row| (rows.string(row, 1), rows.int(row, 2).unwrap_or_default())).collect()
}

statement!(
    CONSUME,
    c"DELETE FROM df.signals AS s
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND s.name OPERATOR(pg_catalog.=) $2
        AND s.id OPERATOR(pg_catalog.=) (
            SELECT t.id FROM df.signals AS t
            WHERE t.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND t.name OPERATOR(pg_catalog.=) $2
            ORDER BY t.id LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING s.payload",
    [TEXTOID, TEXTOID]
);

/// Takes the oldest signal of this name, as JSON.
pub fn consume(spi: &Session, instance: &str, name: &str) -> Option<String> {
    let rows = spi.run(&CONSUME, &[Arg::Text(instance), Arg::Text(name)]);
    (rows.count > 0).then(|| rows.text(0, 1).unwrap_or_else(|| "null".to_owned()))
}
