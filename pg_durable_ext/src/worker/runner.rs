//! A runner: carries out one request in a session of its own, for an executor of another database or for a
//! `df.start` in a transaction of its own.

use crate::engine::elsewhere;
use crate::pg::remote;

/// The life of a runner; `segment` says where its request is.
pub fn run(segment: u32) {
    remote::serve(segment, elsewhere::answer);
}
