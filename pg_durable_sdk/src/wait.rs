//! Waiting for any number of instances over one connection, without polling.
//!
//! One task calls `df.await_any` with all instances that somebody waits for, and tells those whose instance
//! is terminal to look. When another one is to be waited for, it cancels the call from the session of the other
//! calls and makes it again with the larger set. A call ends after some seconds in any case: it holds a snapshot, for which
//! vacuum and `CREATE INDEX CONCURRENTLY` wait, and a connection that died silently has to be noticed.

use crate::{
    InstanceId, ServerError,
    connection::{Backoff, Session, Sessions},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_postgres::{Row, error::SqlState, types::Type};

/// How long one call of `df.await_any` takes at most.
const CALL: Duration = Duration::from_secs(5);

/// How much later than that its answer may come.
const GRACE: Duration = Duration::from_secs(30);

/// How long others who want to be waited for are gathered before a call is cancelled for them.
const GATHER: Duration = Duration::from_millis(1);

/// How long a cancelled call has to end before it is cancelled again: the first request may have come before
/// the call.
const CANCEL_AGAIN: Duration = Duration::from_millis(100);

/// The waiting side of a client; its task starts with the first wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    sessions: Arc<Sessions>,
    requests: Mutex<Option<mpsc::UnboundedSender<Request>>>,
}

/// Somebody waits for an instance.
#[derive(Debug)]
struct Request {
    id: InstanceId,
    reply: oneshot::Sender<Result<(), ServerError>>,
}

impl Waiter {
    pub(crate) fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, requests: Mutex::new(None) }
    }

    /// Waits until the instance is worth a look: it is terminal, or the wait was interrupted.
    pub(crate) async fn wait_for(&self, id: &InstanceId) -> Result<(), ServerError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request { id: id.clone(), reply });
        // The task ends without an answer only with its runtime; the caller looks, and comes back.
        answer.await.unwrap_or(Ok(()))
    }

    fn send(&self, request: Request) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let request = match requests.as_ref() {
            None => request,
            Some(open) => match open.send(request) {
                Ok(()) => return,
                Err(refused) => refused.0,
            },
        };
        self.start(&mut requests, request);
    }

    fn start(&self, requests: &mut Option<mpsc::UnboundedSender<Request>>, first: Request) {
        let (sender, receiver) = mpsc::unbounded_channel();
        // The receiver is at hand, so it is there.
        let _ = sender.send(first);
        tokio::spawn(attend(self.sessions.clone(), receiver));
        *requests = Some(sender);
    }
}

/// Those who wait, by instance.
#[derive(Default)]
struct Waiting {
    replies: HashMap<InstanceId, Vec<oneshot::Sender<Result<(), ServerError>>>>,
}

impl Waiting {
    fn add(&mut self, request: Request) {
        self.replies.entry(request.id).or_default().push(request.reply);
    }

    /// Forgets who does not wait any more.
    fn prune(&mut self) {
        self.replies.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
    }

    fn ids(&self) -> Vec<String> {
        self.replies.keys().map(|id| id.as_str().to_owned()).collect()
    }

    fn tell(&mut self, id: &InstanceId) {
        for reply in self.replies.remove(id).into_iter().flatten() {
            let _ = reply.send(Ok(()));
        }
    }

    fn fail(&mut self, error: &ServerError) {
        for reply in self.replies.drain().flat_map(|(_, replies)| replies) {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

/// How a call of `df.await_any` ended.
enum Call {
    /// These instances are worth a look.
    Answered(Vec<InstanceId>),
    /// Cancelled, for a larger set or by somebody else.
    Cancelled {
        by_us: bool,
    },
    /// The connection is gone, or gives no sign of life.
    Lost,
    Refused(ServerError),
}

/// The task: ends when the client and all who wait are gone.
async fn attend(sessions: Arc<Sessions>, mut requests: mpsc::UnboundedReceiver<Request>) {
    let mut waiting = Waiting::default();
    let mut open: Option<Wait> = None;
    let mut backoff = Backoff::new();
    loop {
        while let Ok(request) = requests.try_recv() {
            waiting.add(request);
        }
        waiting.prune();
        if waiting.replies.is_empty() {
            match requests.recv().await {
                Some(request) => waiting.add(request),
                None => return,
            }
            continue;
        }
        let wait = match open.take().filter(|wait| !wait.session.is_closed()) {
            Some(wait) => wait,
            None => match Wait::open(&sessions).await {
                Ok(wait) => wait,
                Err(error) if error.is_connection_lost() => {
                    backoff.pause().await;
                    continue;
                }
                Err(error) => {
                    waiting.fail(&error);
                    continue;
                }
            },
        };
        match wait.call(&sessions, &mut waiting, &mut requests).await {
            Call::Answered(ids) => {
                backoff.reset();
                ids.iter().for_each(|id| waiting.tell(id));
                open = Some(wait);
            }
            Call::Cancelled { by_us } => {
                if !by_us {
                    backoff.pause().await;
                }
                open = Some(wait);
            }
            Call::Lost => backoff.pause().await,
            Call::Refused(error) => {
                waiting.fail(&error);
                open = Some(wait);
            }
        }
    }
}

/// The session that waits.
struct Wait {
    session: Session,
    pid: i32,
}

impl Wait {
    async fn open(sessions: &Sessions) -> Result<Self, ServerError> {
        let session = sessions.lasting().await?;
        // The waits are long on purpose, whatever the role's settings say; not every version has all of these.
        let no_limits = "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings \
                         WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_session_timeout')";
        session.query_typed(no_limits, &[]).await?;
        let pid = session.query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[]).await?.try_get(0)?;
        Ok(Self { session, pid })
    }

    /// Waits for all in `waiting`, and adds to it who comes while it does.
    async fn call(
        &self,
        sessions: &Sessions,
        waiting: &mut Waiting,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Call {
        let (ids, seconds) = (waiting.ids(), CALL.as_secs_f64());
        let parameters: [crate::connection::Parameter<'_>; 2] =
            [(&ids, Type::TEXT_ARRAY), (&seconds, Type::FLOAT8)];
        let session = &*self.session;
        let answer = session.query_typed("SELECT instance_id, status FROM df.await_any($1, $2)", &parameters);
        tokio::pin!(answer);
        let deadline = Instant::now() + CALL + GRACE;
        let mut cancel_at: Option<(Instant, Duration)> = None;
        loop {
            let (due, _) = cancel_at.unwrap_or((deadline, Duration::ZERO));
            tokio::select! {
                answer = &mut answer => return match answer {
                    Ok(rows) if rows.is_empty() => ended(gone(session, &ids).await, false),
                    answer => ended(answer, cancel_at.is_some()),
                },
                request = requests.recv() => match request {
                    Some(request) => {
                        let is_new = !waiting.replies.contains_key(&request.id);
                        waiting.add(request);
                        if is_new {
                            cancel_at.get_or_insert((Instant::now() + GATHER, CANCEL_AGAIN));
                        }
                    }
                    // Nobody is left who could wait.
                    None => return Call::Lost,
                },
                () = sleep_until(due) => {
                    if Instant::now() >= deadline {
                        return Call::Lost;
                    }
                    if let Some((_, again)) = cancel_at {
                        // Where it fails the connection is lost, too, or the next attempt does better.
                        let _ = timeout(again, self.cancel(sessions)).await;
                        cancel_at = Some((Instant::now() + again, again * 2));
                    }
                }
            }
        }
    }

    /// Cancels from another session: a cancel request would be one more connection, and would need the TLS
    /// connector that only the pool has.
    async fn cancel(&self, sessions: &Sessions) -> Result<(), ServerError> {
        let session = sessions.session().await?;
        session.query_typed("SELECT pg_catalog.pg_cancel_backend($1)", &[(&self.pid, Type::INT4)]).await?;
        Ok(())
    }
}

/// Which instances are not there any more: nobody will ever tell that they are terminal.
async fn gone(
    session: &tokio_postgres::Client,
    ids: &Vec<String>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    const SQL: &str = "SELECT wanted.id FROM unnest($1) AS wanted (id) \
         WHERE NOT EXISTS (SELECT FROM df.instances AS i WHERE i.id = wanted.id)";
    session.query_typed(SQL, &[(ids, Type::TEXT_ARRAY)]).await
}

fn ended(answer: Result<Vec<Row>, tokio_postgres::Error>, by_us: bool) -> Call {
    let ids =
        |rows: Vec<Row>| rows.iter().map(|row| row.try_get::<_, String>(0).map(InstanceId::from)).collect();
    match answer.and_then(ids).map_err(ServerError::from) {
        Ok(ids) => Call::Answered(ids),
        Err(error) if error.is(&SqlState::QUERY_CANCELED) => Call::Cancelled { by_us },
        Err(error) if error.is_connection_lost() => Call::Lost,
        Err(error) => Call::Refused(error),
    }
}
