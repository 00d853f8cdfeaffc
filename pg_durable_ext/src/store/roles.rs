//! Roles that rows name and that do not exist here: see `df.role`.

use pg_durable_board::RoleId;
use pgrx::pg_sys::Oid;

use crate::pg::catalog;
use crate::pg::spi::{Arg, Session, Statement, statement};

statement!(
    MISSING,
    c"SELECT DISTINCT r.role FROM (
          SELECT t.submitted_by::pg_catalog.oid FROM df.instances AS t
          UNION ALL SELECT t.called_by::pg_catalog.oid FROM df.instances AS t
          UNION ALL SELECT t.submitted_by::pg_catalog.oid FROM df.nodes AS t
          UNION ALL SELECT t.sent_by::pg_catalog.oid FROM df.signals AS t
          UNION ALL SELECT t.owner::pg_catalog.oid FROM df.vars AS t
          UNION ALL SELECT t.owner::pg_catalog.oid FROM df.workflow_names AS t
          UNION ALL SELECT t.registered_by::pg_catalog.oid FROM df.workflow_versions AS t
          UNION ALL SELECT t.grantee::pg_catalog.oid FROM df.workflow_grants AS t
          UNION ALL SELECT t.granted_by::pg_catalog.oid FROM df.workflow_grants AS t
      ) AS r (role) WHERE r.role OPERATOR(pg_catalog.>=) 3221225472::pg_catalog.oid",
    []
);

statement!(ROLES, c"SELECT r.oid FROM pg_catalog.pg_roles AS r", []);

statement!(
    INSTANCES,
    c"UPDATE df.instances AS t SET submitted_by = $1::pg_catalog.regrole WHERE t.submitted_by OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    CALLERS,
    c"UPDATE df.instances AS t SET called_by = $1::pg_catalog.regrole WHERE t.called_by OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    NODES,
    c"UPDATE df.nodes AS t SET submitted_by = $1::pg_catalog.regrole WHERE t.submitted_by OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    SIGNALS,
    c"UPDATE df.signals AS t SET sent_by = $1::pg_catalog.regrole WHERE t.sent_by OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    VARS,
    c"UPDATE df.vars AS t SET owner = $1::pg_catalog.regrole WHERE t.owner OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    NAMES,
    c"UPDATE df.workflow_names AS t SET owner = $1::pg_catalog.regrole WHERE t.owner OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    VERSIONS,
    c"UPDATE df.workflow_versions AS t SET registered_by = $1::pg_catalog.regrole WHERE t.registered_by OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    GRANTEES,
    c"UPDATE df.workflow_grants AS t SET grantee = $1::pg_catalog.regrole WHERE t.grantee OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);
statement!(
    GRANTERS,
    c"UPDATE df.workflow_grants AS t SET granted_by = $1::pg_catalog.regrole WHERE t.granted_by OPERATOR(pg_catalog.=) $2",
    [OIDOID, OIDOID]
);

// What a role has itself by now stands.
statement!(
    OWN_VARS,
    c"DELETE FROM df.vars AS t USING df.vars AS own
      WHERE t.owner OPERATOR(pg_catalog.=) $2 AND own.owner OPERATOR(pg_catalog.=) $1
        AND own.name OPERATOR(pg_catalog.=) t.name",
    [OIDOID, OIDOID]
);
statement!(
    OWN_GRANTS,
    c"DELETE FROM df.workflow_grants AS t USING df.workflow_grants AS own
      WHERE t.grantee OPERATOR(pg_catalog.=) $2 AND own.grantee OPERATOR(pg_catalog.=) $1
        AND own.name OPERATOR(pg_catalog.=) t.name",
    [OIDOID, OIDOID]
);
statement!(
    OWN_KEYS,
    c"UPDATE df.instances AS t SET idempotency_key = NULL FROM df.instances AS own
      WHERE t.submitted_by OPERATOR(pg_catalog.=) $2 AND own.submitted_by OPERATOR(pg_catalog.=) $1
        AND own.idempotency_key OPERATOR(pg_catalog.=) t.idempotency_key",
    [OIDOID, OIDOID]
);

/// In the order in which they are done.
static CHANGES: [&Statement; 12] = [
    &OWN_KEYS,
    &OWN_VARS,
    &OWN_GRANTS,
    &INSTANCES,
    &CALLERS,
    &NODES,
    &SIGNALS,
    &VARS,
    &NAMES,
    &VERSIONS,
    &GRANTEES,
    &GRANTERS,
];

/// Gives roles that have come since what rows of a dump say is theirs; how many roles there were.
pub fn resolve(spi: &Session) -> usize {
    let rows = spi.run(&MISSING, &[]);
    let missing: Vec<RoleId> =
        (0..rows.count).filter_map(|row| Some(RoleId(rows.int(row, 1)? as u32))).collect();
    if missing.is_empty() {
        return 0;
    }
    let rows = spi.run(&ROLES, &[]);
    let roles = (0..rows.count).filter_map(|row| Some(Oid::from(rows.int(row, 1)? as u32)));
    let roles: Vec<(Oid, RoleId)> = roles
        .filter_map(|role| Some((role, RoleId::of_missing(&catalog::role_name(role)?))))
        .filter(|(_, stands_for)| missing.contains(stands_for))
        .collect();
    for (role, stands_for) in &roles {
        for change in CHANGES {
            spi.run(change, &[Arg::Oid(*role), Arg::Oid(Oid::from(stands_for.0))]);
        }
    }
    roles.len()
}
