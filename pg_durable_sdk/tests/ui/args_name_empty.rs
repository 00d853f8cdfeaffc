mod shop;
use shop::*;

#[workflow(name = "")]
async fn fulfil(order: Order) -> Result<Receipt> {
    Ok(Receipt { id: order.id })
}

fn main() {}
