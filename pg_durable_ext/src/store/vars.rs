//! `df.vars`.

use pgrx::pg_sys::Oid;

use crate::pg::spi::{Arg, Session, statement};

statement!(
    SET,
    c"INSERT INTO df.vars (name, value, owner) VALUES ($1, $2, $3::pg_catalog.regrole)
      ON CONFLICT (owner, name) DO UPDATE SET value = EXCLUDED.value",
    [TEXTOID, TEXTOID, OIDOID]
);

/// Sets a variable.
pub fn set(spi: &Session, role: Oid, name: &str, value: &str) {
    spi.run(&SET, &[Arg::Text(name), Arg::Text(value), Arg::Oid(role)]);
}

statement!(
    UNSET,
    c"DELETE FROM df.vars WHERE owner OPERATOR(pg_catalog.=) $1::pg_catalog.regrole
        AND ($2 IS NULL OR name OPERATOR(pg_catalog.=) $2)",
    [OIDOID, TEXTOID]
);

/// Removes a variable, or with `None` all of them.
pub fn unset(spi: &Session, role: Oid, name: Option<&str>) {
    spi.run(&UNSET, &[Arg::Oid(role), Arg::text(name)]);
}
