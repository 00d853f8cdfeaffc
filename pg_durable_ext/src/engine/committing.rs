//! Nothing of an instance commits behind its cancel, and nobody is interrupted while committing.
//!
//! A canceller and an executor of the instance may come to their commits at the same moment. Each first says so and then
//! looks at the other: the executor marks itself on the board and reads the instance's row; the canceller, whose change of
//! that row is in place, takes a lock that says whose commit has begun, and waits until no executor of the instance is
//! marked. So an executor that finds the row being changed by somebody whose commit has not begun is waited for, and one
//! that finds a commit begun waits for its end. Where no cancel has begun to commit there is no row to be read: one that is
//! over has told whom it concerns.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pg_durable_board::{DatabaseId, InstanceNumber, MayCommit};

use crate::pg::ending::{self, Consequence};
use crate::pg::spi::Tid;
use crate::pg::{latch, process, shmem, xact};
use crate::store::instances;

/// What is asked before each commit of a process that carries out an instance, those of a procedure's own included; until
/// dropped.
#[must_use]
pub struct Gate(());

struct Commit {
    slot: usize,
    id: String,
    /// Where the instance's row was seen last.
    place: Cell<Option<Tid>>,
    /// The transaction under way has changed the row itself, and so knows its status.
    has_written: Cell<bool>,
    is_marked: Cell<bool>,
    was_refused: Cell<bool>,
}

thread_local! {
    static GATE: RefCell<Option<Rc<Commit>>> = const { RefCell::new(None) };
}

impl Gate {
    /// Puts the gate before the commits of the executor in `slot`. The instance's row was seen at `place` last.
    pub fn close(slot: usize, id: String, place: Option<Tid>) -> Gate {
        let commit = Rc::new(Commit {
            slot,
            id,
            place: Cell::new(place),
            has_written: Cell::new(false),
            is_marked: Cell::new(false),
            was_refused: Cell::new(false),
        });
        GATE.set(Some(commit.clone()));
        ending::watch(Some(commit));
        Gate(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        GATE.set(None);
        ending::watch(None);
    }
}

/// Whether the instance is over by now, as far as that is committed: by a cancel that nobody has told of, because it was
/// prepared before it was committed, say. Inside a transaction.
pub fn is_over() -> bool {
    let Some(commit) = GATE.with_borrow(Clone::clone) else { return false };
    if !shmem::board().is_untold(commit.slot) {
        return false;
    }
    // Before it: what is prepared from now on asks for another look.
    shmem::board().note_look(commit.slot);
    let seen = instances::look(&commit.id, commit.place.get());
    commit.place.set(seen.map(|seen| seen.place));
    seen.is_none_or(|seen| seen.value.is_terminal())
}

/// The current transaction has changed the instance's row.
pub fn note_written(place: Option<Tid>) {
    GATE.with_borrow(|gate| {
        if let Some(commit) = gate {
            commit.has_written.set(true);
            commit.place.set(place);
        }
    });
}

/// Whether the error that was caught just now was raised here.
pub fn take_refusal() -> bool {
    GATE.with_borrow(|gate| gate.as_ref().is_some_and(|commit| commit.was_refused.take()))
}

impl Commit {
    /// Puts the mark on; whether the row has to be looked at.
    fn mark(&self) -> bool {
        let may_commit = shmem::board().begin_commit(self.slot);
        if may_commit == MayCommit::No {
            self.refuse();
        }
        self.is_marked.set(true);
        may_commit == MayCommit::IfUnfinished
    }

    /// Takes the mark off; whether the branch has been given up meanwhile.
    fn unmark(&self) -> bool {
        self.is_marked.take() && shmem::board().executors.end_commit(self.slot)
    }

    fn refuse(&self) {
        self.was_refused.set(true);
        pgrx::ereport!(
            ERROR,
            pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
            "the instance was cancelled, or its branch has lost a race"
        );
    }
}

impl Consequence for Commit {
    fn before_commit(&self) {
        if !xact::has_written() {
            return;
        }
        loop {
            if !self.mark() || self.has_written.get() {
                return;
            }
            shmem::board().note_look(self.slot);
            let Some(seen) = instances::look(&self.id, self.place.get()) else { return self.refuse() };
            self.place.set(Some(seen.place));
            match seen.changing {
                _ if seen.is_own => return,
                _ if seen.value.is_terminal() => return self.refuse(),
                None => return,
                Some(canceller) if !xact::is_committing(canceller) => return,
                Some(canceller) => {
                    self.unmark();
                    xact::wait_for_commit(canceller);
                }
            }
        }
    }

    fn committed(&self) {
        self.has_written.set(false);
        if self.unmark() {
            // The statement goes on behind a commit of its own: it is interrupted now.
            process::cancel_own_statement();
        }
    }

    fn aborted(&self) {
        self.has_written.set(false);
        self.unmark();
    }
}

/// Inside the commit of a cancel: waits until no executor of the instance is committing, so that all that comes later sees
/// it. One that has committed and waits for its standby is not waited for: what it has done comes before this.
///
/// Sets `is_begun` where [`end_cancel`] is to follow.
pub fn wait_for_executors(database: DatabaseId, instance: InstanceNumber, is_begun: &Cell<bool>) {
    /// A commit takes no longer on a good disk.
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    xact::begin_committing();
    if let Some(mut board) = shmem::try_board() {
        board.executors.begin_cancel();
    }
    is_begun.set(true);
    loop {
        let committing = match shmem::try_board() {
            Some(board) => board.executors.committing(database, instance),
            None => return,
        };
        if committing.into_iter().all(process::waits_for_standby) {
            return;
        }
        latch::wait(Some(LOOK_EVERY));
        pgrx::check_for_interrupts!();
    }
}

/// A cancel is over that has begun to commit, and whom it concerns has been told.
pub fn end_cancel(is_begun: &Cell<bool>) {
    if is_begun.take()
        && let Some(mut board) = shmem::try_board()
    {
        board.executors.end_cancel();
    }
}
