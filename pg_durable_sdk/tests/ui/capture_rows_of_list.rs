use pg_durable_sdk::{JsonSchema, workflow};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Item {
    sku: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    items: Vec<Item>,
}

#[workflow(name = "pick", version = 1)]
async fn pick(order: Order) -> Result<()> {
    sql!("INSERT INTO picked SELECT sku FROM {order.items.*}").await?;
    Ok(())
}

#[workflow(name = "pick.all", version = 1)]
async fn pick_all(items: Vec<Item>) -> Result<()> {
    sql!("INSERT INTO picked SELECT sku FROM {items.*}").await?;
    Ok(())
}

fn main() {}
