//! What everybody else asks a kind with children.

use std::borrow::Cow;
use std::slice;

use super::members::{Member, Members};
use crate::error::Problem;
use crate::node_id::NodeId;

/// What a kind with children says of itself. Which member holds which child it says with `slots!`.
pub(crate) trait Inner: Slots {
    /// Reads what the wire form, or a row, says.
    fn read(members: Members) -> Result<Self, Problem>
    where
        Self: Sized;

    /// What `query` says in the wire form, if the kind has anything to say.
    fn query(&self) -> Option<String> {
        None
    }

    /// The line that stands for the node in `explain`, without its name and mark.
    fn label(&self) -> Cow<'static, str>;

    /// Whether it takes failures of a body: of its branches one is under way at a time.
    fn is_scope(&self) -> bool {
        false
    }

    /// Whether its children are branches: carried out at the same time, or those of a scope.
    fn opens_branches(&self) -> bool {
        self.is_scope()
    }

    /// Whether one branch may fail and the others go on.
    fn fails_by_branch(&self) -> bool {
        false
    }

    /// Whether its completion follows from its children's, so that its row holds nothing of its own.
    fn is_derived(&self) -> bool {
        self.is_scope()
    }
}

/// The children of a kind, in the order in which they are carried out.
pub(crate) trait Slots {
    fn each_slot<'a>(&'a self, visit: &mut dyn FnMut(Slot, &'a [NodeId]));
    fn each_slot_mut<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut [NodeId]));
}

/// What one field of a kind holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    /// The child at this member. `explain` draws it under the title.
    Titled(Member, &'static str),
    /// The child at this member, which `explain` draws in its parent's place.
    Untitled(Member),
    /// Branches: left, right, and what is beyond two.
    Branches,
}

impl Slot {
    /// Where the `nth` child of the slot stands.
    pub fn member(self, nth: usize) -> Member {
        match (self, nth) {
            (Slot::Titled(member, _) | Slot::Untitled(member), _) => member,
            (Slot::Branches, 0) => Member::Left,
            (Slot::Branches, 1) => Member::Right,
            (Slot::Branches, more) => Member::Extra(more - 2),
        }
    }

    /// What stands above the `nth` child of the slot.
    pub fn title(self, nth: usize) -> Option<Cow<'static, str>> {
        match self {
            Slot::Titled(_, title) => Some(title.into()),
            Slot::Untitled(_) => None,
            Slot::Branches => Some(format!("║ branch {}:", nth + 1).into()),
        }
    }
}

/// A field that holds children.
pub(super) trait Held {
    fn ids(&self) -> &[NodeId];
    fn ids_mut(&mut self) -> &mut [NodeId];
}

impl Held for NodeId {
    fn ids(&self) -> &[NodeId] {
        slice::from_ref(self)
    }

    fn ids_mut(&mut self) -> &mut [NodeId] {
        slice::from_mut(self)
    }
}

impl Held for Option<NodeId> {
    fn ids(&self) -> &[NodeId] {
        self.as_slice()
    }

    fn ids_mut(&mut self) -> &mut [NodeId] {
        self.as_mut_slice()
    }
}

impl Held for Vec<NodeId> {
    fn ids(&self) -> &[NodeId] {
        self
    }

    fn ids_mut(&mut self) -> &mut [NodeId] {
        self
    }
}

/// Says which member holds which child of a kind, in the order in which the children are carried out.
macro_rules! slots {
    ($kind:ident { $($field:ident: $slot:expr),* $(,)? }) => {
        impl Slots for $kind {
            fn each_slot<'a>(&'a self, visit: &mut dyn FnMut(Slot, &'a [NodeId])) {
                $(visit($slot, self.$field.ids());)*
            }

            fn each_slot_mut<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut [NodeId])) {
                $(visit(self.$field.ids_mut());)*
            }
        }
    };
}
pub(super) use slots;
