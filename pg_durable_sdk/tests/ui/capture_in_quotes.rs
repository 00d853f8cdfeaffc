mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sql!("SELECT '{order.sku}'").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
