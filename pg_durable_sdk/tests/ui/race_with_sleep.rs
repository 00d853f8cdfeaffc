mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let first: i64 = race!(sql!("SELECT 1"), sleep(hours(1))).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
