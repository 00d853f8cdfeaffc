//! By what numbers PostgreSQL and the engine know things.

/// A database's oid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct DatabaseId(pub u32);

/// A role's oid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct RoleId(pub u32);

/// An instance's id as a number: its hex digits' value.
pub type InstanceNumber = u64;

/// Where another process can be woken: its place in the server's process array.
pub type ProcNumber = i32;
