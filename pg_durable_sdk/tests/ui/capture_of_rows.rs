mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let holds: Vec<Hold> = sql!("SELECT 1 AS id").await?;
    sql!("SELECT {holds}").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
