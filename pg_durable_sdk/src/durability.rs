//! When checkpoints reach the disk.

/// When checkpoints reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Every checkpoint is flushed as any commit of the role would be.
    Step,
    /// Checkpoints are flushed before anything leaves the system; a crash may take the last steps back, with
    /// their effects, and they run again.
    Barrier,
}

impl Durability {
    /// The word that `df.start` takes.
    ///
    /// ```
    /// assert_eq!(pg_durable_sdk::Durability::Barrier.as_str(), "barrier");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Durability::Step => "step",
            Durability::Barrier => "barrier",
        }
    }
}
