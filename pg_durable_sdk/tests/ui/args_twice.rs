mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1, version = 2)]
async fn fulfil(order: Order) -> Result<Receipt> {
    Ok(Receipt { id: order.id })
}

fn main() {}
