//! Waiting for any number of instances over one connection, without polling.
//!
//! One task calls `df.await_any` with all instances that somebody waits for, and tells those whose instance
//! is terminal to look. When another one is to be waited for, it ends the call, by a bell that is rung from the session of
//! the other calls, and makes it again with the larger set. A call ends after some seconds in any case: it holds a snapshot,
//! for which vacuum and `CREATE INDEX CONCURRENTLY` wait, and a connection that died silently has to be noticed.
//!
//! A pooler may give each transaction another backend. So a call is one transaction, whose settings end with it, and nothing
//! is known of its process: to cancel a process by its number would hit whoever has it by then.

use crate::{
    InstanceId, ServerError,
    connection::{Backoff, Parameter, Session, Sessions, text},
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
use uuid::Uuid;

/// How long one call of `df.await_any` takes at most.
const CALL: Duration = Duration::from_secs(5);

/// How much later than that its answer may come.
const GRACE: Duration = Duration::from_secs(30);

/// How long others who want to be waited for are gathered before a call is ended for them.
const GATHER: Duration = Duration::from_millis(1);

/// How long a call has to end before its bell is rung again: the first time may have been before the call began to listen.
const RING_AGAIN: Duration = Duration::from_millis(100);

/// Begins the transaction of a call. It sees what others commit whatever the role's isolation is, and takes its time whatever
/// the role's limits are; not every version of the server has all of these.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SELECT pg_catalog.set_config(name, '0', true) \
    FROM pg_catalog.unnest(ARRAY['statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout']) AS l (name) \
    WHERE pg_catalog.current_setting(name, true) IS NOT NULL";

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
    /// Somebody cancelled it.
    Cancelled,
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
            Call::Cancelled => {
                backoff.pause().await;
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
    /// Ends the calls of this session, and of no other: it was made up.
    bell: String,
}

impl Wait {
    async fn open(sessions: &Sessions) -> Result<Self, ServerError> {
        let session = sessions.lasting().await?;
        Ok(Self { session, bell: bell() })
    }

    /// Waits for all in `waiting`, and adds to it who comes while it does.
    async fn call(
        &self,
        sessions: &Sessions,
        waiting: &mut Waiting,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Call {
        let ids = waiting.ids();
        let answer = self.await_any(&ids);
        tokio::pin!(answer);
        let deadline = Instant::now() + CALL + GRACE;
        let mut ring_at: Option<(Instant, Duration)> = None;
        loop {
            let (due, _) = ring_at.unwrap_or((deadline, Duration::ZERO));
            tokio::select! {
                answer = &mut answer => return match answer {
                    Ok(rows) if rows.is_empty() => ended(gone(&self.session, &ids).await),
                    answer => ended(answer),
                },
                request = requests.recv() => match request {
                    Some(request) => {
                        let is_new = !waiting.replies.contains_key(&request.id);
                        waiting.add(request);
                        if is_new {
                            ring_at.get_or_insert((Instant::now() + GATHER, RING_AGAIN));
                        }
                    }
                    // Nobody is left who could wait.
                    None => return Call::Lost,
                },
                () = sleep_until(due) => {
                    if Instant::now() >= deadline {
                        return Call::Lost;
                    }
                    if let Some((_, again)) = ring_at {
                        // Where it fails the connection is lost, too, or the next attempt does better.
                        let _ = timeout(again, self.ring(sessions)).await;
                        ring_at = Some((Instant::now() + again, again * 2));
                    }
                }
            }
        }
    }

    /// The call, as one transaction and one round trip. Its end is on its way with its beginning, so that it is never left
    /// open.
    async fn await_any(&self, ids: &[String]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let (ids, seconds) = ([ids, std::slice::from_ref(&self.bell)].concat(), CALL.as_secs_f64());
        let parameters: [Parameter<'_>; 2] = [(&ids, Type::TEXT_ARRAY), (&seconds, Type::FLOAT8)];
        // They are sent in the order in which they are polled first.
        let (begun, answer, committed) = tokio::join!(
            biased;
            self.session.batch_execute(BEGIN),
            self.session.query_typed("SELECT instance_id, status FROM df.await_any($1, $2)", &parameters),
            self.session.batch_execute("COMMIT"),
        );
        begun?;
        let rows = answer?;
        committed?;
        Ok(rows)
    }

    /// Ends the call from another session.
    async fn ring(&self, sessions: &Sessions) -> Result<(), ServerError> {
        let session = sessions.session().await?;
        session.query_typed("SELECT df._ring($1)", &[text(&self.bell)]).await?;
        Ok(())
    }
}

/// A new bell: 16 hex digits that are no instance's id.
fn bell() -> String {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    format!("{:016x}", random | 1 << 63)
}

/// Which instances are not there any more: nobody will ever tell that they are terminal.
async fn gone(
    session: &tokio_postgres::Client,
    ids: &Vec<String>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    const SQL: &str = "SELECT wanted.id FROM pg_catalog.unnest($1) AS wanted (id) \
         WHERE NOT EXISTS (SELECT FROM df.instances AS i WHERE i.id = wanted.id)";
    session.query_typed(SQL, &[(ids, Type::TEXT_ARRAY)]).await
}

fn ended(answer: Result<Vec<Row>, tokio_postgres::Error>) -> Call {
    let ids =
        |rows: Vec<Row>| rows.iter().map(|row| row.try_get::<_, String>(0).map(InstanceId::from)).collect();
    match answer.and_then(ids).map_err(ServerError::from) {
        Ok(ids) => Call::Answered(ids),
        Err(error) if error.is(&SqlState::QUERY_CANCELED) => Call::Cancelled,
        Err(error) if error.is_connection_lost() => Call::Lost,
        Err(error) => Call::Refused(error),
    }
}
