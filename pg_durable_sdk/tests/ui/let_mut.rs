mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let mut n: i64 = sql!("SELECT 1").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
