//! What befalls the server meanwhile.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use pg_durable_sdk::testing::{StopMode, TestServer};
use pg_durable_tests::server::literal;

use super::ROLES;
use super::leaver::Leaver;
use super::random::Random;
use crate::recovery::cluster::Client;

/// Something to kill, or another thing that befalls a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kill {
    Executor,
    TerminatedExecutor,
    Scheduler,
    TerminatedScheduler,
    Launcher,
    Client,
    Postmaster,
    ImmediateStop,
    WholeServer,
    /// All that is under way is cancelled in a savepoint that is rolled back.
    TakenBackCancel,
    /// The engine's tables are written anew.
    VacuumFull,
    /// A cancel is prepared and left open; the one before it is rolled back.
    PreparedCancel,
    /// A database of another encoding, with the extension, comes or goes.
    DatabaseBeside,
    /// CONNECT is taken from everybody for a while.
    NoConnect,
    /// Transactions are read only by default for a while, as during a switchover.
    ReadOnly,
    /// A role is dropped, and made anew.
    RoleAnew,
}

pub struct Killer<'a> {
    pub server: &'a TestServer,
    pub admin: Client<'a>,
    /// How often each step's process was killed: one that is unlucky three times fails, as it should.
    pub deaths: HashMap<(String, String), u32>,
    pub leaver: Leaver,
    pub random: Random,
}

impl Killer<'_> {
    /// Kills, if there is such a process now.
    pub fn kill(&mut self, kill: Kill) -> bool {
        match kill {
            Kill::Executor => self.kill_busy_executor(),
            Kill::TerminatedExecutor => self.terminate("executor"),
            Kill::TerminatedScheduler => self.terminate("scheduler"),
            Kill::Scheduler => self.kill_worker("scheduler"),
            Kill::Launcher => self.kill_worker("launcher"),
            Kill::Client => {
                let pid = self.admin.value(&format!(
                    "SELECT max(pid) FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND usename IN ({})",
                    ROLES.map(literal).join(", ")
                ));
                self.kill_pid(Some(&pid))
            }
            Kill::Postmaster => {
                self.server.kill_postmaster().expect("all processes leave with the postmaster");
                self.start_again()
            }
            Kill::ImmediateStop => {
                self.server.stop(StopMode::Immediate).expect("the server stops");
                self.start_again()
            }
            Kill::WholeServer => {
                self.server.kill_all_processes().expect("the server is killed");
                self.start_again()
            }
            // A crash before this may still be taking the server down: then it is not done.
            Kill::TakenBackCancel => self.does(
                "DO $$ BEGIN
                     -- What is prepared holds its row for long.
                     SET LOCAL lock_timeout = '300ms';
                     PERFORM df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running');
                     RAISE division_by_zero;
                 EXCEPTION WHEN division_by_zero OR lock_not_available THEN NULL; END $$",
            ),
            Kill::VacuumFull => {
                // It would wait for what is prepared.
                self.roll_back_prepared();
                self.does("VACUUM FULL df.nodes") && self.does("VACUUM FULL df.instances")
            }
            Kill::PreparedCancel => self.prepare_cancel(),
            Kill::NoConnect => self.keep_out(),
            Kill::ReadOnly => self.forbid_writing(),
            Kill::RoleAnew => {
                self.leaver.come_back(&self.admin, &mut self.random);
                true
            }
            Kill::DatabaseBeside => self.make_or_drop_database(),
        }
    }

    fn kill_busy_executor(&mut self) -> bool {
        let busy = self.admin.rows(
            "SELECT pid, instance_id, coalesce(node_id, '') FROM df.workers()
             WHERE kind = 'executor' AND instance_id IS NOT NULL ORDER BY random()",
        );
        for row in busy {
            let [pid, instance, node] = <[Option<String>; 3]>::try_from(row).expect("three columns");
            let deaths =
                self.deaths.entry((instance.unwrap_or_default(), node.unwrap_or_default())).or_default();
            if *deaths < 2 {
                *deaths += 1;
                return self.kill_pid(pid.as_deref());
            }
        }
        false
    }

    fn prepare_cancel(&self) -> bool {
        self.roll_back_prepared();
        self.does(
            "BEGIN;
             SELECT df.cancel(id) FROM df.instances
             WHERE status IN ('pending', 'running') ORDER BY random() LIMIT 1;
             PREPARE TRANSACTION 'campaign'",
        )
    }

    fn keep_out(&mut self) -> bool {
        self.admin.rows_in_the_end("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
        self.pass_a_while();
        self.admin.rows_in_the_end("GRANT CONNECT ON DATABASE postgres TO PUBLIC");
        true
    }

    fn forbid_writing(&mut self) -> bool {
        self.admin.rows("ALTER SYSTEM SET default_transaction_read_only = on");
        self.admin.rows("SELECT pg_reload_conf()");
        self.pass_a_while();
        self.admin.rows("ALTER SYSTEM RESET default_transaction_read_only");
        self.admin.rows("SELECT pg_reload_conf()");
        true
    }

    fn make_or_drop_database(&self) -> bool {
        let beside = "SELECT count(*) FROM pg_database WHERE datname = 'beside'";
        if self.admin.value(beside) == "1" {
            return self.does("DROP DATABASE beside WITH (FORCE)");
        }
        self.does("CREATE DATABASE beside TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
            && self.server.psql("beside", "CREATE EXTENSION pg_durable").is_ok()
    }

    /// As long as this lasts the roles' work waits.
    fn pass_a_while(&mut self) {
        thread::sleep(Duration::from_millis(self.random.below(2500)));
    }

    fn does(&self, sql: &str) -> bool {
        self.admin.try_rows(sql).is_ok()
    }

    /// What is prepared holds its instance's row, which waits for it.
    pub fn roll_back_prepared(&self) {
        let prepared = "SELECT count(*) FROM pg_prepared_xacts";
        while self.admin.value(prepared) != "0" {
            self.does("ROLLBACK PREPARED 'campaign'");
        }
    }

    fn start_again(&self) -> bool {
        self.server.start_again().expect("the server starts again");
        true
    }

    fn kill_pid(&self, pid: Option<&str>) -> bool {
        // It may have ended by itself.
        pid.and_then(|pid| pid.parse().ok()).is_some_and(|pid| self.server.kill_backend(pid).is_ok())
    }

    fn kill_worker(&self, kind: &str) -> bool {
        let pid = self.admin.value(&format!("SELECT max(pid) FROM df.workers() WHERE kind = '{kind}'"));
        self.kill_pid(Some(&pid))
    }

    fn terminate(&self, kind: &str) -> bool {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM df.workers()
             WHERE kind = '{kind}' AND pid > 0 ORDER BY random() LIMIT 1"
        );
        self.admin.value(&sql) == "t"
    }
}
