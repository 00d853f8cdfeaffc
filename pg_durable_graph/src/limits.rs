//! How much is accepted. What is beyond is refused when a graph is read, before anything is stored.

use std::time::Duration;

/// The deepest nesting that a graph may have, the root being 0; see [`Graph::check_limits`].
///
/// [`Graph::check_limits`]: crate::Graph::check_limits
pub const MAX_DEPTH: usize = 256;

/// The most nodes that a graph may have.
pub const MAX_NODES: usize = 10_000;

/// Brackets that may be open at once: a node opens one for itself and, in `extra_nodes`, one for the array.
pub(crate) const MAX_BRACKETS: usize = 2 * MAX_NODES + 16;

/// The longest text of a graph, and of a step, in bytes: what reads and writes one makes several copies.
pub const TEXT_MAX: usize = 32 * 1024 * 1024;

/// The largest document that comes with a start or a signal, in bytes of JSON.
pub const DOCUMENT_MAX: usize = 16 * 1024 * 1024;

/// The longest idempotency key of a signal, in bytes.
pub const SIGNAL_KEY_MAX: usize = 1000;

/// The longest text that a step may become when its variables and references are put in, in bytes.
pub const EXPANDED_MAX: usize = 256 * 1024 * 1024;

/// How deep the arrays and objects of a bound value may be nested: what drops or prints one recurses.
pub(crate) const MAX_PARAM_DEPTH: usize = 100;

/// Brackets that may be open at once in `params`: those of a value and of the array around it.
pub const PARAMS_BRACKETS_MAX: usize = MAX_PARAM_DEPTH + 1;

/// The most values that one step binds, as for a statement of a client's.
pub const PARAMS_MAX: usize = 65_535;

/// The longest span of time: 100 years of 365.25 days.
pub const SPAN_MAX: Duration = Duration::from_secs(3_155_760_000);
