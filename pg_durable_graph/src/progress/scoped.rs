//! What the row of a scope keeps while the scope is under way; that of a leaf that is tried again, too.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::kept::Kept;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::instant::Instant;
use crate::node_id::NodeId;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scoped {
    /// When the first attempt of a RETRY has begun, where its policy asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// What the handler of a CATCH sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught: Option<Caught>,
    /// The names that the node itself had bound before it was reached again.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_kept",
        deserialize_with = "read_kept"
    )]
    pub kept: Option<Arc<Kept>>,
    /// The names that the body of a CATCH had bound when it failed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_kept",
        deserialize_with = "read_kept"
    )]
    pub bound: Option<Arc<Kept>>,
}

/// A failure that a CATCH has taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caught {
    /// The node that has failed.
    pub node: u32,
    /// The kind of that node.
    pub node_type: String,
    /// Which attempt at it that was, from 1.
    pub attempt: i64,
    /// Why.
    pub failure: Failure,
    /// The failures that were being handled when this one came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Failure>,
}

impl Caught {
    pub(super) fn new(
        graph: &Graph,
        node: NodeId,
        attempt: i64,
        failure: Failure,
        suppressed: Vec<Failure>,
    ) -> Caught {
        Caught { node: node.0, node_type: graph.kind(node).name().to_owned(), attempt, failure, suppressed }
    }

    /// A failure such as a handler sees.
    pub fn sample() -> Caught {
        let failure = Failure::new("P0001", "1");
        Caught { node: 0, node_type: "SQL".to_owned(), attempt: 1, failure, suppressed: Vec::new() }
    }

    /// The value that references to it see.
    pub fn value(&self) -> Value {
        let mut value = self.failure.as_value();
        value["node"] = Value::String(NodeId(self.node).to_string());
        value["node_type"] = Value::String(self.node_type.clone());
        value["attempt"] = self.attempt.into();
        value["suppressed"] = self.suppressed.iter().map(Failure::as_value).collect();
        value
    }
}

impl Scoped {
    /// As `df.nodes.result` has it.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("only a map with keys of another type fails")
    }
}

fn write_kept<S: Serializer>(kept: &Option<Arc<Kept>>, serializer: S) -> Result<S::Ok, S::Error> {
    kept.as_deref().serialize(serializer)
}

fn read_kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Kept>>, D::Error> {
    Ok(Option::<Kept>::deserialize(deserializer)?.map(Arc::new))
}
