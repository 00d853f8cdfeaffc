mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    if let Some(x) = sleep(hours(1)).await? {
        sql!("SELECT 1").await?;
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
