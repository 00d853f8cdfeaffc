//! The kinds without children.

mod end;
mod schedule;
mod signal;
mod sleep;
mod sql;

pub use end::Break;
pub use schedule::WaitSchedule;
pub use signal::Signal;
pub use sleep::Sleep;
pub use sql::{Delivery, Sql};
