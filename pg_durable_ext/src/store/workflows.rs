//! `df.workflow_names`, `df.workflow_versions` and `df.workflow_grants`.

use pgrx::pg_sys::Oid;

use crate::pg::spi::{Arg, Rows, Session, statement};

/// A registered version of a workflow. Its members are what was given to `df.register`.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub version: i32,
    pub definition: Definition,
    pub description: Option<String>,
}

/// What never changes of a version.
#[derive(Debug, Clone)]
pub struct Definition {
    /// In wire form.
    pub graph: String,
    /// JSON.
    pub input_schema: Option<String>,
    /// JSON.
    pub output_schema: Option<String>,
    /// The schemas of signals by their names, JSON.
    pub signals: Option<String>,
    /// `caller` or `owner`.
    pub run_as: String,
    pub durability: Option<String>,
    pub database: Option<String>,
}

statement!(
    OWNER,
    c"SELECT n.owner::pg_catalog.oid FROM df.workflow_names AS n WHERE n.name OPERATOR(pg_catalog.=) $1",
    [TEXTOID]
);

/// Whose a name is.
pub fn owner(spi: &Session, name: &str) -> Option<Oid> {
    let rows = spi.run(&OWNER, &[Arg::Text(name)]);
    (rows.count > 0).then(|| oid(&rows, 0, 1))
}

fn oid(rows: &Rows<'_>, row: usize, column: i32) -> Oid {
    Oid::from(rows.int(row, column).unwrap_or_default() as u32)
}

statement!(
    CLAIM,
    c"INSERT INTO df.workflow_names (name, owner) VALUES ($1, $2::pg_catalog.regrole) ON CONFLICT (name) DO NOTHING",
    [TEXTOID, OIDOID]
);

statement!(
    LOCK_NAME,
    c"SELECT n.owner::pg_catalog.oid FROM df.workflow_names AS n WHERE n.name OPERATOR(pg_catalog.=) $1 FOR UPDATE",
    [TEXTOID]
);

/// Makes a name the role's, unless it is somebody's, and keeps others from registering under it until the end of the
/// transaction. Says whose it is; `None` where this transaction cannot see that.
pub fn claim(spi: &Session, name: &str, role: Oid) -> Option<Oid> {
    spi.run(&CLAIM, &[Arg::Text(name), Arg::Oid(role)]);
    lock(spi, name)
}

/// Keeps others from changing what is registered under a name, and says whose it is.
pub fn lock(spi: &Session, name: &str) -> Option<Oid> {
    let rows = spi.run(&LOCK_NAME, &[Arg::Text(name)]);
    (rows.count > 0).then(|| oid(&rows, 0, 1))
}

statement!(
    GET,
    c"SELECT v.version, v.graph, v.input_schema, v.output_schema, v.run_as, v.durability, v.database, v.description,
             v.signals
      FROM df.workflow_versions AS v
      WHERE v.name OPERATOR(pg_catalog.=) $1 AND ($2 IS NULL OR v.version OPERATOR(pg_catalog.=) $2)
      ORDER BY v.version DESC LIMIT 1",
    [TEXTOID, INT4OID]
);

/// A version of a workflow; `None` for the newest one.
pub fn get(spi: &Session, name: &str, version: Option<i32>) -> Option<Workflow> {
    let rows = spi.run(&GET, &[Arg::Text(name), version.map_or(Arg::Null, Arg::Int4)]);
    (rows.count > 0).then(|| Workflow {
        version: rows.int(0, 1).unwrap_or_default() as i32,
        definition: Definition {
            graph: rows.string(0, 2),
            input_schema: rows.text(0, 3),
            output_schema: rows.text(0, 4),
            signals: rows.text(0, 9),
            run_as: rows.string(0, 5),
            durability: rows.text(0, 6),
            database: rows.text(0, 7),
        },
        description: rows.text(0, 8),
    })
}

statement!(
    SIGNAL_SCHEMA,
    c"SELECT v.signals OPERATOR(pg_catalog.->) $2
      FROM df.instances AS i
           JOIN df.workflow_versions AS v
               ON v.name OPERATOR(pg_catalog.=) i.workflow AND v.version OPERATOR(pg_catalog.=) i.version
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar",
    [TEXTOID, TEXTOID]
);

/// What the workflow that an instance runs says of the data of this signal, as JSON.
pub fn signal_schema(spi: &Session, instance: &str, signal: &str) -> Option<String> {
    let rows = spi.run(&SIGNAL_SCHEMA, &[Arg::Text(instance), Arg::Text(signal)]);
    if rows.count > 0 { rows.text(0, 1) } else { None }
}

statement!(
    INSERT,
    c"INSERT INTO df.workflow_versions
          (name, version, graph, input_schema, output_schema, run_as, durability, database, description, registered_by,
           signals)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::pg_catalog.regrole, $11)",
    [TEXTOID, INT4OID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, OIDOID, JSONBOID]
);

/// Registers a version, under a name that the transaction has locked.
pub fn insert(spi: &Session, name: &str, workflow: &Workflow, role: Oid) {
    let definition = &workflow.definition;
    spi.run(
        &INSERT,
        &[
            Arg::Text(name),
            Arg::Int4(workflow.version),
            Arg::Text(&definition.graph),
            Arg::jsonb(definition.input_schema.as_deref()),
            Arg::jsonb(definition.output_schema.as_deref()),
            Arg::Text(&definition.run_as),
            Arg::text(definition.durability.as_deref()),
            Arg::text(definition.database.as_deref()),
            Arg::text(workflow.description.as_deref()),
            Arg::Oid(role),
            Arg::jsonb(definition.signals.as_deref()),
        ],
    );
}

statement!(
    DESCRIBE,
    c"UPDATE df.workflow_versions SET description = $3
      WHERE name OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2",
    [TEXTOID, INT4OID, TEXTOID]
);

/// Gives a version another description.
pub fn describe(spi: &Session, name: &str, version: i32, description: &str) {
    spi.run(&DESCRIBE, &[Arg::Text(name), Arg::Int4(version), Arg::Text(description)]);
}

statement!(
    DELETE,
    c"DELETE FROM df.workflow_versions AS v
      WHERE v.name OPERATOR(pg_catalog.=) $1 AND ($2 IS NULL OR v.version OPERATOR(pg_catalog.=) $2)",
    [TEXTOID, INT4OID]
);

/// Removes a version, or all of them; how many there were.
pub fn delete(spi: &Session, name: &str, version: Option<i32>) -> usize {
    spi.run(&DELETE, &[Arg::Text(name), version.map_or(Arg::Null, Arg::Int4)]).count
}

statement!(
    DELETE_NAME,
    c"WITH gone AS (DELETE FROM df.workflow_grants AS g WHERE g.name OPERATOR(pg_catalog.=) $1)
      DELETE FROM df.workflow_names AS n WHERE n.name OPERATOR(pg_catalog.=) $1",
    [TEXTOID]
);

/// Gives a name up, with all grants on it.
pub fn delete_name(spi: &Session, name: &str) {
    spi.run(&DELETE_NAME, &[Arg::Text(name)]);
}

statement!(
    GRANTEES,
    c"SELECT g.grantee::pg_catalog.oid FROM df.workflow_grants AS g WHERE g.name OPERATOR(pg_catalog.=) $1",
    [TEXTOID]
);

/// Who may run a workflow beside its owner; the invalid oid is everybody.
pub fn grantees(spi: &Session, name: &str) -> Vec<Oid> {
    let rows = spi.run(&GRANTEES, &[Arg::Text(name)]);
    (0..rows.count).map(|row| oid(&rows, row, 1)).collect()
}

statement!(
    GRANT,
    c"INSERT INTO df.workflow_grants (name, grantee, granted_by)
      VALUES ($1, $2::pg_catalog.regrole, $3::pg_catalog.regrole) ON CONFLICT (name, grantee) DO NOTHING",
    [TEXTOID, OIDOID, OIDOID]
);

/// Lets a role, or everybody, run a workflow.
pub fn grant(spi: &Session, name: &str, grantee: Oid, grantor: Oid) {
    spi.run(&GRANT, &[Arg::Text(name), Arg::Oid(grantee), Arg::Oid(grantor)]);
}

statement!(
    REVOKE,
    c"DELETE FROM df.workflow_grants AS g
      WHERE g.name OPERATOR(pg_catalog.=) $1 AND g.grantee OPERATOR(pg_catalog.=) $2::pg_catalog.regrole",
    [TEXTOID, OIDOID]
);

/// Takes back what [`grant`] gave.
pub fn revoke(spi: &Session, name: &str, grantee: Oid) {
    spi.run(&REVOKE, &[Arg::Text(name), Arg::Oid(grantee)]);
}
