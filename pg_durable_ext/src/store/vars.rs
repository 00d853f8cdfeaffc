//! `df.vars`.

use std::collections::HashMap;

use pgrx::pg_sys::Oid;

use super::as_owner;
use crate::pg::heap;
use crate::pg::spi::{Arg, Session, statement};

static READ: heap::Table = heap::Table { name: c"vars", columns: &[c"owner", c"name", c"value"] };

/// A role's variables as a JSON object; `None` where it has none.
pub fn all(role: Oid) -> Option<String> {
    let mut vars = serde_json::Map::new();
    heap::find(&READ, c"vars_pkey", &[(0, Arg::Oid(role))], |row| {
        vars.insert(row.text(1), row.optional_text(2).into());
    });
    (!vars.is_empty()).then(|| serde_json::Value::Object(vars).to_string())
}

/// A role's variables as they are now.
pub fn of_role(role: Oid) -> HashMap<String, Option<String>> {
    let _owner = as_owner();
    all(role).and_then(|vars| serde_json::from_str(&vars).ok()).unwrap_or_default()
}

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
