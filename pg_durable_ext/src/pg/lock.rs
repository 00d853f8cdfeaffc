//! Locks on names, until the transaction ends.

use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::pg_sys;

/// Tells these locks apart from `pg_advisory_lock`'s, whose classes are 1 and 2: "df".
const CLASS: u16 = 0x6466;

/// Waits until no other transaction holds this name of this role's, and holds it until the current transaction ends.
///
/// Two names that happen to have the same hash wait for each other, and no more than that.
pub fn hold(role: pg_sys::Oid, name: &str) {
    // Its keys are fixed, so that every process computes the same.
    let mut hasher = DefaultHasher::new();
    (role.to_u32(), name).hash(&mut hasher);
    let hash = hasher.finish();
    // SAFETY: a lock tag is plain data; the lock manager releases the lock with the transaction.
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: (hash >> 32) as u32,
            locktag_field3: hash as u32,
            locktag_field4: CLASS,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        };
        pg_sys::LockAcquire(&tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, false, false);
    }
}
