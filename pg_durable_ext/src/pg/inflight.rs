//! Which step each executor is carrying out, kept where it survives the process.
//!
//! Shared memory is lost when a process is killed, and a row written before each step would double the cost of
//! every step. A small file mapped into memory survives any death but the machine's, and costs a store.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicPtr, Ordering};

use bytemuck::AnyBitPattern;
use pg_durable_board::{EXECUTORS_MAX, InFlight};

/// `pg_stat_tmp` is in the data directory and left out of base backups.
const PATH: &str = "pg_stat_tmp/pg_durable.inflight";

type Slots = [InFlight; EXECUTORS_MAX];

const fn is_any_bytes<T: AnyBitPattern>() {}
/// Whatever the file holds is a `Slots`.
const _: () = is_any_bytes::<Slots>();

static SLOTS: AtomicPtr<Slots> = AtomicPtr::new(std::ptr::null_mut());

/// What was being carried out by executors that died without a word, and forgets it. From the postmaster, before
/// any executor runs.
///
/// While the postmaster lives on, the one process that was killed is to blame: the others were told to end, and have
/// said so. When the postmaster itself is new, the whole server was killed, and only a step that ran alone is
/// suspected of it.
pub fn take_suspects() -> Vec<InFlight> {
    let known = SLOTS.load(Ordering::Relaxed);
    let is_new_server = known.is_null();
    let Some(slots) = (if is_new_server { map() } else { Some(known) }) else { return Vec::new() };
    // SAFETY: the mapping holds exactly one `Slots`, which any bytes are (see the type), and no
    // executor runs yet.
    unsafe {
        let suspects: Vec<_> = (*slots).iter().filter(|slot| slot.instance != 0).copied().collect();
        std::ptr::write_bytes(slots, 0, 1);
        if is_new_server && suspects.len() > 1 { Vec::new() } else { suspects }
    }
}

/// Says what the executor in `slot` is carrying out; `None` when it has finished.
pub fn note(slot: usize, what: Option<InFlight>) {
    let mut slots = SLOTS.load(Ordering::Relaxed);
    if slots.is_null() {
        let Some(mapped) = map() else { return };
        slots = mapped;
    }
    // SAFETY: each slot is written by the one executor that holds it.
    unsafe { (&raw mut (*slots)[slot]).write(what.unwrap_or_default()) }
}

/// What the executor in `slot` is carrying out, and forgets it.
pub fn take(slot: usize) -> Option<InFlight> {
    let slots = SLOTS.load(Ordering::Relaxed);
    if slots.is_null() {
        return None;
    }
    // SAFETY: as for `note`.
    let step = unsafe { (&raw mut (*slots)[slot]).replace(InFlight::default()) };
    (step.instance != 0).then_some(step)
}

/// When another process crashes, the server ends this one in mid-step: then it is not this step that is to blame.
pub fn forget_on_crash_of_others(slot: usize) {
    note(slot, None);
    let slots = SLOTS.load(Ordering::Relaxed);
    if slots.is_null() {
        return;
    }
    // SAFETY: the slot is this process's own; the handler writes plain memory and ends the process, both of which
    // a signal handler may do.
    unsafe {
        MINE.store(&raw mut (*slots)[slot], Ordering::Relaxed);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_crash_of_others as extern "C" fn(i32) as usize;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGQUIT, &action, std::ptr::null_mut());
    }
}

static MINE: AtomicPtr<InFlight> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn on_crash_of_others(_signal: i32) {
    // SAFETY: see where the handler is installed. The exit code is that of the server's own handler.
    unsafe {
        MINE.load(Ordering::Relaxed).write(InFlight::default());
        libc::_exit(2);
    }
}

fn map() -> Option<*mut Slots> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(PATH).ok()?;
    file.set_len(size_of::<Slots>() as u64).ok()?;
    // SAFETY: maps a file of sufficient length; the mapping is never unmapped, so the pointer stays valid.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<Slots>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    SLOTS.store(address.cast(), Ordering::Relaxed);
    Some(address.cast())
}
