//! What the expansions of `sql!` and `#[workflow]` call. Nothing here is for anybody else.

#![allow(missing_docs, reason = "hidden, and called by our own macros only")]

mod capture;
mod cast;
mod definition;
pub mod duration;
mod mirror;
mod moment;
mod node;
pub mod policy;
mod probe;
mod shape;
mod statement;
pub mod words;

pub use capture::{CaptureStep, CaptureValue, Captured};
pub use cast::CastType;
pub use definition::name;
pub use mirror::{BodyResult, block, caught, chosen, failed, first_of, result};
pub use moment::Moment;
pub(crate) use node::with_faults;
pub use node::{
    as_document, catch, if_else, if_some, join, leaf, leave, nothing, race, race_tagged, repeat, retry,
    sequence, workflow,
};
pub use probe::{
    AnyFields, AnySchema, AnyType, InstantType, ListType, NullableType, Probe, ReadFields, Schema,
    SchemaFields, SqlType, owner_of, probe, probe_of, some, type_of,
};
pub use statement::Statement;
