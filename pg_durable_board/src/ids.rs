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

impl RoleId {
    /// Oids from here on stand for roles that a dump names and that are not here. The server counts oids upwards, and has
    /// not come so far before it has given out three billion.
    const MISSING: u32 = 0xC000_0000;

    /// What stands for a role of this name where there is none: the same for the same name, so that it is found when the
    /// role has come.
    pub fn of_missing(name: &str) -> RoleId {
        // FNV-1a.
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        RoleId((hash ^ (hash >> 32)) as u32 | RoleId::MISSING)
    }

    /// Whether it stands for a role that is not here.
    pub fn is_missing(self) -> bool {
        self.0 >= RoleId::MISSING
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_role_is_known_by_its_name() {
        let names = ["bob", "Bob", "bob ", "", "Jürgen \"x\""];
        for (n, name) in names.iter().enumerate() {
            let role = RoleId::of_missing(name);
            assert!(role.is_missing());
            assert_eq!(role, RoleId::of_missing(name));
            assert!(names[n + 1..].iter().all(|other| RoleId::of_missing(other) != role), "{name}");
        }
        assert!(!RoleId(16_384).is_missing() && !RoleId(0).is_missing());
        assert_eq!(RoleId::of_missing("bob"), RoleId(0xD307_4E4D), "dumps hold it");
    }
}
