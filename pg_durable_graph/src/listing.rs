//! What a list of instances is asked: which of them, in which order, and from where on.

mod cursor;
mod filter;

pub use cursor::{Cursor, Sort, SortKey};
pub use filter::{Filter, FilterError, Match, Wanted};
