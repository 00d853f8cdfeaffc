//! Names of results and variables.

pub use pg_durable_syntax::name::{is_name, prefix_len};

use crate::error::Problem;

/// Refuses what cannot be the name of a result.
pub(crate) fn check_result_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        Err(Problem::EmptyResultName)
    } else if !is_name(name) {
        Err(Problem::InvalidResultName(name.to_owned()))
    } else {
        Ok(())
    }
}
