mod shop;
use shop::*;

#[workflow(name = "order.fulfil", retries = 3)]
async fn fulfil(order: Order) -> Result<Receipt> {
    Ok(Receipt { id: order.id })
}

fn main() {}
