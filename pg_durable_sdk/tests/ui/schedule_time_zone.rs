mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    schedule("@daily").in_time_zone("Mars/Olympus").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
