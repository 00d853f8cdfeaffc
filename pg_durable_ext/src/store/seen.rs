//! What users ask of an instance. All of it reads as the current user: whoever may see more becomes the owner before.

use pgrx::pg_sys::Oid;

use crate::pg::spi::{Arg, Rows, Session, statement};

/// What a user may see of an instance.
#[derive(Debug, Clone)]
pub struct VisibleInstance {
    pub id: String,
    pub label: Option<String>,
    pub status: String,
    pub submitted_by: Oid,
    pub called_by: Option<Oid>,
    pub database: Option<String>,
}

statement!(
    VISIBLE,
    c"SELECT i.id, i.label, i.status, i.submitted_by::pg_catalog.oid, i.database, i.called_by::pg_catalog.oid
      FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar",
    [TEXTOID]
);

/// An instance, if the current user may see it.
pub fn visible(spi: &Session, id: &str) -> Option<VisibleInstance> {
    let rows = spi.run(&VISIBLE, &[Arg::Text(id)]);
    (rows.count > 0).then(|| VisibleInstance {
        id: rows.string(0, 1),
        label: rows.text(0, 2),
        status: rows.string(0, 3),
        submitted_by: Oid::from(rows.int(0, 4).unwrap_or_default() as u32),
        database: rows.text(0, 5),
        called_by: rows.int(0, 6).map(|role| Oid::from(role as u32)),
    })
}

statement!(
    STATUSES,
    c"SELECT i.id, i.status FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.varchar[])",
    [TEXTARRAYOID]
);

/// The statuses of those of the instances that the current user may see.
pub fn statuses(spi: &Session, ids: &[Option<&str>]) -> Vec<(String, String)> {
    let rows = spi.run(&STATUSES, &[Arg::TextArray(ids)]);
    (0..rows.count).map(|row| (rows.string(row, 1), rows.string(row, 2))).collect()
}

statement!(
    RESULT,
    c"SELECT n.result, n.result_columns FROM df.instances AS i
          JOIN df.nodes AS n ON n.instance_id OPERATOR(pg_catalog.=) i.id AND n.id OPERATOR(pg_catalog.=) i.root_node
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND n.status OPERATOR(pg_catalog.=) 'completed'",
    [TEXTOID]
);

/// What a completed instance has left behind, as JSON.
pub struct LeftBehind {
    pub result: String,
    /// What is known of the columns of its rows.
    pub layout: Option<String>,
}

impl LeftBehind {
    fn read(rows: &Rows, first: i32) -> Option<LeftBehind> {
        Some(LeftBehind { result: rows.text(0, first)?, layout: rows.text(0, first + 1) })
    }
}

/// The result of a completed instance.
pub fn result(spi: &Session, id: &str) -> Option<LeftBehind> {
    let rows = spi.run(&RESULT, &[Arg::Text(id)]);
    (rows.count > 0).then(|| LeftBehind::read(&rows, 1)).flatten()
}

statement!(
    CALLED_RESULT,
    c"SELECT i.called_by::pg_catalog.oid, n.result, n.result_columns FROM df.instances AS i
          JOIN df.nodes AS n ON n.instance_id OPERATOR(pg_catalog.=) i.id AND n.id OPERATOR(pg_catalog.=) i.root_node
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND i.called_by IS NOT NULL
        AND n.status OPERATOR(pg_catalog.=) 'completed'",
    [TEXTOID]
);

/// Who has called an instance that ran as the workflow's owner, and its result.
pub fn called_result(spi: &Session, id: &str) -> Option<(Oid, LeftBehind)> {
    let rows = spi.run(&CALLED_RESULT, &[Arg::Text(id)]);
    let caller = (rows.count > 0).then(|| rows.int(0, 1)).flatten()?;
    Some((Oid::from(caller as u32), LeftBehind::read(&rows, 2)?))
}

/// Why an instance ended before it was completed.
pub struct EndedBy {
    pub failed_node: Option<String>,
    pub sqlstate: Option<String>,
    pub message: Option<String>,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
}

statement!(
    ERROR,
    c"SELECT i.failed_node, i.sqlstate, i.message, i.detail, i.hint, i.context FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND i.status OPERATOR(pg_catalog.<>) ALL (ARRAY['pending', 'running', 'completed'])",
    [TEXTOID]
);

/// Why an instance failed or was cancelled, if it did or was.
pub fn error(spi: &Session, id: &str) -> Option<EndedBy> {
    let rows = spi.run(&ERROR, &[Arg::Text(id)]);
    (rows.count > 0).then(|| EndedBy {
        failed_node: rows.text(0, 1),
        sqlstate: rows.text(0, 2),
        message: rows.text(0, 3),
        detail: rows.text(0, 4),
        hint: rows.text(0, 5),
        context: rows.text(0, 6),
    })
}

/// How an instance stands.
pub struct Info {
    pub label: Option<String>,
    pub generations: i64,
    pub status: String,
    /// Its result, or why it ended.
    pub output: Option<String>,
}

statement!(
    INFO,
    c"SELECT i.label, df._execution_count(i.id), i.status, df._output(i.id) FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar",
    [TEXTOID]
);

/// How an instance stands, and what it has left.
pub fn info(spi: &Session, id: &str) -> Option<Info> {
    let rows = spi.run(&INFO, &[Arg::Text(id)]);
    (rows.count > 0).then(|| Info {
        label: rows.text(0, 1),
        generations: rows.int(0, 2).unwrap_or_default(),
        status: rows.string(0, 3),
        output: rows.text(0, 4),
    })
}

/// A generation of an instance whose root is a loop.
pub struct Execution {
    pub number: i64,
    pub status: String,
    pub events: Option<i64>,
    pub duration_ms: Option<i64>,
    pub output: Option<String>,
}

statement!(
    EXECUTIONS,
    c"SELECT e.execution_id, e.status, e.event_count, e.duration_ms, e.output
      FROM df._executions($1, $2) AS e ORDER BY e.execution_id DESC",
    [TEXTOID, INT4OID]
);

/// The newest generations of an instance, the newest first.
pub fn executions(spi: &Session, id: &str, most: i32) -> Vec<Execution> {
    let rows = spi.run(&EXECUTIONS, &[Arg::Text(id), Arg::Int4(most)]);
    let execution = |row| Execution {
        number: rows.int(row, 1).unwrap_or_default(),
        status: rows.string(row, 2),
        events: rows.int(row, 3),
        duration_ms: rows.int(row, 4),
        output: rows.text(row, 5),
    };
    (0..rows.count).map(execution).collect()
}
