//! `df.role`: a `regrole` that may name a role that does not exist.

use std::ffi::CStr;

use pg_durable_board::RoleId;
use pgrx::prelude::*;

use crate::pg::{catalog, encoding};

/// Reads a `df.role`. Not as an oid: of the invalid one, which is `-`, pgrx makes NULL.
#[pg_extern]
fn role_in(text: &CStr) -> i32 {
    read(&encoding::of_server(text)).0 as i32
}

/// Reads what `regroleout` writes: `-`, a number, or a name as an identifier.
fn read(text: &str) -> RoleId {
    if text == "-" {
        return RoleId(0);
    }
    if let Ok(number) = text.parse() {
        return RoleId(number);
    }
    let name = identifier(text);
    catalog::role_oid(&name).map_or_else(|| RoleId::of_missing(&name), |role| RoleId(role.to_u32()))
}

/// What an identifier names.
fn identifier(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    }
}
