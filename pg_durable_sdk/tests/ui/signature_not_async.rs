mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
fn fulfil(order: Order) -> Result<Receipt> {
    Ok(Receipt { id: order.id })
}

fn main() {}
