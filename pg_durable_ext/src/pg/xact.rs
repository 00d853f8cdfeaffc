//! Transactions of our background workers, and what anybody's is asked.

use std::ffi::CStr;
use std::time::Duration;

use pg_durable_graph::Failure;
use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::caught;

// Declared here without pgrx's guard: see `caught::with_error_facts`.
unsafe extern "C-unwind" {
    fn CommitTransactionCommand();
}

/// A transaction of a background worker; aborts when dropped without [`Transaction::commit`].
#[must_use]
pub struct Transaction(());

impl Transaction {
    /// Starts a transaction for the user's statements, with the role's own settings.
    pub fn begin() -> Transaction {
        // SAFETY: only background workers of ours call this, outside any transaction.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
        }
        Transaction(())
    }

    /// Starts a transaction of the engine's own: read committed and read write, whatever the role's defaults
    /// are, because it has to see what others have just committed and has to write.
    pub fn begin_internal() -> Transaction {
        let transaction = Transaction::begin();
        // SAFETY: no snapshot has been taken yet, the point at which SET TRANSACTION changes the same variables.
        unsafe {
            pg_sys::XactIsoLevel = pg_sys::XACT_READ_COMMITTED as i32;
            pg_sys::XactReadOnly = false;
        }
        transaction
    }

    /// Commits. An error while committing (a deferred constraint, say) aborts and unwinds as any error does.
    pub fn commit(self) {
        // SAFETY: a transaction is in progress. The guard is forgotten only behind the commit: should it raise,
        // the unwinding drops the guard, which aborts.
        unsafe {
            while pg_sys::ActiveSnapshotSet() {
                pg_sys::PopActiveSnapshot();
            }
            pg_sys::EndImplicitTransactionBlock();
            pg_guard_ffi_boundary(|| caught::with_error_facts(|| CommitTransactionCommand()));
        }
        std::mem::forget(self);
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: aborting is allowed in any transaction state and does nothing outside a transaction.
        unsafe { pg_sys::AbortCurrentTransaction() }
    }
}

/// Does something in a subtransaction that is rolled back, whatever comes of it: locks, settings and all. For sessions of
/// users; an error comes back as a value.
pub fn without_trace<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // SAFETY: as PL/pgSQL does for a block with an exception handler: memory and resource owner are put back.
    unsafe {
        let (memory, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(memory);
        let done = caught::catch(work);
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::MemoryContextSwitchTo(memory);
        pg_sys::CurrentResourceOwner = owner;
        done
    }
}

/// Makes the current transaction's commit return before the log is flushed, however the role is set.
pub fn commit_asynchronously() {
    set_local(c"synchronous_commit", c"off");
}

/// Has the current transaction read string literals as the engine's quoting assumes, however the role is set.
pub fn read_standard_strings() {
    // SAFETY: reads a setting.
    if !unsafe { pg_sys::standard_conforming_strings } {
        set_local(c"standard_conforming_strings", c"on");
    }
}

fn set_local(name: &CStr, value: &CStr) {
    // SAFETY: a setting that belongs to the transaction and is reverted at its end.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}

/// Lets the engine write in a transaction that the user has made read only; restores on drop.
#[must_use]
pub struct Writable(bool);

impl Writable {
    /// Makes the current transaction writable.
    pub fn enter() -> Writable {
        // SAFETY: a plain variable of this process. Recovery is over wherever a worker of ours runs.
        unsafe {
            let was_read_only = pg_sys::XactReadOnly;
            pg_sys::XactReadOnly = false;
            Writable(was_read_only)
        }
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        // Runs while an error unwinds too; it cannot raise.
        // SAFETY: restores what `enter` saw.
        unsafe { pg_sys::XactReadOnly = self.0 }
    }
}

/// Whether what this transaction id has written is of the current transaction, or of a part of it that is kept.
pub fn is_mine(xid: u32) -> bool {
    // SAFETY: compares with the ids of this process's transaction.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(xid.into()) }
}

/// Whether the current transaction may not write.
pub fn is_read_only() -> bool {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::XactReadOnly }
}

/// Whether the current transaction sees one snapshot only, so that waiting for others' commits is in vain.
pub fn uses_one_snapshot() -> bool {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Makes what the transaction has done so far visible to its own next statement.
pub fn next_command() {
    // SAFETY: a transaction is in progress.
    unsafe { pg_sys::CommandCounterIncrement() }
}

/// Takes a snapshot if none is active, as any query of the engine needs one.
pub fn ensure_snapshot() {
    // SAFETY: a transaction is in progress; the snapshot is popped at its end.
    unsafe {
        if !pg_sys::ActiveSnapshotSet() {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
    }
}

/// What a statement would see that begins now; it stops being the active snapshot when dropped, except while an error
/// unwinds, when the abort sees to that.
#[must_use]
pub struct FreshSnapshot(pg_sys::Snapshot);

impl FreshSnapshot {
    /// Takes it, inside a transaction.
    pub fn take() -> FreshSnapshot {
        // SAFETY: a transaction is in progress. The copy's command id says that the transaction's own changes are seen,
        // also where its snapshot is an old one.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushCopiedSnapshot(pg_sys::GetTransactionSnapshot());
            pg_sys::UpdateActiveSnapshotCommandId();
            FreshSnapshot(pg_sys::GetActiveSnapshot())
        }
    }

    /// The server's form.
    pub fn as_ptr(&self) -> pg_sys::Snapshot {
        self.0
    }
}

impl Drop for FreshSnapshot {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the innermost active snapshot is the one that `take` pushed.
            unsafe { pg_sys::PopActiveSnapshot() }
        }
    }
}

/// When the current transaction began, as `now()` gives it: microseconds since 2000-01-01 UTC.
pub fn started_at() -> i64 {
    // SAFETY: a transaction is in progress.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// Whether the current transaction has, or will have, left something in the log: it has an id.
pub fn has_written() -> bool {
    // SAFETY: reads the state of this process's transaction.
    unsafe { pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId }
}

/// Gives the current transaction its id now, if it has none. Whoever notes when something ended does so behind this: what
/// ended before a moment is then the work of transactions whose ids were given before it.
pub fn assign_id() {
    // One that must not write is told so by what it tries.
    if !is_read_only() {
        // SAFETY: a transaction is in progress, and not in recovery, where all are read only.
        unsafe { pg_sys::GetTopTransactionId() };
    }
}

/// Says that the commit of the current transaction, which has an id, has begun: see [`is_committing`]. It stops being so with
/// the transaction.
pub fn begin_committing() {
    // SAFETY: a transaction is in progress; the lock is released at its end, whatever the end is.
    unsafe {
        let tag = commit_of(pg_sys::GetTopTransactionIdIfAny());
        pg_sys::LockAcquire(&tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, false, false);
    }
}

/// Whether a transaction has begun to commit by [`begin_committing`] and is not over.
pub fn is_committing(transaction: pg_sys::TransactionId) -> bool {
    lock_commit(transaction, true)
}

/// Waits for the end of a transaction that is committing. A PostgreSQL error unwinds.
pub fn wait_for_commit(transaction: pg_sys::TransactionId) {
    lock_commit(transaction, false);
}

/// Takes and releases the lock of a transaction that commits; whether somebody else has it, where nobody is to wait.
fn lock_commit(transaction: pg_sys::TransactionId, only_look: bool) -> bool {
    let lock = pg_sys::ShareLock as pg_sys::LOCKMODE;
    // SAFETY: a transaction is in progress. A subtransaction is its topmost one's.
    unsafe {
        let tag = commit_of(pg_sys::SubTransGetTopmostTransaction(transaction));
        let acquired = pg_sys::LockAcquire(&tag, lock, false, only_look);
        let is_held = acquired == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
        if !is_held {
            pg_sys::LockRelease(&tag, lock, false);
        }
        is_held
    }
}

/// The lock that says that this transaction commits.
fn commit_of(transaction: pg_sys::TransactionId) -> pg_sys::LOCKTAG {
    lock_tag(0xD0, u32::from(transaction), 0)
}

/// Keeps others from giving up branches of this instance until the transaction ends, or (`exclusively`) from consuming
/// signals in branches that may be given up. Waits; a PostgreSQL error unwinds.
pub fn lock_branches(instance: u64, exclusively: bool) {
    let mode = if exclusively { pg_sys::ExclusiveLock } else { pg_sys::ShareLock };
    let tag = lock_tag(0xD1, (instance >> 32) as u32, instance as u32);
    // SAFETY: a transaction is in progress; the lock is released at its end, whatever the end is.
    unsafe { pg_sys::LockAcquire(&tag, mode as pg_sys::LOCKMODE, false, false) };
}

/// A lock of ours in this database: among the advisory locks, in a class that no SQL function reaches.
fn lock_tag(class: u16, high: u32, low: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: reads a variable of this process.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: high,
        locktag_field3: low,
        locktag_field4: class,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// Has the engine's writes wait for a lock that somebody else has for so long at most (`None` is for ever), however the role
/// is set; restores on drop.
#[must_use]
pub struct Patience(i32);

impl Patience {
    /// Sets it.
    pub fn of(span: Option<Duration>) -> Patience {
        // SAFETY: a plain variable of this process, which is read when a wait begins.
        unsafe {
            let was = pg_sys::LockTimeout;
            pg_sys::LockTimeout = span.map_or(0, |span| span.as_millis() as i32);
            Patience(was)
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        // Runs while an error unwinds too, before the abort reverts settings; it cannot raise.
        // SAFETY: restores what `of` saw.
        unsafe { pg_sys::LockTimeout = self.0 }
    }
}
