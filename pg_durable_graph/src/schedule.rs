//! Cron expressions, in a time zone: what they mean, and when they tick.
//!
//! Ticks at fixed times, which are those without `*` in minute and hour, follow the wall clock: where it is put forward,
//! those in the gap happen once, right after it; where it is put back, each happens once, the first time. All others go on
//! at their pace through both hours.

#[cfg(feature = "engine")]
mod ticks;

pub use pg_durable_syntax::schedule::{Parsed, ScheduleError, parse};
#[cfg(feature = "engine")]
pub use ticks::{Schedule, next_tick};
