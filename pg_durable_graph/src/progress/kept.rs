//! The names that the row of a running LOOP or IF keeps, because no other row knows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::outcome::{Column, Outcome};

/// Which node bound a name, and in which generation of it: no two bindings share that, equal as their values may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) node: u32,
    pub(super) generation: i64,
}

/// Bindings with where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept(BTreeMap<String, (Origin, Arc<Outcome>)>);

/// One of them in the row.
#[derive(Serialize, Deserialize)]
struct StoredBinding<V, C> {
    node: u32,
    generation: i64,
    value: V,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<C>,
}

impl Kept {
    /// `None` where there is nothing to keep.
    pub(super) fn of(bindings: impl Iterator<Item = (String, Origin, Arc<Outcome>)>) -> Option<Arc<Kept>> {
        let kept: BTreeMap<_, _> =
            bindings.map(|(name, origin, outcome)| (name, (origin, outcome))).collect();
        (!kept.is_empty()).then(|| Arc::new(Kept(kept)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Origin, &Arc<Outcome>)> {
        self.0.iter().map(|(name, (origin, outcome))| (name.as_str(), *origin, outcome))
    }

    pub(super) fn get(&self, name: &str) -> Option<(Origin, &Arc<Outcome>)> {
        self.0.get(name).map(|(origin, outcome)| (*origin, outcome))
    }

    /// As `df.nodes.result` has it.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("only a map with keys of another type fails")
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = self.iter().map(|(name, Origin { node, generation }, outcome)| {
            let (value, columns) = (&outcome.value, outcome.columns.as_deref());
            (name, StoredBinding { node, generation, value, columns })
        });
        serializer.collect_map(stored)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kept, D::Error> {
        let stored: BTreeMap<String, StoredBinding<Value, Vec<Column>>> =
            BTreeMap::deserialize(deserializer)?;
        let read = |(name, stored): (String, StoredBinding<_, _>)| {
            let StoredBinding { node, generation, value, columns } = stored;
            let outcome = Outcome { value, columns: columns.map(Arc::new), branches: None };
            (name, (Origin { node, generation }, Arc::new(outcome)))
        };
        Ok(Kept(stored.into_iter().map(read).collect()))
    }
}
