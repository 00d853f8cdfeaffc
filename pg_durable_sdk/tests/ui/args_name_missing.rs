mod shop;
use shop::*;

#[workflow(version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    Ok(Receipt { id: order.id })
}

fn main() {}
