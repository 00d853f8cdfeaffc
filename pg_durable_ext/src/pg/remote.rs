//! Running SQL in a session of another process: in another database, or in a transaction of its own.
//!
//! The session belongs to a background worker that is born as the current user. Request and answer travel through
//! queues in shared memory, so no connection, password or `pg_hba` line is involved.

use std::time::Duration;

use pg_durable_graph::progress::Bindings;
use pg_durable_graph::{Column, Outcome};
use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

use super::caught;
use super::portal::ScriptResult;
use super::process::{self, Handle, Worker};
use super::xact::Transaction;
use super::{catalog, latch, role};
use crate::engine::failure::Failure;
use crate::engine::steps::sql::{self, Values};
use crate::worker::executor;

const QUEUE_BYTES: usize = 64 * 1024;

/// The head of the segment; two queues follow.
#[repr(C)]
struct Head {
    database: u32,
    role: u32,
    is_step: bool,
}

const HEAD_BYTES: usize = 64;

#[derive(Serialize, Deserialize)]
struct Request {
    text: String,
    bindings: Vec<Binding>,
    params: Vec<serde_json::Value>,
    /// JSON, apart from the rest: it may be nested as deep as we read.
    input: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Binding {
    name: String,
    value: serde_json::Value,
    columns: Option<Vec<Column>>,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Done {
        json: String,
        columns: Vec<Column>,
    },
    Failed {
        sqlstate: String,
        message: String,
        detail: Option<String>,
        hint: Option<String>,
        context: Option<String>,
    },
}

/// Runs a text, with what its references and `$n` stand for, in a database of this cluster as the current user, and commits there.
pub fn run(database: &str, text: &str, values: &Values<'_>) -> Result<ScriptResult, Failure> {
    let request = Request {
        text: text.to_owned(),
        bindings: values
            .bindings
            .into_iter()
            .flatten()
            .map(|(name, outcome)| Binding {
                name: name.clone(),
                value: outcome.value.clone(),
                columns: outcome.columns.as_deref().cloned(),
            })
            .collect(),
        params: values.params.to_vec(),
        input: values.input.map(serde_json::Value::to_string),
    };
    let asked = caught::catch(|| {
        let database = in_some_transaction(|| catalog::database_oid(database))
            .ok_or_else(|| Failure::new("3D000", format!("database \"{database}\" does not exist")))?;
        let mut remote = Remote::start(database, role::current_user())?;
        remote.send(serde_json::to_string(&request).unwrap_or_default().as_bytes())?;
        remote.receive()
    });
    let answer = asked.map_err(Failure::from)??;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Done { json, columns }) => {
            Ok(ScriptResult { json, columns: columns.into(), has_committed: true })
        }
        Ok(Answer::Failed { sqlstate, message, detail, hint, context }) => {
            Err(Failure { sqlstate, message, detail, hint, context })
        }
        Err(error) => Err(Failure::new("XX000", format!("answer of the remote session: {error}"))),
    }
}

/// The catalogs are read in the caller's transaction, or in one of our own where there is none.
fn in_some_transaction<T>(look_up: impl FnOnce() -> T) -> T {
    // SAFETY: reads the state of this process's transaction.
    if unsafe { pg_sys::IsTransactionState() } {
        return look_up();
    }
    let transaction = Transaction::begin_internal();
    let found = look_up();
    transaction.commit();
    found
}

/// A running session elsewhere; ended when dropped.
struct Remote {
    segment: *mut pg_sys::dsm_segment,
    requests: *mut pg_sys::shm_mq_handle,
    answers: *mut pg_sys::shm_mq_handle,
    worker: Handle,
}

impl Remote {
    fn start(database: pg_sys::Oid, role: pg_sys::Oid) -> Result<Remote, Failure> {
        // SAFETY: a segment large enough for the head and both queues, each at an aligned place; this process is the
        // sender of one and the receiver of the other.
        let (segment, requests, answers) = unsafe {
            let segment = pg_sys::dsm_create(HEAD_BYTES + 2 * QUEUE_BYTES, 0);
            let base = pg_sys::dsm_segment_address(segment).cast::<u8>();
            let is_step = executor::is_executor();
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
                return Err(Failure::new("53400", error.to_string())
                    .hint("Raise max_worker_processes and restart the server."));
            }
        };
        // SAFETY: both queues are in the segment, which stays attached until the drop.
        unsafe {
            let requests = pg_sys::shm_mq_attach(requests, segment, std::ptr::null_mut());
            let answers = pg_sys::shm_mq_attach(answers, segment, std::ptr::null_mut());
            Ok(Remote { segment, requests, answers, worker })
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
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

    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
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

    fn is_through(&self, result: pg_sys::shm_mq_result::Type) -> Result<bool, Failure> {
        /// A worker that dies before it attaches wakes nobody.
        const LOOK_EVERY: Duration = Duration::from_secs(1);
        match result {
            pg_sys::shm_mq_result::SHM_MQ_SUCCESS => Ok(true),
            pg_sys::shm_mq_result::SHM_MQ_WOULD_BLOCK if !self.worker.is_stopped() => {
                latch::wait(Some(LOOK_EVERY));
                latch::check_interrupts();
                Ok(false)
            }
            _ => Err(Failure::new("08006", "the session in the other database ended without an answer")
                .hint("The server log tells why: the role may not connect there, or the session was terminated.")),
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
pub fn serve(handle: u32) {
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
            process::set_session_default("df.in_workflow", "true");
            executor::pose_as_step();
        }
        let (mut length, mut data) = (0, std::ptr::null_mut());
        if pg_sys::shm_mq_receive(requests, &mut length, &mut data, false)
            != pg_sys::shm_mq_result::SHM_MQ_SUCCESS
        {
            return;
        }
        let answer = answer(std::slice::from_raw_parts(data.cast::<u8>(), length));
        let answer = serde_json::to_vec(&answer).unwrap_or_default();
        pg_sys::shm_mq_send(answers, answer.len(), answer.as_ptr().cast(), false, true);
    }
}

fn answer(request: &[u8]) -> Answer {
    let failed = |failure: Failure| Answer::Failed {
        sqlstate: failure.sqlstate,
        message: failure.message,
        detail: failure.detail,
        hint: failure.hint,
        context: failure.context,
    };
    let request: Request = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(error) => return failed(Failure::new("XX000", error.to_string())),
    };
    super::activity::show_statement(&request.text);
    let bindings: Bindings = request
        .bindings
        .into_iter()
        .map(|binding| {
            let columns = binding.columns.map(Into::into);
            (binding.name, Outcome { value: binding.value, columns }.into())
        })
        .collect();
    let done = caught::catch(|| {
        let input = request.input.as_deref().map(serde_json::from_str).transpose();
        let input: Option<serde_json::Value> =
            input.map_err(|error| Failure::new("XX000", format!("input of the remote session: {error}")))?;
        let values = Values { bindings: Some(&bindings), input: input.as_ref(), params: &request.params };
        let transaction = Transaction::begin();
        let result = sql::run_text(&request.text, &values)?;
        transaction.commit();
        Ok(result)
    });
    match done.map_err(Failure::from).and_then(|done| done) {
        Ok(result) => Answer::Done { json: result.json, columns: result.columns.to_vec() },
        Err(failure) => failed(failure),
    }
}
