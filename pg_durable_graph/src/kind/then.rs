//! THEN: one node after the other.

use std::borrow::Cow;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::{Member, Members};
use crate::error::Problem;
use crate::node_id::NodeId;

/// Carries out `first`, then `next`; its result is that of `next`.
#[derive(Debug, Clone, PartialEq)]
pub struct Then {
    /// Carried out first.
    pub first: NodeId,
    /// Carried out when `first` has completed.
    pub next: NodeId,
}

slots!(Then { first: Slot::Untitled(Member::Left), next: Slot::Untitled(Member::Right) });

impl Inner for Then {
    fn read(members: Members) -> Result<Then, Problem> {
        members.refuse("THEN", &["condition_node", "extra_nodes", "query"])?;
        let (first, next) = members.pair("THEN")?;
        Ok(Then { first, next })
    }

    fn label(&self) -> Cow<'static, str> {
        "THEN".into()
    }

    fn is_derived(&self) -> bool {
        true
    }
}
