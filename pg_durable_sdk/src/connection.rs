//! Connections to the server, made anew when they were lost.

use crate::ServerError;
use futures_util::{FutureExt, future::BoxFuture};
use std::{fmt, ops::Deref, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_postgres::{
    Config, Socket,
    tls::{MakeTlsConnect, TlsConnect},
    types::{ToSql, Type},
};

/// A value to be sent, with its type, so that a call costs one round trip.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

pub(crate) fn text<T: ToSql + Sync>(value: &T) -> Parameter<'_> {
    (value, Type::TEXT)
}

/// Where sessions come from.
#[derive(Debug)]
pub(crate) enum Sessions {
    /// One for all calls, which they share, and further ones as they are asked for.
    Own(Connection),
    /// Those of a pool.
    #[cfg(feature = "deadpool")]
    Pool(crate::pool::Pooled),
}

impl Sessions {
    /// A session for a call.
    pub(crate) async fn session(&self) -> Result<Session, ServerError> {
        match self {
            Self::Own(connection) => connection.session().await.map(Session::Shared),
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => pool.session().await.map(Session::Pooled),
        }
    }

    /// A session beside those, to be kept.
    pub(crate) async fn lasting(&self) -> Result<Session, ServerError> {
        match self {
            Self::Own(connection) => connection.connect.connect().await.map(Arc::new).map(Session::Shared),
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => pool.lasting().await.map(Session::Beside),
        }
    }
}

/// An open session.
pub(crate) enum Session {
    Shared(Arc<tokio_postgres::Client>),
    #[cfg(feature = "deadpool")]
    Pooled(deadpool_postgres::Object),
    #[cfg(feature = "deadpool")]
    Beside(deadpool_postgres::ClientWrapper),
}

impl Deref for Session {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &tokio_postgres::Client {
        match self {
            Self::Shared(client) => client,
            #[cfg(feature = "deadpool")]
            Self::Pooled(client) => client,
            #[cfg(feature = "deadpool")]
            Self::Beside(client) => client,
        }
    }
}

/// A connection, for any number of calls at once.
pub(crate) struct Connection {
    connect: Box<dyn Connect>,
    session: Mutex<Option<Arc<tokio_postgres::Client>>>,
}

impl Connection {
    /// Does not connect yet.
    pub(crate) fn new<T>(mut config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        if config.get_application_name().is_none() {
            config.application_name("pg_durable_sdk");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        Self { connect: Box::new(Direct { config, tls }), session: Mutex::new(None) }
    }

    /// The open session, or a new one where there is none.
    async fn session(&self) -> Result<Arc<tokio_postgres::Client>, ServerError> {
        let mut session = self.session.lock().await;
        if let Some(open) = session.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        let opened = Arc::new(self.connect.connect().await?);
        *session = Some(opened.clone());
        Ok(opened)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Opens sessions, with or without TLS.
trait Connect: Send + Sync {
    fn connect(&self) -> BoxFuture<'_, Result<tokio_postgres::Client, ServerError>>;
}

struct Direct<T> {
    config: Config,
    tls: T,
}

impl<T> Connect for Direct<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self) -> BoxFuture<'_, Result<tokio_postgres::Client, ServerError>> {
        async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            // Ends with its client. Its error reaches every call that is under way.
            tokio::spawn(connection);
            Ok(client)
        }
        .boxed()
    }
}

/// Growing pauses between attempts.
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(crate) fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(Self::LONGEST);
    }
}
