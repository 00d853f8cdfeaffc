mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let hold: Hold = sql!("SELECT 1 AS id").await?;
    sql!("SELECT {hold}.id").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
