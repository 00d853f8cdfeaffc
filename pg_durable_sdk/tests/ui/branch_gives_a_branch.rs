mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let first: i64 = race!(join!(sql!("SELECT 1"), sql!("SELECT 2")), sql!("SELECT 3")).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
