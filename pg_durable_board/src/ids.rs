//! By what numbers PostgreSQL and the engine know things.

use bytemuck::{Pod, Zeroable};

/// A database's oid; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct DatabaseId(pub u32);

/// A role's oid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroable)]
#[repr(transparent)]
pub struct RoleId(pub u32);

/// A role in a database: as whom work was submitted there, and executors for it are born.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroable)]
#[repr(C)]
pub struct Tenant {
    /// Where the work is.
    pub database: DatabaseId,
    /// Who does it.
    pub role: RoleId,
}

/// An instance's id as a number: its hex digits' value.
pub type InstanceNumber = u64;

/// Where another process can be woken: its place in the server's process array.
pub type ProcNumber = i32;
