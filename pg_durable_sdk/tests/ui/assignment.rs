mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let n: i64 = sql!("SELECT 1").await?;
    n = 2;
    Ok(Receipt { id: order.id })
}

fn main() {}
