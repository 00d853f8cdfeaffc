mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let pause: i64 = sql!("SELECT 5").await?;
    sleep(seconds(pause)).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
