mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    schedule("0 25 * * *").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
