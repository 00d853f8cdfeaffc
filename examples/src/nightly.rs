//! Every night the days that are over are added up, all regions at once.

use anyhow::Result;
use pg_durable_sdk::{Workflow, schedule, sql};
use serde::Deserialize;

/// What is sold, and the reports.
pub const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS nightly;
CREATE TABLE IF NOT EXISTS nightly.sales (region text NOT NULL, day date NOT NULL, cents bigint NOT NULL);
CREATE INDEX IF NOT EXISTS sales_by_day ON nightly.sales (day, region);
CREATE TABLE IF NOT EXISTS nightly.regions (
    day date, region text, sales bigint NOT NULL, cents bigint NOT NULL, PRIMARY KEY (day, region));
CREATE TABLE IF NOT EXISTS nightly.days (day date PRIMARY KEY, sales bigint NOT NULL, cents bigint NOT NULL);
";

/// The first day that is over and not reported.
const NEXT_DAY: &str = "
SELECT min(day) AS day FROM nightly.sales
WHERE day < current_date AND day > coalesce((SELECT max(day) FROM nightly.days), '-infinity')
HAVING min(day) IS NOT NULL";

/// A row of [`NEXT_DAY`].
#[derive(Deserialize)]
struct Night {
    day: String,
}

/// Reports every day that is over and not reported yet: one, or after an outage several.
pub fn report(regions: &[String]) -> Workflow {
    let night = sql(NEXT_DAY).named("night").returns::<Night>();
    let by_region = regions.iter().map(|region| {
        sql!(
            "INSERT INTO nightly.regions
             SELECT {night.day}, {region}, count(*), coalesce(sum(cents), 0)
             FROM nightly.sales WHERE day = {night.day} AND region = {region}"
        )
    });
    let in_all = sql!(
        "INSERT INTO nightly.days
         SELECT day, sum(sales), sum(cents) FROM nightly.regions WHERE day = {night.day} GROUP BY day"
    );
    let one_day = Workflow::new().fan_out(by_region).step(in_all);
    let or_leave = Workflow::new().break_loop();
    Workflow::new().repeat(Workflow::new().step(night).branch_on_rows("night", one_day, or_leave))
}

/// Reports at four in the morning, for ever. Where clocks are changed, two in the morning is not there once a year, and
/// there twice on another day.
pub fn every_night(regions: &[String]) -> Workflow {
    let tonight = schedule("0 4 * * *").in_time_zone("Europe/Berlin");
    Workflow::new()
        .label("nightly report")
        // However many services start it: one instance runs.
        .idempotency_key("nightly report 1")
        .repeat(Workflow::new().wait_for_schedule(tonight).step(report(regions)))
}

/// Makes the tables.
pub async fn set_up(session: &tokio_postgres::Client) -> Result<()> {
    Ok(session.batch_execute(TABLES).await?)
}

/// Sells so much in each region on each of the last days.
pub async fn sell(session: &tokio_postgres::Client, regions: &[String], days: i32, each: i32) -> Result<()> {
    let insert = "
        INSERT INTO nightly.sales
        SELECT region, current_date - ago, n FROM unnest($1::text[]) AS region, generate_series(1, $2) AS ago,
               generate_series(1, $3) AS n";
    session.execute(insert, &[&regions, &days, &each]).await?;
    Ok(())
}
