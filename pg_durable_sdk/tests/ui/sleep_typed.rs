mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sleep::<i64>(hours(1)).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
