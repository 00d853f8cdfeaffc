//! The rows of `df.instances` that are not terminal: what the engine still has to do, and whose it is.
//!
//! By role they are found by an index of their own, `idx_instances_unfinished`, oldest first. It holds what has no end: what
//! has ended has one, and this is cheaper to see of a row than its status.

use pgrx::pg_sys::Oid;

use crate::pg::spi::{Arg, Session, statement};

statement!(
    ALL,
    c"SELECT i.id, i.submitted_by::pg_catalog.oid FROM df.instances AS i
      WHERE i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
      ORDER BY i.created_at, i.id",
    []
);

/// All of them, oldest first, with their roles.
pub fn all(spi: &Session) -> Vec<(String, Oid)> {
    let rows = spi.run(&ALL, &[]);
    (0..rows.count)
        .map(|row| (rows.string(row, 1), Oid::from(rows.int(row, 2).unwrap_or_default() as u32)))
        .collect()
}

statement!(
    ROLES,
    c"WITH RECURSIVE found AS (
          (SELECT i.submitted_by::pg_catalog.oid AS role FROM df.instances AS i
           WHERE i.completed_at IS NULL AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
           ORDER BY i.submitted_by::pg_catalog.oid LIMIT 1)
          UNION ALL
          SELECT (SELECT i.submitted_by::pg_catalog.oid FROM df.instances AS i
                  WHERE i.completed_at IS NULL AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
                    AND i.submitted_by::pg_catalog.oid OPERATOR(pg_catalog.>) f.role
                  ORDER BY i.submitted_by::pg_catalog.oid LIMIT 1)
          FROM found AS f WHERE f.role IS NOT NULL)
      SELECT f.role FROM found AS f WHERE f.role IS NOT NULL",
    []
);

/// The roles that have any: from one to the next in the index, however many each has.
pub fn roles(spi: &Session) -> Vec<Oid> {
    let rows = spi.run(&ROLES, &[]);
    (0..rows.count).map(|row| Oid::from(rows.int(row, 1).unwrap_or_default() as u32)).collect()
}

statement!(
    PAGE_OF_ROLE,
    c"SELECT i.id, i.created_at FROM df.instances AS i
      WHERE i.completed_at IS NULL AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
        AND i.submitted_by OPERATOR(pg_catalog.=) $1::pg_catalog.regrole
        AND ROW (i.created_at, i.id) OPERATOR(pg_catalog.>) ROW ($2, $3::pg_catalog.varchar)
      ORDER BY i.created_at, i.id LIMIT $4",
    [OIDOID, TIMESTAMPTZOID, TEXTOID, INT4OID]
);

/// Up to `limit` of a role's behind this one, by when they were started and id; with when they were started.
pub fn page_of_role(spi: &Session, role: Oid, after: Option<(i64, &str)>, limit: u32) -> Vec<(String, i64)> {
    // `-infinity`.
    let (created_at, id) = after.unwrap_or((i64::MIN, ""));
    let args = [Arg::Oid(role), Arg::Timestamp(created_at), Arg::Text(id), Arg::Int4(limit as i32)];
    let rows = spi.run(&PAGE_OF_ROLE, &args);
    (0..rows.count).map(|row| (rows.string(row, 1), rows.int(row, 2).unwrap_or_default())).collect()
}

statement!(
    OF_ROLE,
    c"SELECT i.id FROM df.instances AS i
      WHERE i.completed_at IS NULL AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
        AND i.submitted_by OPERATOR(pg_catalog.=) $1::pg_catalog.regrole",
    [OIDOID]
);

/// All of a role's.
pub fn of_role(spi: &Session, role: Oid) -> Vec<String> {
    let rows = spi.run(&OF_ROLE, &[Arg::Oid(role)]);
    (0..rows.count).map(|row| rows.string(row, 1)).collect()
}

statement!(
    COUNT_OF_ROLE,
    c"SELECT pg_catalog.count(*) FROM (
          SELECT 1 FROM df.instances AS i
          WHERE i.completed_at IS NULL AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
            AND i.submitted_by OPERATOR(pg_catalog.=) $1::pg_catalog.regrole
          LIMIT $2) AS counted",
    [OIDOID, INT4OID]
);

/// How many a role has, counted to `at_most`: those that are committed, and the transaction's own.
pub fn count_of_role(spi: &Session, role: Oid, at_most: u32) -> u32 {
    let rows = spi.run(&COUNT_OF_ROLE, &[Arg::Oid(role), Arg::Int4(at_most as i32)]);
    rows.int(0, 1).unwrap_or_default() as u32
}

statement!(
    COUNT,
    c"SELECT pg_catalog.count(*) FROM df.instances AS i
      WHERE i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])",
    []
);

/// How many there are.
pub fn count(spi: &Session) -> i64 {
    spi.run(&COUNT, &[]).int(0, 1).unwrap_or_default()
}
