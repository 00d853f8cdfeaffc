//! What is carried out: one branch of an instance, or all of them.

use bytemuck::Zeroable;

use crate::ids::InstanceNumber;

/// What a ready item or a lease is about: a branch of an instance, or every branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroable)]
#[repr(C)]
pub struct Target {
    /// Of which instance.
    pub instance: InstanceNumber,
    /// The branch's root node, or [`Target::EVERY_BRANCH`].
    pub branch: u32,
}

impl Target {
    /// The instance's root node, from which its other branches are found.
    pub const ROOT: u32 = 0;
    /// Look at all branches of the instance.
    pub const EVERY_BRANCH: u32 = u32::MAX;
}

/// An executor that queues a branch of the instance it has at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pusher {
    /// Where the executor is.
    pub slot: usize,
    /// Which load of the instance it has at hand.
    pub load: u32,
}

/// A piece of ready work, as an executor takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// What is to be advanced.
    pub target: Target,
    /// Set when the taker itself queued it while it held this load of the instance, and that is as good as new.
    pub load: Option<u32>,
}

/// What an executor finds when it asks for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// This is to be done; the executor has its lease.
    Work(Work),
    /// Sleep: who brings work wakes the executor.
    Nothing,
    /// Leave: the database is no longer served, or somebody else needs the slot.
    Retire,
}
