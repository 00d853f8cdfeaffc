//! What a test server in a container is to be like.

use super::{ContainerServer, IMAGE_VARIABLE};
use crate::testing::{TestServerBuilder, TestServerError};
use std::{collections::BTreeMap, env};

/// The image where none is named: what `cargo xtask image` builds.
const DEFAULT_IMAGE: &str = "pg_durable:dev";

/// Settings of a [`ContainerServer`] that is yet to start.
///
/// The defaults are those of [`TestServerBuilder`], and the image that [`IMAGE_VARIABLE`] names, else
/// `pg_durable:dev`.
///
/// ```no_run
/// use pg_durable_sdk::testing::{ContainerServer, TestServerError};
///
/// # fn main() -> Result<(), TestServerError> {
/// let server = ContainerServer::builder().image("pg_durable:17").setting("work_mem", "64MB").start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ContainerServerBuilder {
    image: Option<String>,
    settings: BTreeMap<String, String>,
}

impl Default for ContainerServerBuilder {
    fn default() -> Self {
        Self { image: None, settings: TestServerBuilder::new().into_settings() }
    }
}

impl ContainerServerBuilder {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts from this image, which must be one that `docker/Dockerfile` makes. It is not fetched.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets a server parameter. A later value replaces an earlier one.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Makes the container and starts it; returns once the server takes connections.
    pub fn start(self) -> Result<ContainerServer, TestServerError> {
        let named = || env::var(IMAGE_VARIABLE).ok().filter(|image| !image.is_empty());
        let image = self.image.or_else(named).unwrap_or_else(|| DEFAULT_IMAGE.to_owned());
        ContainerServer::start(image, &self.settings)
    }
}
