mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let stock: i64 = stock_of(order.id).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
