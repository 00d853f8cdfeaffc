//! Bloated tables are found, somebody is asked, and then each is vacuumed and its indexes are built anew.

use std::time::Duration;

use anyhow::Result;
use pg_durable_sdk::{Workflow, signal, sql};
use serde::Serialize;

/// What is bloated, and what was done about it.
pub const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS upkeep;
CREATE OR REPLACE VIEW upkeep.bloat AS
SELECT relid::regclass::text AS relation, n_dead_tup AS dead_rows,
       n_dead_tup::float8 / greatest(n_live_tup + n_dead_tup, 1) AS dead_share
FROM pg_stat_user_tables;
CREATE TABLE IF NOT EXISTS upkeep.requests (
    id bigint GENERATED ALWAYS AS IDENTITY, asked_at timestamptz NOT NULL DEFAULT now(), relations text[] NOT NULL);
CREATE TABLE IF NOT EXISTS upkeep.done (at timestamptz NOT NULL DEFAULT now(), relation text NOT NULL, what text NOT NULL);
";

/// The answer to a request.
#[derive(Debug, Serialize)]
pub struct Approval {
    /// Whether the tables may be worked on now.
    pub approved: bool,
}

/// Looks after these tables, each named as `regclass` prints it: `schema.table`, quoted where need be.
///
/// Names of tables cannot be bound as values are, so they stand in the SQL: take them from your code or the
/// catalog, not from a request.
pub fn maintain(tables: &[&str]) -> Workflow {
    let bloated =
        sql!("SELECT relation FROM upkeep.bloat WHERE dead_share > 0.2 AND relation = ANY ({tables})")
            .named("bloated");
    let ask = sql!("INSERT INTO upkeep.requests (relations) SELECT array_agg(relation) FROM {bloated.*}");
    let approval = signal("approval").timeout(Duration::from_secs(8 * 60 * 60)).named("approval");
    // One after the other: a night's disk has enough to do with one.
    let work = tables.iter().fold(Workflow::new(), |work, table| {
        work.branch(
            sql!("SELECT EXISTS (SELECT FROM {bloated.*} WHERE relation = {table})"),
            rebuild(table),
            note(table, "is fine"),
        )
    });

    Workflow::new().label("upkeep").step(&bloated).branch_on_rows(
        "bloated",
        Workflow::new().step(ask).wait_for_signal(approval).branch(
            sql("SELECT $approval.data.approved?"),
            work,
            note("all", "not approved"),
        ),
        note("all", "is fine"),
    )
}

/// Steps that commit by themselves are done at least once: after a crash, a second time. Neither of the two minds.
/// What a REINDEX that was killed has left goes with the step after it.
fn rebuild(table: &str) -> Workflow {
    Workflow::new()
        .step(sql(format!("VACUUM (ANALYZE) {table}")))
        .step(sql(format!("REINDEX TABLE CONCURRENTLY {table}")))
        .step(sql(format!("DO $do$ {} $do$", drop_leftovers(table))))
        .step(note(table, "vacuumed, indexes rebuilt"))
}

/// A killed `REINDEX CONCURRENTLY` leaves an index that is not valid, and whose name ends so.
fn drop_leftovers(table: &str) -> String {
    let table = table.replace('\'', "''");
    format!(
        "DECLARE leftover regclass;
         BEGIN
             FOR leftover IN
                 SELECT i.indexrelid::regclass FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
                 WHERE i.indrelid = '{table}'::regclass AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
             LOOP
                 EXECUTE format('DROP INDEX %s', leftover);
             END LOOP;
         END"
    )
}

fn note(relation: &str, what: &str) -> Workflow {
    Workflow::new()
        .step(sql!("INSERT INTO upkeep.done (relation, what) VALUES ({relation}, {what})"))
        .returns()
}

/// Makes the view and the tables.
pub async fn set_up(session: &tokio_postgres::Client) -> Result<()> {
    Ok(session.batch_execute(TABLES).await?)
}

/// Makes a table most of whose rows are dead, and waits until the statistics have heard of it.
pub async fn make_bloated(session: &tokio_postgres::Client, table: &str) -> Result<()> {
    let make = format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())
         WITH (autovacuum_enabled = false);
         INSERT INTO {table} SELECT n FROM generate_series(1, 20000) AS n;
         DELETE FROM {table} WHERE id > 5000"
    );
    session.batch_execute(&make).await?;
    let heard = "SELECT EXISTS (SELECT FROM upkeep.bloat WHERE relation = $1 AND dead_rows >= 15000)";
    while !session.query_one(heard, &[&table]).await?.get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
