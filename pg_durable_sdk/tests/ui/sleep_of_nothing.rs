mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sleep({ other.wait }).await?;
    sleep({ order.qty + 1 }).await?;
    sleep_until(hours(1)).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
