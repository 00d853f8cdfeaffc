//! Having a session of another process answer a request: in another database, or in a transaction of its own.
//!
//! The session belongs to a background worker that is born as the current user. Request and answer travel through
//! queues in shared memory, so no connection, password or `pg_hba` line is involved.

use std::time::Duration;

use pgrx::pg_sys;

use super::latch;
use super::process::{self, Handle, NoWorkerSlot, Worker};
use super::timeout;

const QUEUE_BYTES: usize = 64 * 1024;

/// The head of the segment; two queues follow.
#[repr(C)]
struct Head {
    database: u32,
    role: u32,
    is_step: bool,
}

const HEAD_BYTES: usize = 64;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    NoWorkerSlot(#[from] NoWorkerSlot),
    #[error("the session in the other database ended without an answer")]
    Ended,
}

/// Has a session of a database, born as `role`, answer a request. A PostgreSQL error unwinds.
pub fn ask(database: pg_sys::Oid, role: pg_sys::Oid, request: &[u8]) -> Result<Vec<u8>, RemoteError> {
    let mut remote = Remote::start(database, role)?;
    remote.send(request)?;
    remote.receive()
}

/// A running session elsewhere; ended when dropped.
struct Remote {
    segment: *mut pg_sys::dsm_segment,
    requests: *mut pg_sys::shm_mq_handle,
    answers: *mut pg_sys::shm_mq_handle,
    worker: Handle,
}

impl Remote {
    fn start(database: pg_sys::Oid, role: pg_sys::Oid) -> Result<Remote, RemoteError> {
        // SAFETY: a segment large enough for the head and both queues, each at an aligned place; this process is the
        // sender of one and the receiver of the other.
        let (segment, requests, answers) = unsafe {
            let segment = pg_sys::dsm_create(HEAD_BYTES + 2 * QUEUE_BYTES, 0);
            let base = pg_sys::dsm_segment_address(segment).cast::<u8>();
            let is_step = process::is_executor();
            base.cast::<Head>().write(Head { database: database.to_u32(), role: role.to_u32(), is_step });
            let requests = pg_sys::shm_mq_create(base.add(HEAD_BYTES).cast(), QUEUE_BYTES);
            let answers = pg_sys::shm_mq_create(base.add(HEAD_BYTES + QUEUE_BYTES).cast(), QUEUE_BYTES);
            pg_sys::shm_mq_set_sender(requests, pg_sys::MyProc);
            pg_sys::shm_mq_set_receiver(answers, pg_sys::MyProc);
            (segment, requests, answers)
        };
        let worker = Worker {
            kind: "pg_durable runner",
            name: "pg_durable runner".to_owned(),
            entry: "pg_durable_runner_main",
            // SAFETY: the segment was just created.
            argument: u64::from(unsafe { pg_sys::dsm_segment_handle(segment) }),
            restart: None,
        };
        let worker = match worker.start() {
            Ok(worker) => worker,
            Err(error) => {
                // SAFETY: not detached before.
                unsafe { pg_sys::dsm_detach(segment) };
                return Err(error.into());
            }
        };
        // SAFETY: both queues are in the segment, which stays attached until the drop.
        unsafe {
            let requests = pg_sys::shm_mq_attach(requests, segment, std::ptr::null_mut());
            let answers = pg_sys::shm_mq_attach(answers, segment, std::ptr::null_mut());
            Ok(Remote { segment, requests, answers, worker })
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<(), RemoteError> {
        loop {
            // SAFETY: the same message is passed until it has gone, as the queue demands.
            let sent = unsafe {
                pg_sys::shm_mq_send(self.requests, message.len(), message.as_ptr().cast(), true, true)
            };
            if self.is_through(sent)? {
                return Ok(());
            }
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>, RemoteError> {
        loop {
            let (mut length, mut data) = (0, std::ptr::null_mut());
            // SAFETY: the data is copied before the next call on the queue.
            let received = unsafe { pg_sys::shm_mq_receive(self.answers, &mut length, &mut data, true) };
            if self.is_through(received)? {
                // SAFETY: the queue says how long the message is.
                return Ok(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec());
            }
        }
    }

    fn is_through(&self, result: pg_sys::shm_mq_result::Type) -> Result<bool, RemoteError> {
        /// A worker that dies before it attaches wakes nobody.
        const LOOK_EVERY: Duration = Duration::from_secs(1);
        match result {
            pg_sys::shm_mq_result::SHM_MQ_SUCCESS => Ok(true),
            pg_sys::shm_mq_result::SHM_MQ_WOULD_BLOCK if !self.worker.is_stopped() => {
                latch::wait(Some(LOOK_EVERY));
                latch::check_interrupts();
                Ok(false)
            }
            _ => Err(RemoteError::Ended),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Runs while an error unwinds too: neither raises. A statement that still runs is interrupted.
        self.worker.terminate();
        // SAFETY: attached in `start`, detached once; after an abort of the transaction that owned it the server has
        // detached it already, which is why unwinding leaves it alone.
        if !std::thread::panicking() {
            unsafe { pg_sys::dsm_detach(self.segment) };
        }
    }
}

/// The life of a session for somebody else: one request, one answer.
pub fn serve(handle: u32, answer: impl FnOnce(&[u8]) -> Vec<u8>) {
    process::take_signals();
    process::leave_with_postmaster();
    // SAFETY: the handle was given by a process that keeps the segment until it has the answer; the layout is that
    // of `start`.
    unsafe {
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return;
        }
        pg_sys::dsm_pin_mapping(segment);
        let base = pg_sys::dsm_segment_address(segment).cast::<u8>();
        let head = base.cast::<Head>().read();
        let requests = base.add(HEAD_BYTES).cast::<pg_sys::shm_mq>();
        let answers = base.add(HEAD_BYTES + QUEUE_BYTES).cast::<pg_sys::shm_mq>();
        pg_sys::shm_mq_set_receiver(requests, pg_sys::MyProc);
        pg_sys::shm_mq_set_sender(answers, pg_sys::MyProc);
        let requests = pg_sys::shm_mq_attach(requests, segment, std::ptr::null_mut());
        let answers = pg_sys::shm_mq_attach(answers, segment, std::ptr::null_mut());
        process::connect(Some(pg_sys::Oid::from(head.database)), Some(pg_sys::Oid::from(head.role)));
        if head.is_step {
            timeout::interrupt_for_transactions();
            process::set_session_default("df.in_workflow", "true");
            process::run_steps();
        }
        let (mut length, mut data) = (0, std::ptr::null_mut());
        if pg_sys::shm_mq_receive(requests, &mut length, &mut data, false)
            != pg_sys::shm_mq_result::SHM_MQ_SUCCESS
        {
            return;
        }
        let answer = answer(std::slice::from_raw_parts(data.cast::<u8>(), length));
        pg_sys::shm_mq_send(answers, answer.len(), answer.as_ptr().cast(), false, true);
    }
}
