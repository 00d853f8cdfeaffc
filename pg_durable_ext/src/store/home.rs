//! `df._home`: where the instances of this database are at home.

use pg_durable_board::{DatabaseId, Home};

use crate::pg::spi::{Arg, Session, statement};
use crate::pg::{catalog, gucs};

/// This database of this server.
pub fn here() -> Home {
    Home {
        // As SQL shows it: the upper half of all numbers is negative.
        system: catalog::system_identifier() as i64,
        database: DatabaseId(catalog::my_database().to_u32()),
        cluster: gucs::cluster_name(),
    }
}

statement!(ROWS, c"SELECT h.system_identifier, h.database_oid, h.cluster_name FROM df._home AS h", []);

/// Where the rows say.
pub fn rows(spi: &Session) -> Vec<Home> {
    let rows = spi.run(&ROWS, &[]);
    (0..rows.count)
        .map(|row| Home {
            system: rows.int(row, 1).unwrap_or_default(),
            database: DatabaseId(rows.int(row, 2).unwrap_or_default() as u32),
            cluster: rows.string(row, 3),
        })
        .collect()
}

statement!(LOCK, c"LOCK TABLE df._home IN SHARE ROW EXCLUSIVE MODE", []);

/// Keeps others from changing it until the transaction ends.
pub fn lock(spi: &Session) {
    spi.run(&LOCK, &[]);
}

statement!(DELETE, c"DELETE FROM df._home", []);
statement!(
    INSERT,
    c"INSERT INTO df._home (system_identifier, database_oid, cluster_name) VALUES ($1, $2, $3)",
    [INT8OID, OIDOID, TEXTOID]
);

/// From now on the instances are at home here.
pub fn set(spi: &Session, home: &Home) {
    spi.run(&DELETE, &[]);
    let database = pgrx::pg_sys::Oid::from(home.database.0);
    spi.run(&INSERT, &[Arg::Int8(home.system), Arg::Oid(database), Arg::Text(&home.cluster)]);
}
