//! Telling the engine's processes what has been committed.

use std::cell::Cell;

use pg_durable_board::{Board, DatabaseId, InstanceNumber, RoleId, Target, Tenant, Wake};
use pgrx::pg_sys::Oid;

use super::committing;
use crate::pg::ending::{self, Consequence};
use crate::pg::{catalog, clock, latch, process, shmem};

/// This process's database, as the board knows it.
pub fn here() -> DatabaseId {
    DatabaseId(catalog::my_database().to_u32())
}

/// The id of an instance as a number; `None` for text that is no id.
pub fn instance_number(id: &str) -> Option<InstanceNumber> {
    let is_id =
        (8..=16).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = is_id.then(|| u64::from_str_radix(id, 16).ok()).flatten()?;
    (instance_id(number) == id).then_some(number)
}

/// The id that belongs to a number.
pub fn instance_id(number: InstanceNumber) -> String {
    format!("{number:08x}")
}

/// A started instance is ready when the caller's transaction commits.
pub fn after_start(role: Oid, instance: InstanceNumber) {
    push_after_commit(role, Target { instance, branch: pg_durable_graph::NodeId::ROOT.0 });
}

/// A signal was sent: every branch of the instance looks for it when the caller's transaction commits.
pub fn after_signal(role: Oid, instance: InstanceNumber) {
    push_after_commit(role, Target { instance, branch: Target::EVERY_BRANCH });
}

fn push_after_commit(role: Oid, target: Target) {
    let tenant = Tenant { database: here(), role: RoleId(role.to_u32()) };
    after_commit(move || {
        send(|board| board.push_new(tenant, target, clock::now()));
    });
}

/// An instance was cancelled: what runs of it is interrupted when the caller's transaction commits.
///
/// Where it is taken back, those who have let go of the instance because of it look again.
pub fn after_cancel(role: Oid, instance: InstanceNumber) {
    let tenant = Tenant { database: here(), role: RoleId(role.to_u32()) };
    ending::announce(Cancelled { tenant, instance, is_begun: Cell::new(false) });
}

struct Cancelled {
    tenant: Tenant,
    instance: InstanceNumber,
    /// Its commit has begun.
    is_begun: Cell<bool>,
}

impl Consequence for Cancelled {
    fn before_commit(&self) {
        committing::wait_for_executors(self.tenant.database, self.instance, &self.is_begun);
    }

    fn committed(&self) {
        interrupt(self.tenant.database, self.instance, None, |_| true);
        send(|board| board.waiters.note_ended(self.tenant.database, self.instance));
        committing::end_cancel(&self.is_begun);
    }

    fn aborted(&self) {
        committing::end_cancel(&self.is_begun);
        let target = Target { instance: self.instance, branch: Target::EVERY_BRANCH };
        send(|board| board.push(self.tenant, target, None, clock::now()));
    }

    fn prepared(&self) {
        expect_prepared();
    }
}

/// Interrupts what executors run of an instance, in the branches that `concerns` chooses.
pub fn interrupt(
    database: DatabaseId,
    instance: InstanceNumber,
    except: Option<usize>,
    concerns: impl Fn(u32) -> bool,
) {
    if let Some(mut board) = shmem::try_board() {
        // Under the lock, which an executor takes before it lets go of what it runs: the interruption cannot
        // hit what it runs next.
        for pid in board.executors.abandon(database, instance, except, concerns) {
            process::cancel_statement(pid);
        }
    }
}

/// The extension was created: the database is served when the transaction commits.
pub fn after_create() {
    let database = here();
    after_commit(move || send(|board| board.create_database(database, clock::now())));
}

/// The extension was dropped: what runs of its workflows is interrupted, having nothing left to write to.
pub fn extension_dropped() {
    let database = here();
    after_commit(move || {
        send(|board| board.databases.note_drop(database));
        if let Some(mut board) = shmem::try_board() {
            for pid in board.executors.abandon_all(database) {
                process::cancel_statement(pid);
            }
        }
    });
}

/// Somebody asks for the engine in this database: a scheduler comes where none is.
pub fn announce() {
    let database = here();
    send(|board| board.announce(database, clock::now()));
}

/// The rows that say where the instances are at home have changed: the scheduler looks when the transaction commits.
pub fn after_home_changed() {
    let database = here();
    after_commit(move || send(|board| board.databases.look_home(database)));
}

/// The instances of this database have been adopted: they are looked for when the transaction commits.
pub fn after_adopt() {
    let database = here();
    after_commit(move || {
        send(|board| board.databases.look_home(database));
        send(|board| board.databases.request_rescan(database));
        send(|board| board.announce(database, clock::now()));
    });
}

/// A session wants a database alone.
pub fn leave_alone(database: Oid) {
    send(|board| board.leave_alone(DatabaseId(database.to_u32())));
}

/// It does not any more.
pub fn come_back(database: Oid) {
    send(|board| board.come_back(DatabaseId(database.to_u32())));
}

/// Databases have come, gone or changed.
pub fn databases_changed() {
    send(|board| board.launcher.request_look());
}

fn after_commit(action: impl Fn() + 'static) {
    ending::announce(Later(action));
}

/// What only waits for the commit.
struct Later<Action>(Action);

impl<Action: Fn()> Consequence for Later<Action> {
    fn committed(&self) {
        (self.0)();
    }

    fn prepared(&self) {
        expect_prepared();
    }
}

/// The transaction was prepared: nobody tells when it commits.
pub fn expect_prepared() {
    let database = here();
    send(|board| board.expect_prepared(database));
}

/// Does something to the board and wakes whom that concerns.
pub fn send(action: impl FnOnce(&mut Board) -> Wake) {
    if let Some(mut board) = shmem::try_board() {
        let wake = action(&mut board);
        drop(board);
        tell(wake);
    }
}

/// [`send`] for what has an answer too. From the engine's own processes.
pub fn ask<T>(action: impl FnOnce(&mut Board) -> (T, Wake)) -> T {
    let mut board = shmem::board();
    let (answer, wake) = action(&mut board);
    drop(board);
    tell(wake);
    answer
}

fn tell(wake: Wake) {
    for place in wake {
        latch::wake(place);
    }
}
