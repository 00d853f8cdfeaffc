//! Where the instances of this database are at home, and having them be so here.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::extension;
use crate::engine::wake;
use crate::pg::spi::Session;
use crate::pg::{catalog, role};
use crate::store::{self, home, instances, roles, unfinished};

/// Why instances were not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    #[error("only a superuser or the owner of the database may adopt its workflows")]
    NotAllowed,
}

/// Says at CREATE EXTENSION that the instances of this database are at home here.
#[pg_extern]
fn home_settle() {
    home::set(&Session::open(), &home::here());
}

/// The trigger on `df._home` calls it.
#[pg_extern]
fn home_changed() {
    wake::after_home_changed();
}

#[pg_extern]
fn home_adopt(discard: bool) -> Result<i64, ErrorReport> {
    extension::check_preloaded()?;
    Ok(adopt(discard)?)
}

/// Whether the instances of this database are at home elsewhere, as far as its rows say.
pub fn is_a_copy() -> bool {
    let _owner = store::as_owner();
    home::here().hold(&home::rows(&Session::open())).is_of_a_copy()
}

/// Has the instances of this database be at home here: how many go on, or, with `discard`, are cancelled instead. Nothing
/// happens to instances that are at home already.
pub fn adopt(discard: bool) -> Result<i64, AdoptError> {
    if !catalog::owns_database(catalog::my_database()) {
        return Err(AdoptError::NotAllowed);
    }
    let adopter = role::current_user();
    let _owner = store::as_owner();
    let spi = Session::open();
    home::lock(&spi);
    let here = home::here();
    let has_found_roles = roles::resolve(&spi) > 0;
    if has_found_roles {
        wake::after_adopt();
    }
    if !here.hold(&home::rows(&spi)).is_of_a_copy() {
        if has_found_roles {
            pgrx::notice!("pg_durable: the workflows of roles that were missing go on");
            return Ok(0);
        }
        pgrx::notice!("pg_durable: the workflows of this database are at home: there is nothing to adopt");
        return Ok(0);
    }
    let adopted = if discard {
        instances::cancel_all(&spi, "discarded by df.adopt()", adopter)
    } else {
        unfinished::count(&spi)
    };
    // A restored sequence may be behind the instances, and a copied table has none.
    let mut last = 0;
    instances::for_each_id(|id| {
        let number = wake::instance_number(id).unwrap_or_default();
        last = last.max(pg_durable_board::sequence_number(number));
    });
    if let Ok(last) = i64::try_from(last)
        && last > 0
    {
        instances::move_number(&spi, last);
    }
    home::set(&spi, &here);
    wake::after_adopt();
    Ok(adopted)
}
