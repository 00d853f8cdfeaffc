//! Where an instance stands, for services.

use pg_durable_graph::InstanceStatus;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where an instance stands.
///
/// Later versions have more of them, so a `match` wants an arm for what it does not know; [`is_terminal`](Self::is_terminal) says
/// of each whether anything follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Started; no executor has had it yet.
    Pending,
    /// An executor has had it. It stays so while it waits.
    Running,
    /// The last step completed.
    Completed,
    /// A step failed and nothing caught it.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// A text that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no status of an instance")]
pub struct UnknownStatus(String);

impl Status {
    /// Whether nothing follows.
    pub fn is_terminal(self) -> bool {
        InstanceStatus::from(self).is_terminal()
    }

    /// The word that SQL has for it.
    pub fn as_str(self) -> &'static str {
        InstanceStatus::from(self).as_str()
    }
}

macro_rules! same_as_of_the_engine {
    ($($status:ident)+) => {
        impl From<InstanceStatus> for Status {
            fn from(status: InstanceStatus) -> Self {
                match status { $(InstanceStatus::$status => Self::$status),+ }
            }
        }

        impl From<Status> for InstanceStatus {
            fn from(status: Status) -> Self {
                match status { $(Status::$status => Self::$status),+ }
            }
        }
    };
}

same_as_of_the_engine! { Pending Running Completed Failed Cancelled }

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        text.parse::<InstanceStatus>().map(Self::from).map_err(|_| UnknownStatus(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_its_word_everywhere() {
        for engine in InstanceStatus::ALL {
            let status = Status::from(engine);
            assert_eq!(engine.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).expect("it is JSON"), engine.as_str());
            assert_eq!(
                (status.to_string(), status.is_terminal()),
                (engine.to_string(), engine.is_terminal())
            );
        }
        let error = "asleep".parse::<Status>().expect_err("there is none");
        assert_eq!(error.to_string(), "\"asleep\" is no status of an instance");
    }
}
