//! The name that a step gets from the variable it is captured from.

use std::sync::{Arc, OnceLock};

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
