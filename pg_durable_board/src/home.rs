//! Home: where the instances of a database may be carried out.
//!
//! The rows of a database may have come from elsewhere: out of a dump, with a template, in the files of another server.
//! Each database has a row that says where its instances are at home. It travels with them, and a new place has one of
//! its own.

use crate::databases::Hold;
use crate::ids::DatabaseId;

/// A place where instances are at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// What tells the system from all others but its copies.
    pub system: i64,
    /// The database.
    pub database: DatabaseId,
    /// `pg_durable.cluster_name`; empty where there is none.
    pub cluster: String,
}

impl Home {
    /// Whether what these rows say is that instances are at home here.
    pub fn hold(&self, rows: &[Home]) -> Hold {
        match rows {
            // A row of its own and none of others: restored into the place that it came from, there are two.
            [row] => self.differs_from(row),
            [] => Hold::OtherDatabase,
            several => {
                let others = several.iter().map(|row| self.differs_from(row));
                others.into_iter().find(|hold| *hold != Hold::Free).unwrap_or(Hold::OtherDatabase)
            }
        }
    }

    /// Whether the one row has no name yet and this place has: it takes it.
    pub fn gives_name_to(&self, rows: &[Home]) -> bool {
        matches!(rows, [row] if row.cluster.is_empty() && !self.cluster.is_empty())
            && self.hold(rows) == Hold::Free
    }

    fn differs_from(&self, row: &Home) -> Hold {
        let have_names = !row.cluster.is_empty() && !self.cluster.is_empty();
        if row.database != self.database {
            Hold::OtherDatabase
        } else if have_names && row.cluster != self.cluster {
            Hold::OtherName
        } else if !have_names && row.system != self.system {
            Hold::OtherSystem
        } else {
            Hold::Free
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(system: i64, database: u32, cluster: &str) -> Home {
        Home { system, database: DatabaseId(database), cluster: cluster.to_owned() }
    }

    #[test]
    fn instances_are_at_home_where_their_row_says() {
        let here = home(1, 5, "");
        let named = home(1, 5, "prod");
        let cases = [
            ("its own", &here, vec![home(1, 5, "")], Hold::Free),
            ("its own, named since", &named, vec![home(1, 5, "")], Hold::Free),
            ("a promoted standby", &named, vec![home(1, 5, "prod")], Hold::Free),
            ("upgraded, without a name", &here, vec![home(2, 5, "")], Hold::OtherSystem),
            ("upgraded, named since", &named, vec![home(2, 5, "")], Hold::OtherSystem),
            ("upgraded, with a name", &named, vec![home(2, 5, "prod")], Hold::Free),
            ("a clone with another name", &home(1, 5, "staging"), vec![home(1, 5, "prod")], Hold::OtherName),
            ("a clone without a name", &here, vec![home(1, 5, "prod")], Hold::Free),
            ("from a template", &here, vec![home(1, 4, "")], Hold::OtherDatabase),
            ("from a template, named", &named, vec![home(1, 4, "prod")], Hold::OtherDatabase),
            ("restored", &here, vec![home(1, 5, ""), home(7, 9, "")], Hold::OtherDatabase),
            ("restored from a namesake", &here, vec![home(7, 5, ""), home(1, 5, "")], Hold::OtherSystem),
            ("restored where it came from", &here, vec![home(1, 5, ""), home(1, 5, "")], Hold::OtherDatabase),
            ("nowhere", &here, vec![], Hold::OtherDatabase),
        ];
        for (says, here, rows, hold) in cases {
            assert_eq!(here.hold(&rows), hold, "{says}");
        }
    }

    #[test]
    fn a_home_takes_the_name_that_its_cluster_is_given() {
        let (unnamed, named) = (home(1, 5, ""), home(1, 5, "prod"));
        assert!(named.gives_name_to(&[home(1, 5, "")]));
        assert!(!named.gives_name_to(&[home(1, 5, "prod")]) && !named.gives_name_to(&[home(1, 5, "other")]));
        assert!(!named.gives_name_to(&[home(2, 5, "")]) && !named.gives_name_to(&[]));
        assert!(!unnamed.gives_name_to(&[home(1, 5, "")]));
    }
}
