//! Moving the engine's clock, wherever the server runs.

use super::TestServerError;
use std::time::Duration;

const DATABASES: &str =
    "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname <> 'postgres', datname";

const HAS_EXTENSION: &str = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_durable')";

/// Moves the clock from the first database that has the extension; `psql` runs SQL in a database.
pub(super) fn advance(
    by: Duration,
    psql: impl Fn(&str, &str) -> Result<String, TestServerError>,
) -> Result<(), TestServerError> {
    for database in psql("postgres", DATABASES)?.lines() {
        if psql(database, HAS_EXTENSION)? == "t" {
            let advance = format!("SELECT df.advance_clock('{} microseconds')", by.as_micros());
            return psql(database, &advance).map(drop);
        }
    }
    Err(TestServerError::NoExtension)
}
