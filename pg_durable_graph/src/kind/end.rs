//! BREAK: leaves the enclosing loop.

/// Ends the nearest LOOP around it, also through JOIN and RACE branches.
#[derive(Debug, Clone, PartialEq)]
pub struct Break {
    /// The loop's result as text, references substituted; `None` makes it `null`.
    pub value: Option<String>,
}
