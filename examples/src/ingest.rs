//! Raw rows are staged, freed of duplicates, transformed a slice at a time, and published all at once.

use anyhow::Result;
use pg_durable_sdk::{JsonSchema, workflow};
use serde::{Deserialize, Serialize};

/// The tables: what others write into, what is worked on, and what others read.
pub const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS ingest;
CREATE TABLE IF NOT EXISTS ingest.incoming (batch bigint NOT NULL, document jsonb NOT NULL);
CREATE INDEX IF NOT EXISTS incoming_by_batch ON ingest.incoming (batch);
CREATE TABLE IF NOT EXISTS ingest.staged (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, batch bigint NOT NULL, number bigint NOT NULL,
    document jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS ingest.cleaned (
    batch bigint NOT NULL, number bigint NOT NULL, customer text NOT NULL, cents bigint NOT NULL);
CREATE TABLE IF NOT EXISTS ingest.sales (
    number bigint PRIMARY KEY, customer text NOT NULL, cents bigint NOT NULL, batch bigint NOT NULL);
";

/// How many rows one step transforms: what a crash takes back at most.
const SLICE: i64 = 10_000;

/// Which rows of `ingest.incoming` to load.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    /// Their `batch`.
    pub id: i64,
}

/// What was done.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Loaded {
    /// Rows that came in.
    pub staged: i64,
    /// Those that were there before, in this batch or an earlier one.
    pub duplicates: i64,
    /// New rows in `ingest.sales`.
    pub published: i64,
}

/// Loads a batch. Every step is one transaction with the record that it is done, so no row is lost or doubled,
/// whatever is killed on the way.
#[workflow(name = "ingest.load", version = 1)]
pub async fn load(batch: Batch) -> Result<Loaded> {
    let staged: i64 = sql!(
        "WITH taken AS (DELETE FROM ingest.incoming WHERE batch = {batch.id} RETURNING batch, document),
              staged AS (INSERT INTO ingest.staged (batch, number, document)
                         SELECT batch, (document->>'number')::bigint, document FROM taken RETURNING 1)
         SELECT count(*) FROM staged"
    )
    .await?;

    let duplicates: i64 = sql!(
        "WITH ranked AS (SELECT id, number, row_number() OVER (PARTITION BY number ORDER BY id) AS nth
                         FROM ingest.staged WHERE batch = {batch.id}),
              gone AS (DELETE FROM ingest.staged AS s USING ranked AS r
                       WHERE s.id = r.id
                         AND (r.nth > 1 OR EXISTS (SELECT FROM ingest.sales AS p WHERE p.number = r.number))
                       RETURNING 1)
         SELECT count(*) FROM gone"
    )
    .await?;

    while sql!("SELECT EXISTS (SELECT FROM ingest.staged WHERE batch = {batch.id})").await? {
        sql!(
            "WITH slice AS (DELETE FROM ingest.staged
                            WHERE id IN (SELECT id FROM ingest.staged WHERE batch = {batch.id} ORDER BY id LIMIT {SLICE})
                            RETURNING batch, number, document)
             INSERT INTO ingest.cleaned (batch, number, customer, cents)
             SELECT batch, number, lower(trim(document->>'customer')), round((document->>'price')::numeric * 100)
             FROM slice"
        )
        .await?;
    }

    let published: i64 = sql!(
        "WITH moved AS (DELETE FROM ingest.cleaned WHERE batch = {batch.id} RETURNING number, customer, cents, batch),
              published AS (INSERT INTO ingest.sales (number, customer, cents, batch)
                            SELECT number, customer, cents, batch FROM moved RETURNING 1)
         SELECT count(*) FROM published"
    )
    .await?;
    Ok(Loaded { staged, duplicates, published })
}

/// Makes the tables.
pub async fn set_up(session: &tokio_postgres::Client) -> Result<()> {
    Ok(session.batch_execute(TABLES).await?)
}

/// Lets a batch come in: the numbers from `first`, so many of them, and every tenth a second time.
pub async fn deliver(session: &tokio_postgres::Client, batch: &Batch, first: i64, rows: i64) -> Result<()> {
    let insert = "
        INSERT INTO ingest.incoming
        SELECT $1, jsonb_build_object('number', n, 'customer', ' Customer ' || n % 1000, 'price', (n % 500)::numeric / 100)
        FROM generate_series($2::bigint, $2 + $3 - 1) AS n, generate_series(1, CASE WHEN n % 10 = 0 THEN 2 ELSE 1 END)";
    session.execute(insert, &[&batch.id, &first, &rows]).await?;
    Ok(())
}
