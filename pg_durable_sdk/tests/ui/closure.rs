mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let twice = |n: i64| n * 2;
    Ok(Receipt { id: order.id })
}

fn main() {}
