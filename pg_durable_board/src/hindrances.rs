//! Hindrances: whose work waits because of something that will pass, and until when.
//!
//! Only a note: a tenant that finds no place here is tried again all the same.

use bytemuck::Zeroable;

use crate::ids::{DatabaseId, RoleId, Tenant};

pub(crate) const PLACES: usize = 64;
const FIRST_US: i64 = 1_000_000;
const LONGEST_US: i64 = 30_000_000;
/// How long after the next try a hindrance counts as one that has passed.
const STALE_US: i64 = 5_000_000;

/// See the module.
#[derive(Zeroable)]
#[repr(C)]
pub struct Hindrances {
    places: [Place; PLACES],
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct Place {
    tenant: Tenant,
    hindrance: Hindrance,
    tries: u32,
    until: i64,
}

/// What keeps a role's steps from running here, until somebody changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Zeroable)]
#[repr(u32)]
pub enum Hindrance {
    /// Nothing does.
    None = 0,
    /// The role may not connect to the database.
    NoConnect = 1,
    /// The role may not log in.
    NoLogin = 2,
    /// Transactions are read only by default.
    ReadOnly = 3,
    /// The role may not connect to the database in which its steps run, or that takes no connections.
    NoConnectThere = 4,
}

impl Hindrance {
    /// What is the matter, of a role.
    pub fn why(self) -> &'static str {
        match self {
            Hindrance::None => "it is not known why",
            Hindrance::NoConnect => "it may not connect to the database",
            Hindrance::NoLogin => "it may not log in",
            Hindrance::ReadOnly => "transactions are read only by default",
            Hindrance::NoConnectThere => {
                "it may not connect to another database, or that takes no connections"
            }
        }
    }

    /// What a client of that role would be told.
    pub fn sqlstate(self) -> &'static str {
        match self {
            Hindrance::None => "00000",
            Hindrance::NoConnect => "42501",
            Hindrance::NoLogin => "28000",
            Hindrance::ReadOnly => "25006",
            Hindrance::NoConnectThere => "08004",
        }
    }

    /// Whether it keeps steps from running that run in another database, or that run here.
    pub fn concerns(self, is_elsewhere: bool) -> bool {
        is_elsewhere || self != Hindrance::NoConnectThere
    }
}

/// How a tenant's work is hindered at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hindered {
    /// By what.
    pub hindrance: Hindrance,
    /// How often that was found.
    pub tries: u32,
    /// When it is tried again.
    pub until: i64,
}

impl Hindrances {
    /// Work of this tenant was hindered: says when to try again, later each time, and whether that was noted.
    pub(crate) fn note(&mut self, tenant: Tenant, hindrance: Hindrance, now: i64) -> (i64, bool) {
        let is_it = |place: &&mut Place| place.tenant == tenant && place.hindrance == hindrance;
        if let Some(place) = self.places.iter_mut().find(is_it) {
            // Several of a tenant's processes come upon the same.
            if now >= place.until {
                place.tries = if now > place.until + STALE_US { 0 } else { place.tries.saturating_add(1) };
                place.until = now + pause(place.tries);
            }
            return (place.until, true);
        }
        let place = Place { tenant, hindrance, tries: 0, until: now + pause(0) };
        let oldest = self.places.iter_mut().min_by_key(|place| place.until);
        let free = oldest.filter(|oldest| oldest.until + STALE_US < now);
        let is_noted = free.is_some();
        if let Some(free) = free {
            *free = place;
        }
        (place.until, is_noted)
    }

    /// How many are noted at the moment.
    pub(crate) fn in_use(&self, now: i64) -> usize {
        self.present(now).count()
    }

    /// It has passed.
    pub fn forget(&mut self, tenant: Tenant, hindrance: Hindrance) {
        let of_tenant = |place: &&mut Place| place.tenant == tenant && place.hindrance == hindrance;
        for place in self.places.iter_mut().filter(of_tenant) {
            *place = Place::zeroed();
        }
    }

    /// How the work of this tenant is hindered at the moment: by each of its hindrances.
    pub fn of_tenant(&self, tenant: Tenant, now: i64) -> Vec<Hindered> {
        let of_tenant = self.present(now).filter(|place| place.tenant == tenant);
        of_tenant
            .map(|place| {
                let tries = place.tries.saturating_add(1);
                Hindered { hindrance: place.hindrance, tries, until: place.until }
            })
            .collect()
    }

    /// Whose work in this database is hindered at the moment, and by what.
    pub fn of_database(&self, database: DatabaseId, now: i64) -> Vec<(RoleId, Hindrance)> {
        let of_database = self.present(now).filter(|place| place.tenant.database == database);
        of_database.map(|place| (place.tenant.role, place.hindrance)).collect()
    }

    fn present(&self, now: i64) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| now <= place.until + STALE_US)
    }
}

fn pause(tries: u32) -> i64 {
    (FIRST_US << tries.min(10)).min(LONGEST_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(role: u32) -> Tenant {
        Tenant { database: DatabaseId(1), role: RoleId(role) }
    }

    #[test]
    fn each_try_is_later_and_one_round_counts_once() {
        let mut hindrances = Hindrances::zeroed();
        let (mut now, mut pauses) = (1_000_000_000, Vec::new());
        for _ in 0..7 {
            let (until, is_noted) = hindrances.note(tenant(1), Hindrance::NoConnect, now);
            assert_eq!(hindrances.note(tenant(1), Hindrance::NoConnect, now + 1), (until, is_noted));
            pauses.push((until - now) / 1_000_000);
            now = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(hindrances.of_database(DatabaseId(1), now), [(RoleId(1), Hindrance::NoConnect)]);
        assert_eq!(hindrances.of_database(DatabaseId(2), now), []);
        let hindered = Hindered { hindrance: Hindrance::NoConnect, tries: 7, until: now };
        assert_eq!(hindrances.of_tenant(tenant(1), now), [hindered]);
        assert_eq!(hindrances.of_tenant(tenant(2), now), []);
        // What did not come up again has passed.
        now += STALE_US + 1;
        assert_eq!(hindrances.of_database(DatabaseId(1), now), []);
        assert_eq!(hindrances.note(tenant(1), Hindrance::NoConnect, now), (now + FIRST_US, true));
        hindrances.forget(tenant(1), Hindrance::NoLogin);
        assert_eq!(hindrances.of_database(DatabaseId(1), now).len(), 1);
        hindrances.forget(tenant(1), Hindrance::NoConnect);
        assert_eq!(hindrances.of_database(DatabaseId(1), now), []);
    }

    #[test]
    fn what_keeps_a_role_out_of_another_database_is_no_matter_of_its_work_here() {
        assert!(Hindrance::NoConnectThere.concerns(true) && !Hindrance::NoConnectThere.concerns(false));
        assert!(Hindrance::ReadOnly.concerns(true) && Hindrance::ReadOnly.concerns(false));
    }

    #[test]
    fn a_tenant_without_a_place_is_tried_again_all_the_same() {
        let mut hindrances = Hindrances::zeroed();
        let now = 1_000_000_000;
        for role in 1..=PLACES as u32 + 5 {
            let is_noted = role <= PLACES as u32;
            assert_eq!(hindrances.note(tenant(role), Hindrance::ReadOnly, now), (now + FIRST_US, is_noted));
        }
        assert_eq!(hindrances.of_database(DatabaseId(1), now).len(), PLACES);
        let later = now + FIRST_US + STALE_US + 1;
        hindrances.note(tenant(1000), Hindrance::ReadOnly, later);
        assert_eq!(hindrances.of_database(DatabaseId(1), later), [(RoleId(1000), Hindrance::ReadOnly)]);
    }
}
