//! Every SQL statement that the engine runs: schema-qualified, parameterised, run as the extension's owner.

pub mod attempts;
mod error;
pub mod expired;
pub mod fleet;
pub mod home;
pub mod instances;
pub mod nodes;
pub mod roles;
pub mod seen;
pub mod signals;
pub mod tally;
pub mod unfinished;
pub mod vars;
pub mod waits;
pub mod workflows;

use crate::pg::catalog;
use crate::pg::role::OwnerGuard;

pub use error::EngineError;

/// Acts as the owner of the extension's tables, inside a transaction.
///
/// Raises where the extension is gone, as it is for one who still runs while it is dropped.
pub fn as_owner() -> OwnerGuard {
    let Some(owner) = catalog::extension_owner() else {
        pgrx::ereport!(
            ERROR,
            pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            "extension pg_durable does not exist in this database"
        );
    };
    OwnerGuard::assume(owner)
}

crate::pg::spi::statement!(
    PREPARED,
    c"SELECT 1 FROM pg_catalog.pg_prepared_xacts AS p
      WHERE p.database OPERATOR(pg_catalog.=) pg_catalog.current_database() LIMIT 1",
    []
);

/// Whether a prepared transaction of this database waits for its second phase.
pub fn has_prepared_transactions(spi: &crate::pg::spi::Session) -> bool {
    spi.run(&PREPARED, &[]).count > 0
}

crate::pg::spi::statement!(
    READ_ONLY,
    c"SELECT s.source FROM pg_catalog.pg_settings AS s
      WHERE s.name OPERATOR(pg_catalog.=) 'default_transaction_read_only'",
    []
);

/// Where the session has `default_transaction_read_only` from, in the words of `pg_settings`.
pub fn source_of_read_only(spi: &crate::pg::spi::Session) -> Option<String> {
    let rows = spi.run(&READ_ONLY, &[]);
    (rows.count > 0).then(|| rows.text(0, 1)).flatten()
}

crate::pg::spi::statement!(
    SETTING_OF_ROLE,
    c"SELECT pg_catalog.split_part(c.line, '=', 2)
      FROM pg_catalog.pg_db_role_setting AS s, LATERAL pg_catalog.unnest(s.setconfig) AS c (line)
      WHERE s.setrole OPERATOR(pg_catalog.=) ANY (ARRAY[$1, 0::pg_catalog.oid])
        AND s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[$2, 0::pg_catalog.oid])
        AND pg_catalog.lower(pg_catalog.split_part(c.line, '=', 1)) OPERATOR(pg_catalog.=) $3
      ORDER BY s.setrole DESC, s.setdatabase DESC LIMIT 1",
    [OIDOID, OIDOID, TEXTOID]
);

/// What a session of this role here would have for a setting by `ALTER ROLE … SET` and `ALTER DATABASE … SET`, if they
/// say anything of it.
pub fn setting_of_role(spi: &crate::pg::spi::Session, role: pgrx::pg_sys::Oid, name: &str) -> Option<String> {
    use crate::pg::spi::Arg;
    let args = [Arg::Oid(role), Arg::Oid(catalog::my_database()), Arg::Text(name)];
    let rows = spi.run(&SETTING_OF_ROLE, &args);
    (rows.count > 0).then(|| rows.string(0, 1))
}
