//! The types of the cases.
#![allow(dead_code, unused_imports)]

pub use pg_durable_sdk::{JsonSchema, workflow};
pub use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub id: i64,
    pub sku: String,
    pub qty: i32,
    pub express: bool,
    pub note: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    pub id: i64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    pub approved: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub id: i64,
}
