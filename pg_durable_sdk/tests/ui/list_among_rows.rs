use pg_durable_sdk::{JsonSchema, workflow};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Item {
    sku: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    items: Vec<Item>,
    express: bool,
}

#[workflow(name = "pick", version = 1)]
async fn pick(order: Order) -> Result<Vec<Item>> {
    let items: Vec<Item> = if order.express {
        sql!("SELECT sku FROM express").await?
    } else {
        order.items
    };
    Ok(items)
}

fn main() {}
