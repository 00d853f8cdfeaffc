//! What follows when a transaction ends: one callback for transactions and one for subtransactions, whatever there is to do.
//!
//! A consequence belongs to the subtransaction in which it was announced: it is forgotten when that one is rolled back, and
//! passes to the one around it when that one is released.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::pg_sys;

/// What one thing that was done in a transaction has for a consequence when it ends.
///
/// Nothing but [`before_commit`](Self::before_commit) may raise: by then the transaction is over, and these only tell
/// other processes.
pub trait Consequence {
    /// The transaction is about to commit, and its deferred triggers have run. May wait, and may raise.
    fn before_commit(&self) {}
    /// It has committed, and others can see that.
    fn committed(&self);
    /// It was rolled back, or the subtransaction was.
    fn aborted(&self) {}
    /// It was prepared: another session will end it, and nobody will say when.
    fn prepared(&self) {}
}

/// What is asked and told of every transaction of this process, while it is watched.
type Watcher = Option<Rc<dyn Consequence>>;
type Announced = (pg_sys::SubTransactionId, Box<dyn Consequence>);

thread_local! {
    static COMMITS: Cell<u64> = const { Cell::new(0) };
    static HOOKED: Cell<bool> = const { Cell::new(false) };
    /// In the order in which they were announced, so that those of one subtransaction stand together at the end.
    static ANNOUNCED: RefCell<Vec<Announced>> = const { RefCell::new(Vec::new()) };
    static WATCHER: RefCell<Watcher> = const { RefCell::new(None) };
}

/// Announces what follows when the current transaction ends.
pub fn announce(consequence: impl Consequence + 'static) {
    hook();
    // SAFETY: reads the state of this process's transaction.
    let inside = unsafe { pg_sys::GetCurrentSubTransactionId() };
    ANNOUNCED.with_borrow_mut(|announced| announced.push((inside, Box::new(consequence))));
}

/// Has somebody asked and told of every transaction of this process from now on, or nobody any more.
pub fn watch(watcher: Watcher) {
    hook();
    WATCHER.set(watcher);
}

fn watcher() -> Watcher {
    WATCHER.with_borrow(Clone::clone)
}

/// How many transactions this process has committed: tells whether a statement has committed inside.
pub fn commits() -> u64 {
    hook();
    COMMITS.get()
}

fn hook() {
    if !HOOKED.replace(true) {
        // SAFETY: the callbacks live as long as the library, which is never unloaded.
        unsafe {
            pg_sys::RegisterXactCallback(Some(on_end), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(on_end_of_sub), std::ptr::null_mut());
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn on_end(event: pg_sys::XactEvent::Type, _arg: *mut core::ffi::c_void) {
    match event {
        pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT => {
            // Not borrowed while they wait and raise; none of them announces anything.
            let announced = ANNOUNCED.take();
            let kept = Kept(announced);
            kept.0.iter().for_each(|(_, consequence)| consequence.before_commit());
            // Last: from its answer on the transaction commits without waiting for anybody.
            watcher().iter().for_each(|watcher| watcher.before_commit());
        }
        pg_sys::XactEvent::XACT_EVENT_COMMIT => {
            COMMITS.set(COMMITS.get() + 1);
            ANNOUNCED.take().iter().for_each(|(_, consequence)| consequence.committed());
            watcher().iter().for_each(|watcher| watcher.committed());
        }
        pg_sys::XactEvent::XACT_EVENT_ABORT => {
            ANNOUNCED.take().iter().for_each(|(_, consequence)| consequence.aborted());
            watcher().iter().for_each(|watcher| watcher.aborted());
        }
        pg_sys::XactEvent::XACT_EVENT_PREPARE => {
            ANNOUNCED.take().iter().for_each(|(_, consequence)| consequence.prepared());
        }
        _ => {}
    }
}

/// Puts what was announced back, also where one of them raises: the abort that follows tells them all.
struct Kept(Vec<Announced>);

impl Drop for Kept {
    fn drop(&mut self) {
        ANNOUNCED.set(std::mem::take(&mut self.0));
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn on_end_of_sub(
    event: pg_sys::SubXactEvent::Type,
    mine: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _arg: *mut core::ffi::c_void,
) {
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => ANNOUNCED.with_borrow_mut(|announced| {
            let inside = announced.iter_mut().rev().take_while(|(inside, _)| *inside == mine);
            inside.for_each(|(inside, _)| *inside = parent);
        }),
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            let forgotten = ANNOUNCED.with_borrow_mut(|announced| {
                let first =
                    announced.iter().rposition(|(inside, _)| *inside != mine).map_or(0, |last| last + 1);
                announced.split_off(first)
            });
            forgotten.iter().for_each(|(_, consequence)| consequence.aborted());
        }
        _ => {}
    }
}
