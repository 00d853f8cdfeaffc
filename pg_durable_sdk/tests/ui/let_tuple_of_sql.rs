mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let (a, b): (i64, i64) = sql!("SELECT 1, 2").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
