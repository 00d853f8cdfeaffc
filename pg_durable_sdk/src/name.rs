//! The names by which results are referred to.

use std::sync::{Arc, OnceLock};

/// An earlier step's result: by its name, or by the handle of the step.
///
/// A step without a name has that of the variable from which [`sql!`](macro@crate::sql) captures it, wherever
/// that is in the workflow.
///
/// ```
/// use pg_durable_sdk::{Workflow, sql};
///
/// let mail = sql("SELECT id FROM inbox ORDER BY id LIMIT 1").named("mail");
/// let next = || (sql("CALL answer($mail.id)"), sql("CALL rest()"));
///
/// let (answer, rest) = next();
/// let by_handle = Workflow::new().step(&mail).branch_on_rows(&mail, answer, rest);
/// let (answer, rest) = next();
/// let by_name = Workflow::new().step(&mail).branch_on_rows("mail", answer, rest);
/// assert_eq!(by_handle.explain(), by_name.explain());
/// ```
#[derive(Debug, Clone)]
pub struct ResultName(pub(crate) Named);

/// How a result is named.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    As(String),
    /// By a capture, which there may not have been yet.
    ByCapture(SharedName),
}

impl From<&str> for ResultName {
    fn from(name: &str) -> Self {
        Self(Named::As(name.to_owned()))
    }
}

impl From<String> for ResultName {
    fn from(name: String) -> Self {
        Self(Named::As(name))
    }
}

impl From<&String> for ResultName {
    fn from(name: &String) -> Self {
        Self(Named::As(name.clone()))
    }
}

/// A name that the handles of one step share with the parts made of them: whichever is captured first names
/// them all, also those that are in a workflow already.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedName(Arc<OnceLock<String>>);

impl SharedName {
    /// The name, which is that of this variable unless an earlier capture gave it another.
    pub(crate) fn captured_from(&self, variable: &str) -> &str {
        self.0.get_or_init(|| match variable {
            // What `$input` means is settled.
            "input" => "input_".to_owned(),
            variable => variable.to_owned(),
        })
    }

    /// The name, once there was a capture.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Whether both are of one step.
    pub(crate) fn is_same_step(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
