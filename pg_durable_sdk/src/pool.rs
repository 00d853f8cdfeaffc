//! Sessions of a caller's `deadpool-postgres` pool.

use crate::ServerError;
use deadpool_postgres::{ClientWrapper, Object, Pool, PoolError, TimeoutType};
use std::fmt;

/// A pool that is shared with others.
pub(crate) struct Pooled(pub(crate) Pool);

impl Pooled {
    pub(crate) async fn session(&self) -> Result<Object, ServerError> {
        self.0.get().await.map_err(ServerError::from)
    }

    /// A connection that the pool does not count any more: it is kept as long as anything is awaited, and a
    /// pool may be of one.
    pub(crate) async fn lasting(&self) -> Result<ClientWrapper, ServerError> {
        Ok(Object::take(self.session().await?))
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&self.0.status()).finish()
    }
}

impl From<PoolError> for ServerError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => Self::pool(
                "the pool has no free connection",
                "Give the pool more connections, or wait longer.",
            ),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Self::pool(
                "the pool's connections take too long to open",
                "See whether the server is reachable.",
            ),
            PoolError::Closed => Self::pool("the pool is closed", "Close it after the last call."),
            PoolError::NoRuntimeSpecified => {
                Self::pool("the pool has time-outs and no runtime", "Build it with Runtime::Tokio1.")
            }
            PoolError::PostCreateHook(_) => Self::pool(
                "a hook of the pool refused the connection",
                "See what the pool's post_create hook wants.",
            ),
        }
    }
}
