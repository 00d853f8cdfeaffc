mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let id: i64 = order.id.await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
