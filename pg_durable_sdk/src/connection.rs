//! One connection to the server that is made anew when it was lost.

use crate::ServerError;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_postgres::{
    Config, NoTls,
    types::{ToSql, Type},
};

/// A value to be sent, with its type, so that a call costs one round trip.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

pub(crate) fn text<T: ToSql + Sync>(value: &T) -> Parameter<'_> {
    (value, Type::TEXT)
}

/// A connection, for any number of calls at once.
#[derive(Debug)]
pub(crate) struct Connection {
    config: Config,
    session: Mutex<Option<Arc<tokio_postgres::Client>>>,
}

impl Connection {
    /// Does not connect yet.
    pub(crate) fn new(config: Config) -> Self {
        Self { config, session: Mutex::new(None) }
    }

    /// The open session, or a new one where there is none.
    pub(crate) async fn session(&self) -> Result<Arc<tokio_postgres::Client>, ServerError> {
        let mut session = self.session.lock().await;
        if let Some(open) = session.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        let opened = Arc::new(connect(&self.config).await?);
        *session = Some(opened.clone());
        Ok(opened)
    }
}

/// Opens a session; its task ends with it.
pub(crate) async fn connect(config: &Config) -> Result<tokio_postgres::Client, ServerError> {
    let (client, connection) = config.connect(NoTls).await?;
    // Its error reaches every call that is under way.
    tokio::spawn(connection);
    Ok(client)
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
