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

/// How deep the arrays and objects of a bound value may be nested: what drops or prints one recurses.
pub(crate) const MAX_PARAM_DEPTH: usize = 100;

/// The most values that one step binds, as for a statement of a client's.
pub const PARAMS_MAX: usize = 65_535;

/// The longest span of time: 100 years of 365.25 days.
pub const SPAN_MAX: Duration = Duration::from_secs(3_155_760_000);
