//! Whether steps of a role may run here: asked before a process is born as it, and again while the process lives.
//!
//! A step that begins after the change was committed does not run. One that has begun goes on, as a session's statement
//! does: no lock of ours holds up `DROP ROLE`.

use std::cell::Cell;

use pg_durable_board::{DatabaseId, Hindrance, RoleId, Tenant};
use pg_durable_graph::Failure;
use pgrx::pg_sys::Oid;

use crate::pg::gucs::{self, CrossDatabase};
use crate::pg::spi::Session;
use crate::pg::xact::{self, Transaction};
use crate::pg::{catalog, caught, ending, process};
use crate::store;

/// What keeps a process from being born as a role in this database.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    #[error("submitted_by role no longer exists in pg_roles")]
    RoleGone,
    #[error("role \"{0}\" may not connect to the database")]
    NoConnect(String),
    #[error("role \"{0}\" does not have LOGIN privilege")]
    NoLogin(String),
}

/// Looks for what keeps a process from being born as this role. Inside a transaction.
pub fn obstacle(role: Oid, database: Oid) -> Option<Obstacle> {
    let Some(name) = catalog::role_name(role) else { return Some(Obstacle::RoleGone) };
    if !catalog::may_connect(role, database) {
        return Some(Obstacle::NoConnect(name));
    }
    (needs_login() && !catalog::can_login(role)).then_some(Obstacle::NoLogin(name))
}

/// Whether roles must be able to log in for their workflows to run.
pub fn needs_login() -> bool {
    !process::RUNS_NOLOGIN_ROLES || gucs::require_login()
}

impl Obstacle {
    /// As what it is waited out; `None` where waiting is in vain.
    pub fn hindrance(&self) -> Option<Hindrance> {
        match self {
            Obstacle::RoleGone => None,
            Obstacle::NoConnect(_) => Some(Hindrance::NoConnect),
            Obstacle::NoLogin(_) => Some(Hindrance::NoLogin),
        }
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Failure {
        let message = obstacle.to_string();
        match obstacle {
            Obstacle::RoleGone => {
                Failure::new("42704", message).hint("Start the workflow again as a role that exists.")
            }
            Obstacle::NoConnect(_) => {
                Failure::new("42501", message).hint("Grant CONNECT on the database to the role.")
            }
            Obstacle::NoLogin(_) => Failure::new("28000", message).hint("Grant LOGIN to the role."),
        }
    }
}

/// What keeps a role's steps from running in another database.
#[derive(Debug, thiserror::Error)]
pub enum Barrier {
    #[error("database \"{0}\" does not exist")]
    Unknown(String),
    #[error("database \"{0}\" does not take connections")]
    Closed(String),
    #[error("role \"{role}\" may not connect to database \"{database}\"")]
    NoConnect { role: String, database: String },
    #[error("role \"{role}\" may not run steps in another database")]
    NotGranted { role: String, database: String },
    #[error("steps in another database are switched off (pg_durable.cross_database)")]
    SwitchedOff { database: String },
}

/// The database of this name, where steps of the role may run. Inside a transaction.
pub fn way_to(role: Oid, name: &str) -> Result<Oid, Barrier> {
    let database = catalog::database_oid(name).ok_or_else(|| Barrier::Unknown(name.to_owned()))?;
    let both = || (catalog::role_name(role).unwrap_or_default(), name.to_owned());
    match gucs::cross_database() {
        CrossDatabase::Off => return Err(Barrier::SwitchedOff { database: name.to_owned() }),
        CrossDatabase::Granted if !catalog::may_execute(role, c"cross_database") => {
            let (role, database) = both();
            return Err(Barrier::NotGranted { role, database });
        }
        CrossDatabase::Granted | CrossDatabase::On => {}
    }
    if !catalog::takes_connections(database) {
        return Err(Barrier::Closed(name.to_owned()));
    }
    if !catalog::may_connect(role, database) {
        let (role, database) = both();
        return Err(Barrier::NoConnect { role, database });
    }
    Ok(database)
}

impl Barrier {
    /// As what it is waited out; `None` where the step fails.
    pub fn hindrance(&self) -> Option<Hindrance> {
        match self {
            Barrier::Closed(_) | Barrier::NoConnect { .. } => Some(Hindrance::NoConnectThere),
            Barrier::Unknown(_) | Barrier::NotGranted { .. } | Barrier::SwitchedOff { .. } => None,
        }
    }

    /// The SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Barrier::Unknown(_) => "3D000",
            Barrier::Closed(_) => "55000",
            Barrier::NoConnect { .. } | Barrier::NotGranted { .. } | Barrier::SwitchedOff { .. } => "42501",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Barrier::Unknown(_) => "List the databases with \\l in psql.".to_owned(),
            Barrier::Closed(_) => "Choose a database whose datallowconn is true.".to_owned(),
            Barrier::NoConnect { .. } => "Grant CONNECT on that database to the role.".to_owned(),
            Barrier::NotGranted { role, .. } => format!(
                "A superuser lets it with GRANT EXECUTE ON FUNCTION df.cross_database() TO {}, or everybody with pg_durable.cross_database = on.",
                catalog::quoted(role)
            ),
            Barrier::SwitchedOff { .. } => {
                "A superuser sets pg_durable.cross_database to granted or on, and reloads.".to_owned()
            }
        }
    }
}

impl From<Barrier> for Failure {
    fn from(barrier: Barrier) -> Failure {
        Failure::new(barrier.sqlstate(), barrier.to_string()).hint(barrier.hint())
    }
}

/// What this process was born with: when that is not so any more, another one takes its place, or none does.
#[derive(Debug)]
pub struct Standing {
    tenant: Tenant,
    is_superuser: bool,
    settings: u64,
    /// What had been told of changes, and whether roles had to be able to log in, at the last look.
    looked_at: (u64, bool),
    settings_looked_at: u64,
}

impl Standing {
    /// Remembers what the process was born with. Inside a transaction.
    pub fn at_birth(tenant: Tenant) -> Standing {
        let role = Oid::from(tenant.role.0);
        Standing {
            tenant,
            is_superuser: catalog::is_superuser(role),
            settings: catalog::settings_of(role),
            // Nothing has been looked at yet: somebody may have been faster than this process.
            looked_at: (u64::MAX, false),
            settings_looked_at: catalog::changes_told(),
        }
    }

    /// Whether the process may run a step: the role is there, may connect, log in where that is needed, and is, or is
    /// not, a superuser as before. At the start of a transaction.
    pub fn may_run(&mut self) -> bool {
        let now = (catalog::changes_told(), needs_login());
        if self.looked_at == now {
            return true;
        }
        let Tenant { database: DatabaseId(database), role: RoleId(role) } = self.tenant;
        let role = Oid::from(role);
        let may_run =
            obstacle(role, Oid::from(database)).is_none() && catalog::is_superuser(role) == self.is_superuser;
        if may_run {
            self.looked_at = now;
        }
        may_run
    }

    /// Whether the process may take an instance: it may run its steps, with the settings that it was born with. At the
    /// start of a transaction.
    pub fn may_take(&mut self) -> bool {
        let now = catalog::changes_told();
        let is_unchanged = self.settings_looked_at == now
            || catalog::settings_of(Oid::from(self.tenant.role.0)) == self.settings;
        if is_unchanged {
            self.settings_looked_at = now;
        }
        is_unchanged && self.may_run()
    }
}

/// How a step's transaction began: tells whether an error is the step's, or that of a default which will pass.
#[derive(Debug, Default)]
pub struct Beginning {
    is_read_only: Cell<bool>,
    commits: Cell<u64>,
}

impl Beginning {
    /// Takes note at the start of a transaction.
    pub fn note(&self) {
        self.is_read_only.set(xact::is_read_only());
        self.commits.set(ending::commits());
    }

    /// Whether the step has only met that transactions are read only by default. Not where that is the role's own setting,
    /// which is there to stay, nor where the step has committed inside, which would be done again and again. Outside a
    /// transaction.
    pub fn explains(&self, failure: &Failure) -> bool {
        let is_default =
            failure.sqlstate == "25006" && self.is_read_only.get() && self.commits.get() == ending::commits();
        is_default && caught::catch(|| !is_read_only_by_role()).unwrap_or(false)
    }
}

/// Whether the role itself is set to read only transactions.
fn is_read_only_by_role() -> bool {
    let transaction = Transaction::begin_internal();
    // As the role: the extension, and so its owner, need not be in the database of the step.
    let source = store::source_of_read_only(&Session::open());
    transaction.commit();
    matches!(source.as_deref(), Some("user" | "database user"))
}
