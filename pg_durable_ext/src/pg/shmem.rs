//! The shared-memory segment and the lock around it.

use std::ffi::CStr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

use bytemuck::Zeroable;
use pg_durable_board::Board;
use pgrx::pg_sys;

const NAME: &CStr = c"pg_durable";
const CLOCK_NAME: &CStr = c"pg_durable clock";

static BOARD: AtomicPtr<Board> = AtomicPtr::new(std::ptr::null_mut());
static CLOCK_OFFSET: AtomicPtr<AtomicI64> = AtomicPtr::new(std::ptr::null_mut());
static LOCK: AtomicPtr<pg_sys::LWLock> = AtomicPtr::new(std::ptr::null_mut());

static PREVIOUS_REQUEST_HOOK: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
static PREVIOUS_STARTUP_HOOK: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Exclusive use of the board; the lock is released on drop.
///
/// The holder calls nothing that can raise or wait: it only reads and writes the board.
#[must_use]
pub struct BoardGuard(&'static mut Board);

/// Locks the board. `None` in a server that has not preloaded the library.
pub fn try_board() -> Option<BoardGuard> {
    let board = BOARD.load(Ordering::Relaxed);
    if board.is_null() {
        return None;
    }
    // SAFETY: both pointers were set together by the start-up hook and stay valid for the life of the process.
    unsafe {
        pg_sys::LWLockAcquire(LOCK.load(Ordering::Relaxed), pg_sys::LWLockMode::LW_EXCLUSIVE);
        Some(BoardGuard(&mut *board))
    }
}

/// Locks the board in a process that exists only because the library was preloaded.
pub fn board() -> BoardGuard {
    try_board().expect("the engine's processes run only where the library was preloaded")
}

/// Whether the library was preloaded.
pub fn is_preloaded() -> bool {
    !BOARD.load(Ordering::Relaxed).is_null()
}

/// What tests have added to the engine's clock, in microseconds: see [`clock`](super::clock).
pub fn clock_offset() -> Option<&'static AtomicI64> {
    let offset = CLOCK_OFFSET.load(Ordering::Relaxed);
    // SAFETY: set by the start-up hook, and valid for the life of the process.
    (!offset.is_null()).then(|| unsafe { &*offset })
}

impl Deref for BoardGuard {
    type Target = Board;
    fn deref(&self) -> &Board {
        self.0
    }
}

impl DerefMut for BoardGuard {
    fn deref_mut(&mut self) -> &mut Board {
        self.0
    }
}

impl Drop for BoardGuard {
    fn drop(&mut self) {
        // Runs while a Rust panic unwinds too. No PostgreSQL error can start under the lock, so nobody else has
        // released it.
        // SAFETY: this guard acquired the lock.
        unsafe { pg_sys::LWLockRelease(LOCK.load(Ordering::Relaxed)) }
    }
}

/// Asks for the segment at server start.
pub fn register() {
    // SAFETY: called once from `_PG_init` in the postmaster, where hooks may be chained.
    unsafe {
        let previous = pg_sys::shmem_request_hook.map_or(std::ptr::null_mut(), |hook| hook as *mut ());
        PREVIOUS_REQUEST_HOOK.store(previous, Ordering::Relaxed);
        pg_sys::shmem_request_hook = Some(on_request);
        let previous = pg_sys::shmem_startup_hook.map_or(std::ptr::null_mut(), |hook| hook as *mut ());
        PREVIOUS_STARTUP_HOOK.store(previous, Ordering::Relaxed);
        pg_sys::shmem_startup_hook = Some(on_startup);
    }
}

fn call_previous(hook: &AtomicPtr<()>) {
    let previous = hook.load(Ordering::Relaxed);
    if !previous.is_null() {
        // SAFETY: the pointer was taken from a hook variable of this very type.
        unsafe { std::mem::transmute::<*mut (), unsafe extern "C-unwind" fn()>(previous)() }
    }
}

unsafe extern "C-unwind" fn on_request() {
    // From a frame without a guard or anything to be destroyed, which an error may leave as it likes.
    call_previous(&PREVIOUS_REQUEST_HOOK);
    // SAFETY: guarded, so that a panic of ours becomes an error.
    unsafe { request() }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: called by the postmaster at the one moment when space may be requested.
    unsafe {
        pg_sys::RequestAddinShmemSpace(size_of::<Board>());
        // Beside the lock, so that reading the clock does not take it.
        pg_sys::RequestAddinShmemSpace(size_of::<AtomicI64>());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

unsafe extern "C-unwind" fn on_startup() {
    // As above.
    call_previous(&PREVIOUS_STARTUP_HOOK);
    // SAFETY: as above.
    unsafe { start_up() }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn start_up() {
    let mut found = false;
    // SAFETY: called by the postmaster (and by each process where processes are not forked) with shared memory
    // in place. Segments are aligned for any type.
    let board = unsafe {
        let board = pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Board>(), &mut found).cast::<Board>();
        if !found {
            zero(board);
        }
        let mut found_offset = false;
        let offset = pg_sys::ShmemInitStruct(CLOCK_NAME.as_ptr(), size_of::<AtomicI64>(), &mut found_offset);
        if !found_offset {
            offset.cast::<AtomicI64>().write(AtomicI64::new(super::kept_clock::load()));
        }
        CLOCK_OFFSET.store(offset.cast(), Ordering::Relaxed);
        LOCK.store(&raw mut (*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock, Ordering::Relaxed);
        BOARD.store(board, Ordering::Relaxed);
        &mut *board
    };
    if !found {
        board.suspects.initialise(super::inflight::take_suspects());
    }
}

/// Makes an empty board, or whatever is nothing but zeroes.
///
/// # Safety
/// There is memory for a `T`, and nobody else uses it.
unsafe fn zero<T: Zeroable>(place: *mut T) {
    // SAFETY: as the caller promises; that zeroes are a `T` its type says.
    unsafe { std::ptr::write_bytes(place, 0, 1) }
}
