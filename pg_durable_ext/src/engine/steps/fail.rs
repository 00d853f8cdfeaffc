//! FAIL.

use pg_durable_graph::NodeId;
use pg_durable_graph::kind::Fail;

use crate::engine::instance::{After, Instance};
use crate::engine::statement;
use crate::engine::stop::Stop;

/// Fails with the texts, references and variables substituted.
pub fn carry_out(instance: &Instance, leaf: NodeId, fail: &Fail) -> Result<After, Stop> {
    let expand = |text| {
        statement::expand(instance, leaf, text).map_err(|failure| Stop::Failed { node: leaf, failure })
    };
    let message = expand(&fail.message)?;
    let detail = fail.detail.as_deref().map(expand).transpose()?;
    Err(Stop::Failed { node: leaf, failure: fail.failure(message, detail) })
}
